// Package application is the kind application: a registration in a tenant with
// what conditional access demands for it, and a small relying party that
// answers on a host of its own.
//
// The registration is administered over the tenant's Graph, with the lab
// administrator's credential. The relying party knows its tenant as any
// resource does: by the OpenID configuration, the signing keys and the
// introspection that the tenant answers over HTTPS. It decides on tokens by
// what they say, never by what the lab knows besides.
//
//	GET /        with a bearer token: who comes, as JSON; a browser is sent to sign in
//	GET /signin  the redirect URI of that sign-in
package application

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
)

type object = providers.Object[spec.Application, spec.ApplicationOut]

// Types returns the kinds of the package.
func Types() []providers.Type { return []providers.Type{Application()} }

// Application returns the kind application.
func Application() providers.Type {
	return providers.Of(providers.Kind[spec.Application, spec.ApplicationOut]{
		Name:   "application",
		Doc:    "An application of a tenant: a client, a resource with its access rules, and a relying party that checks tokens.",
		After:  []string{"tenant"},
		Home:   func(in spec.Application) providers.Ref { return in.Tenant },
		Hosts:  func(o object) []string { return []string{o.Out.Host} },
		Key:    func(in spec.Application) string { return in.Name },
		Find:   find,
		Create: create,
		Read:   read,
		Update: update,
		Delete: remove,
		Open:   open,
	})
}

const (
	hostSuffix   = ".apps.test"
	callbackPath = "/signin"
)

// hostOf is the name an application answers on: its label, and that of its
// tenant's hosts, so that two tenants may have applications of one name.
func hostOf(label string, t spec.TenantOut) (string, error) {
	_, rest, _ := strings.Cut(t.LoginHost, ".")
	tenant, _, ok := strings.Cut(rest, ".")
	if !ok {
		return "", fmt.Errorf("the tenant's login host %q has no label", t.LoginHost)
	}
	return label + "." + tenant + hostSuffix, nil
}

// directory signs in to the directory of a tenant.
func directory(ctx context.Context, env providers.Env, tenant providers.Ref) (*graph.Client, spec.TenantOut, error) {
	c, t, err := administer.Graph(ctx, env, tenant)
	return c, t.Out, err
}

// redirects are an application's redirect URIs: its own, then the author's.
func redirects(host string, in spec.Application) *graph.PublicClient {
	return &graph.PublicClient{RedirectURIs: append([]string{"https://" + host + callbackPath}, in.RedirectURIs...)}
}

func outOf(a *graph.Application, host string) spec.ApplicationOut {
	return spec.ApplicationOut{ClientID: a.AppID, ObjectID: a.ID, Resource: "api://" + a.AppID, Host: host, URL: "https://" + host + "/"}
}

func create(ctx context.Context, env providers.Env, in spec.Application) (spec.ApplicationOut, error) {
	c, t, err := directory(ctx, env, in.Tenant)
	if err != nil {
		return spec.ApplicationOut{}, err
	}
	defer c.Close()
	label := hello.ApplicationLabel(env.Addr, in)
	host, err := hostOf(label, t)
	if err != nil {
		return spec.ApplicationOut{}, err
	}
	a, err := graph.Post[graph.Application](ctx, c, graph.Application{DisplayName: hello.ApplicationName(env.Addr, in), UniqueName: label, PublicClient: redirects(host, in)}, "applications")
	if err != nil {
		return spec.ApplicationOut{}, err
	}
	return outOf(a, host), setPolicies(ctx, c, label, a.AppID, in.Require)
}

// find reports what a killed creation left as it is: an application without
// its policies differs from what was declared.
func find(ctx context.Context, env providers.Env, key string) (object, error) {
	o, err := providers.Resolve[spec.Application, spec.ApplicationOut](env, providers.Ref(env.Addr))
	if err != nil {
		return object{}, err
	}
	if key != o.In.Name {
		return object{}, providers.ErrGone
	}
	c, t, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return object{}, err
	}
	defer c.Close()
	a, err := graph.First[graph.Application](ctx, c, graph.Equals("uniqueName", hello.ApplicationLabel(env.Addr, o.In)), "applications")
	return held(ctx, env, c, t, o, a, err)
}

func read(ctx context.Context, env providers.Env, o object) (object, error) {
	c, t, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return object{}, err
	}
	defer c.Close()
	a, err := graph.Get[graph.Application](ctx, c, "applications", o.Out.ObjectID)
	return held(ctx, env, c, t, o, a, err)
}

// held is the declared application o as the directory has it. err is that of
// asking for it.
func held(ctx context.Context, env providers.Env, c *graph.Client, t spec.TenantOut, o object, a *graph.Application, err error) (object, error) {
	if graph.IsNotFound(err) {
		return object{}, providers.ErrGone
	}
	if err != nil {
		return object{}, err
	}
	host, err := hostOf(a.UniqueName, t)
	if err != nil {
		return object{}, err
	}
	if a.DisplayName != hello.ApplicationName(env.Addr, o.In) {
		o.In.Name = a.DisplayName
	}
	var uris []string
	if a.PublicClient != nil {
		own := redirects(host, spec.Application{}).RedirectURIs[0]
		uris = slices.DeleteFunc(slices.Clone(a.PublicClient.RedirectURIs), func(uri string) bool { return uri == own })
	}
	o.In.RedirectURIs = providers.Elements(o.In.RedirectURIs, uris)
	if o.In.Require, err = readPolicies(ctx, c, a, o.In.Require); err != nil {
		return object{}, err
	}
	o.Addr, o.ID, o.Out = env.Addr, a.AppID, outOf(a, host)
	return o, nil
}

func update(ctx context.Context, env providers.Env, o object, in spec.Application) (spec.ApplicationOut, error) {
	c, _, err := directory(ctx, env, in.Tenant)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	a := graph.Application{DisplayName: hello.ApplicationName(env.Addr, in), PublicClient: redirects(o.Out.Host, in)}
	if err := c.Patch(ctx, a, "applications", o.Out.ObjectID); err != nil {
		return o.Out, err
	}
	return o.Out, setPolicies(ctx, c, labelOf(o.Out.Host), o.Out.ClientID, in.Require)
}

// labelOf is the unique name of the application behind a host.
func labelOf(host string) string {
	label, _, _ := strings.Cut(host, ".")
	return label
}

// remove deletes the policies first: one that is left would bind the next
// application of the name.
func remove(ctx context.Context, env providers.Env, o object) error {
	c, _, err := directory(ctx, env, o.In.Tenant)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := setPolicies(ctx, c, labelOf(o.Out.Host), o.Out.ClientID, nil); err != nil {
		return err
	}
	return c.Delete(ctx, "applications", o.Out.ObjectID)
}
