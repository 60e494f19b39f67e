package windows

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
)

// readiness is what a computer of a domain learned, when somebody signed in, of who
// would certify a Hello key: LogonCertTemplateReady and AdfsRaIsReady of
// `dsregcmd /status`, which asks nobody.
type readiness struct {
	Template  bool      `json:"template"`  // an authority of the domain issues by it
	Authority bool      `json:"authority"` // AD FS is a registration authority
	At        time.Time `json:"at"`
}

// keyReadiness is where it lies, beside the machine's record.
const keyReadiness = "readiness"

// needsReadiness reports whether a route's certificates come by AD FS.
func needsReadiness(r hello.Route) bool {
	return r.Trust == hello.CertTrust && r.Delivery == hello.RegistrationAuthority
}

// learnReadiness asks domain and AD FS, and has the device remember. What cannot be
// asked is not ready.
func (m *machine) learnReadiness(ctx context.Context, t *trace, c *http.Client, route hello.Route) (now readiness, err error) {
	if !needsReadiness(route) || !m.inDomain() {
		return now, nil
	}
	now.At = m.env.Now()
	if now.Template, err = m.templateReady(ctx, t); err != nil {
		t.skip(event.Device, "template_unknown", "The computer cannot ask the domain for its certificate templates.", reasonOf(err).Code)
	}
	sts, err := adfsOn(m.env, m.in.Domain)
	if err != nil {
		return now, err
	}
	if sts != nil {
		t.step(event.Device, event.STS, https, "capabilities_request", "The computer asks AD FS what it can.", message{"host": sts.Out.Host})
		if now.Authority, err = registrationAuthority(ctx, c, sts.Out.Host); err != nil {
			t.skip(event.Device, "capabilities_unknown", "AD FS does not say what it can.", reasonOf(err).Code)
		}
	}
	if err := ctx.Err(); err != nil {
		return now, err
	}
	return now, m.env.Section.Record(ctx, func(w providers.Writer) error { return put(w, tableMachine, keyReadiness, now) })
}

// templateReady reports whether an authority of the domain issues by the template of
// sign-in certificates, as the computer reads the directory.
func (m *machine) templateReady(ctx context.Context, t *trace) (bool, error) {
	if m.rec.Member == nil {
		return false, nil
	}
	ms, err := m.membershipOf(kerberosLane(t, nil))
	if err != nil {
		return false, err
	}
	conn, err := m.rec.Member.Directory(ctx, m.env, ms.provider)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	return publishes(conn, hello.SignInTemplate)
}

func publishes(c *adldap.Conn, template string) (bool, error) {
	services, err := enroll.Published(c)
	if enroll.Missing(err) {
		return false, nil
	}
	return slices.ContainsFunc(services, func(s enroll.Service) bool { return slices.Contains(s.Templates, template) }), err
}

// registrationAuthority asks AD FS whether it issues certificates for Hello keys
// (MS-OIDCE 2.2.3.2).
func registrationAuthority(ctx context.Context, c *http.Client, host string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+adfs.PathConfiguration, nil)
	if err != nil {
		return false, err
	}
	body, err := adfsBody(c, req)
	if err != nil {
		return false, farFromFederation(err)
	}
	said, err := adfs.ParseMetadata(body)
	if err != nil {
		return false, fmt.Errorf("%s: %w", host, err)
	}
	return said.Can(adfs.CapabilityHelloCertificate), nil
}

// learned is what the computer remembers of it.
func (m *machine) learned() (readiness, error) {
	r, _, err := view[readiness](m.env.Section, tableMachine, keyReadiness)
	return r, err
}
