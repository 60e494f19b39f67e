package trust

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
)

type (
	federation = providers.Object[spec.Federation, spec.FederationOut]
	authority  = providers.Object[spec.Authority, spec.AuthorityOut]
)

// byManagement reports whether sign-in certificates are delivered by device
// management alone.
func byManagement(in spec.Trust) bool { return in.Delivery == string(hello.MDMDelivery) }

// needsADFS reports whether AD FS has a part in a trust: it registers certificates,
// and without a tenant keys, too.
func needsADFS(in spec.Trust) bool {
	return in.Tenant == "" || in.Type == spec.TrustCertificate && !byManagement(in)
}

// adfsOf returns the AD FS of a trust: the one that it names, else that of the
// domain.
func adfsOf(env providers.Env, in spec.Trust) (federation, error) {
	all, err := providers.ResolveAll[spec.Federation, spec.FederationOut](env, "federation")
	if err != nil {
		return federation{}, err
	}
	for _, f := range all {
		named := in.Federation == "" || providers.Ref(f.Addr) == in.Federation
		if f.ID != "" && named && f.In.Kind == spec.FederationADFS && f.In.Domain == in.Domain {
			return f, nil
		}
	}
	if in.Federation != "" {
		return federation{}, fmt.Errorf("%s is not AD FS of %s, or does not exist yet", in.Federation, in.Domain)
	}
	return federation{}, fmt.Errorf("%s has no AD FS", in.Domain)
}

// issuerOf returns the authority of a trust's sign-in certificates: the one that
// the trust names, else AD FS's, else the first that the domain has.
func issuerOf(env providers.Env, in spec.Trust) (authority, error) {
	name := in.Authority
	if f, err := adfsOf(env, in); name == "" && err == nil {
		name = f.In.Authority
	}
	all, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](env, "authority")
	if err != nil {
		return authority{}, err
	}
	for _, a := range all {
		if a.ID != "" && a.In.Domain == in.Domain && (name == "" || providers.Ref(a.Addr) == name) {
			return a, nil
		}
	}
	return authority{}, fmt.Errorf("%s has no authority to issue certificates", in.Domain)
}

// missing tells what of a certificate trust does not stand now, in sentences; ""
// when everything does. It asks the directory and AD FS, whatever is declared.
func missing(ctx context.Context, env providers.Env, in spec.Trust) (string, error) {
	if in.Type != spec.TrustCertificate {
		return "", nil
	}
	issuer, err := issuerOf(env, in)
	if err != nil {
		return "", err
	}
	c, _, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return "", err
	}
	defer c.Close()
	var lacks []string
	trusted, err := inNTAuth(c, issuer)
	if err != nil {
		return "", err
	}
	if !trusted {
		lacks = append(lacks, fmt.Sprintf("The domain takes no sign-ins by certificates of %s (NTAuthCertificates).", issuer.Addr))
	}
	templates := []string{hello.SignInTemplate}
	if !byManagement(in) {
		templates = append(templates, hello.AgentTemplate)
	}
	off, err := notIssued(c, issuer, templates)
	if err != nil {
		return "", err
	}
	for _, t := range off {
		lacks = append(lacks, fmt.Sprintf("%s does not issue by the template %s.", issuer.Addr, t))
	}
	if !byManagement(in) {
		why, err := noAgent(ctx, env, in)
		if err != nil {
			return "", err
		}
		if why != "" {
			lacks = append(lacks, why)
		}
	}
	return strings.Join(lacks, " "), nil
}

// inNTAuth reports whether the directory lists an authority as one whose
// certificates may sign in.
func inNTAuth(c *adldap.Conn, a authority) (bool, error) {
	block, _ := pem.Decode([]byte(a.Out.Certificate))
	if block == nil {
		return false, fmt.Errorf("%s has no certificate", a.Addr)
	}
	e, err := c.Read(enroll.Container(c, enroll.NTAuth), "cACertificate")
	if err != nil && !enroll.Missing(err) {
		return false, err
	}
	return err == nil && slices.ContainsFunc(e.Values("cACertificate"), func(der []byte) bool { return string(der) == string(block.Bytes) }), nil
}

// notIssued are those of the templates that an authority is not published with.
func notIssued(c *adldap.Conn, a authority, templates []string) (off []string, err error) {
	published, err := enroll.Published(c)
	if err != nil {
		return nil, err
	}
	var issues []string
	for _, s := range published {
		if strings.EqualFold(s.Name, a.In.CommonName) {
			issues = s.Templates
		}
	}
	for _, t := range templates {
		if !slices.Contains(issues, t) {
			off = append(off, t)
		}
	}
	return off, nil
}

// noAgent tells why AD FS has no current enrollment agent certificate, "" when it
// has one.
func noAgent(ctx context.Context, env providers.Env, in spec.Trust) (string, error) {
	f, err := adfsOf(env, in)
	if err != nil {
		return "", err
	}
	status, err := adfs.Admin{Host: f.Out.Host, Secret: f.Out.AdminSecret}.Status(ctx, env)
	if err != nil {
		return "", err
	}
	switch agent := status.Agent; {
	case agent == nil && status.AgentError != "":
		return fmt.Sprintf("%s has no enrollment agent certificate: %s.", f.Addr, strings.TrimSuffix(status.AgentError, ".")), nil
	case agent == nil:
		return fmt.Sprintf("%s has no enrollment agent certificate.", f.Addr), nil
	case agent.Revoked:
		return fmt.Sprintf("The enrollment agent certificate of %s has been revoked.", f.Addr), nil
	case !env.Now().Before(agent.NotAfter):
		return fmt.Sprintf("The enrollment agent certificate of %s has ended.", f.Addr), nil
	}
	return "", nil
}

// registered looks for what a trust has of AD FS.
func registered(env providers.Env, in spec.Trust) error {
	if !needsADFS(in) {
		return nil
	}
	f, err := adfsOf(env, in)
	if err == nil && in.Tenant == "" && !f.In.DeviceRegistration {
		err = errors.New(f.Addr + " registers no devices and keys: set device_registration = true")
	}
	return err
}
