package windows

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/soap"
	"hellolab/providers/wire/strict"
	"hellolab/providers/wire/web"
	"hellolab/providers/wire/wstrust"
)

// What becomes of a password in a federated tenant (seed 003: "AD FS needs to be in
// the auth path to verify the credential"): the tenant says where its domain's
// passwords are checked, the federation service checks it and answers with an
// assertion (WS-Trust), and that is what the tenant takes. A Hello key needs none
// of it.

// isFederated reports whether the tenant has a federation service check passwords.
// A device knows since it joined.
func isFederated(env providers.Env, tenant providers.Ref) (bool, error) {
	if tenant == "" {
		return false, nil
	}
	t, err := providers.Resolve[spec.Tenant, spec.TenantOut](env, tenant)
	return t.In.Federation != "", err
}

// byPasswordOf is the proof of a user's password to the tenant, in a request for a
// primary refresh token: the password itself, or the assertion of who checked it.
func (c *cloudAP) byPasswordOf(ctx context.Context, p person, password providers.Secret) (prt.Request, error) {
	federated, err := isFederated(c.m.env, c.m.in.Tenant)
	if err != nil || !federated {
		return prt.Request{GrantType: oauth.GrantPassword, Username: p.upn, Password: string(password)}, err
	}
	assertion, err := c.checkedElsewhere(ctx, p, password)
	if err != nil {
		c.trace.refused(event.CloudAP, event.LSASS, local, "assertion_missing", "Cloud AP has no assertion of the federation service.", err)
		return prt.Request{}, err
	}
	return prt.Request{GrantType: oauth.GrantSAML11, Assertion: oauth.EncodeAssertion(assertion)}, nil
}

// userRealm is where a domain's passwords are checked (UserRealm, version 1.0).
type userRealm struct {
	AccountType string `json:"account_type"`
	Domain      string `json:"domain_name"`
	Metadata    string `json:"federation_metadata_url"`
	Active      string `json:"federation_active_auth_url"`
}

// checkedElsewhere has the federation service check a password.
func (c *cloudAP) checkedElsewhere(ctx context.Context, p person, password providers.Secret) ([]byte, error) {
	t := c.trace
	t.step(event.CloudAP, event.EntraID, https, "realm_request", "Cloud AP asks the tenant who checks the passwords of the user's domain.", message{"user": p.upn})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.tenant.LoginHost+"/common/UserRealm/"+url.PathEscape(p.upn)+"?api-version=1.0", nil)
	if err != nil {
		return nil, err
	}
	reply, err := web.Do(c.http, req)
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, oauth.ParseError(reply.Status, reply.Body)
	}
	var realm userRealm
	if err := strict.Unmarshal(reply.Body, &realm); err != nil {
		return nil, fmt.Errorf("answer about the user's realm: %w", err)
	}
	if realm.AccountType == "Unknown" {
		return nil, refuse("upn_suffix_unknown", nil)
	}
	if realm.AccountType != "Federated" || realm.Metadata == "" {
		return nil, fmt.Errorf("the tenant names no federation service of %q (%s)", realm.Domain, realm.AccountType)
	}
	f, err := federationOf(c.m.env, p)
	if err != nil {
		return nil, err
	}
	who := identityProvider(f)
	t.step(event.CloudAP, who, https, "endpoints_request", "Cloud AP asks the federation service that the tenant named where it takes passwords.", message{"metadata": realm.Metadata})
	to, err := c.passwordEndpoint(ctx, realm)
	if err != nil {
		return nil, err
	}
	t.step(event.CloudAP, who, https, "password_to_federation", "Cloud AP sends user name and password to the federation service.",
		message{"endpoint": to.URL, "applies_to": saml.AudienceMicrosoftOnline, "user": p.upn})
	now := c.m.env.Now()
	assertion, err := askSTS(ctx, c.m.env, c.http, to.URL, "", &wstrust.Request{
		Version: to.Version, AppliesTo: saml.AudienceMicrosoftOnline, Username: p.nameAt(who), Password: string(password), Created: now, Expires: now.Add(10 * time.Minute),
	})
	if err != nil {
		return nil, err
	}
	t.step(event.CloudAP, "", local, "assertion", "Cloud AP has the federation service's assertion for the tenant.", assertionMessage(assertion))
	return assertion, nil
}

// passwordEndpoint is where a federation service takes user names and passwords, by
// its own metadata.
func (c *cloudAP) passwordEndpoint(ctx context.Context, realm userRealm) (wstrust.Endpoint, error) {
	none := wstrust.Endpoint{}
	if u, err := url.Parse(realm.Metadata); err != nil || u.Scheme != "https" {
		return none, fmt.Errorf("the federation service has no secure metadata: %.80q", realm.Metadata)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, realm.Metadata, nil)
	if err != nil {
		return none, err
	}
	reply, err := web.Do(c.http, req)
	if err != nil {
		return none, farFromFederation(err)
	}
	if reply.Status != http.StatusOK {
		return none, stopped(reply)
	}
	all, err := wstrust.ParseMetadata(reply.Body)
	if err != nil {
		return none, err
	}
	return forPassword(realm, all)
}

// forPassword is the endpoint that a password goes to: what the tenant named, if it is
// among those of the metadata, else the first. One at a host that the tenant did not
// name gets none, whoever wrote it into the metadata.
func forPassword(realm userRealm, all []wstrust.Endpoint) (wstrust.Endpoint, error) {
	all = slices.DeleteFunc(slices.Clone(all), func(e wstrust.Endpoint) bool { return e.Windows })
	if len(all) == 0 {
		return wstrust.Endpoint{}, refuse("federation_without_password_endpoint", nil)
	}
	if i := slices.IndexFunc(all, func(e wstrust.Endpoint) bool { return e.URL == realm.Active }); i >= 0 {
		return all[i], nil
	}
	i := slices.IndexFunc(all, func(e wstrust.Endpoint) bool { return sameHost(e.URL, realm.Metadata) || sameHost(e.URL, realm.Active) })
	if i < 0 {
		return wstrust.Endpoint{}, refuse("federation_refused", fmt.Errorf("the metadata at %.80q names endpoints of other hosts only, such as %.80q", realm.Metadata, all[0].URL))
	}
	return all[i], nil
}

// sameHost reports whether two addresses are of one host and port.
func sameHost(one, other string) bool {
	a, err := url.Parse(one)
	if err != nil || a.Host == "" {
		return false
	}
	b, err := url.Parse(other)
	return err == nil && strings.EqualFold(a.Host, b.Host)
}

// nameAt is what a person is called at a federation service: AD FS has the names of
// its domain.
func (p person) nameAt(service event.Actor) string {
	if service == event.STS {
		return cmp.Or(p.upnOnPrem, p.upn)
	}
	return p.upn
}

// identityProvider is a federation service in traces.
func identityProvider(f *federationObject) event.Actor {
	if f != nil && f.In.Kind == spec.FederationThirdParty {
		return event.IdentityProvider
	}
	return event.STS
}

// askSTS asks an endpoint of WS-Trust for an assertion; proof, where it is not "",
// is the header Authorization by which it knows who asks.
func askSTS(ctx context.Context, env providers.Env, c *http.Client, endpoint, proof string, r *wstrust.Request) ([]byte, error) {
	id, err := guid.New(env.Rand)
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" {
		return nil, fmt.Errorf("the federation service has no secure endpoint: %.80q", endpoint)
	}
	r.MessageID, r.To = "urn:uuid:"+id.String(), endpoint
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(string(r.Marshal())))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/soap+xml; charset=utf-8")
	req.Header.Set("SOAPAction", r.Version.Action())
	if proof != "" {
		req.Header.Set("Authorization", proof)
	}
	reply, err := web.Do(c, req)
	if err != nil {
		return nil, farFromFederation(err)
	}
	if reply.Status == http.StatusServiceUnavailable || reply.Status == http.StatusUnauthorized {
		return nil, stopped(reply)
	}
	said, err := wstrust.ParseResponse(reply.Body)
	if err != nil {
		return nil, err
	}
	return said.Assertion, nil
}

// farFromFederation makes an error of a connection one that names the service.
func farFromFederation(err error) error {
	if reasonOf(err).Code == "host_unreachable" {
		return refuse("federation_unreachable", err)
	}
	return err
}

// stopped is the refusal of a federation service that does not run, or does not
// know who asks.
func stopped(reply web.Reply) error {
	err := fmt.Errorf("the federation service answered HTTP status %d", reply.Status)
	if reply.Status == http.StatusServiceUnavailable {
		return refuse("federation_unreachable", err)
	}
	return refuse("federation_refused", err)
}

// federationReason is the reason of a refusal of a federation service, in its own
// words.
func federationReason(e *adfs.Error) hello.Reason {
	code := "federation_refused"
	switch {
	case e.Code == adfs.CodeCredentials:
		code = "wrong_password"
	case e.Code == adfs.CodeHelloKey:
		code = "certificate_key_unknown"
	case strings.Contains(e.Sentence, "not written back"):
		code = "device_not_written_back"
	case e.OAuth == adfs.InvalidGrant:
		code = "enterprise_token_refused"
	}
	r, _ := hello.ReasonFor(code)
	r.Status, r.Name, r.Sentence = e.Code, e.OAuth, e.Sentence
	return r
}

// faultReason is that of a refusal in WS-Trust.
func faultReason(e *soap.Fault) hello.Reason {
	code := "federation_refused"
	if e.Subcode.Local == wstrust.FailedAuthentication.Local {
		code = "wrong_password"
	}
	r, _ := hello.ReasonFor(code)
	r.Status, r.Name = "", e.Subcode.Local
	if e.Reason != "" {
		r.Sentence = e.Reason
	}
	return r
}

// enterpriseReason is that of a refusal of a key by AD FS's registration service.
func enterpriseReason(e *edrs.Error) hello.Reason {
	code := "registration_refused"
	if strings.Contains(e.Code, "mfa") {
		code = "mfa_expired"
	}
	r, _ := hello.ReasonFor(code)
	r.Name, r.Sentence = e.Code, e.Sentence
	return r
}

// assertionMessage is an assertion in traces: nothing is decided on it.
func assertionMessage(raw []byte) message {
	a, err := saml.Unverified(raw)
	if err != nil {
		return nil
	}
	return message{"issuer": a.Issuer, "audience": a.Audience, "subject": a.NameID, "method": a.Method, "authnmethodsreferences": a.Values(saml.ClaimMethods), "not_on_or_after": a.NotOnOrAfter}
}
