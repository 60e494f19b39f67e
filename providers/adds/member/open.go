package member

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ntlm"
	"hellolab/providers/wire/revocation"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/web"
)

// server is a member server answering.
type server struct {
	env      providers.Env
	log      *slog.Logger
	in       spec.Service
	out      spec.ServiceOut
	domain   spec.DomainOut
	account  string // sAMAccountName
	password string
	keys     []krb.Key // of the account, the strongest first
	replays  *krb.ReplayCache
	ntlm     *ntlm.Server
	checker  *revocation.Checker // of a VPN gateway's clients' certificates
}

// maxAuthenticators bounds the server's memory of authenticators.
const maxAuthenticators = 1 << 16

// signInTimeout bounds one request, the domain asked. Real time.
const signInTimeout = 30 * time.Second

// open answers on the service's host. It asks its domain nothing yet.
func open(ctx context.Context, env providers.Env, o object) (providers.Service, error) {
	d, err := administer.DomainOf(env, o.In.Domain)
	if err != nil {
		return nil, err
	}
	env.Rand = randomness(env)
	s := &server{env: env, log: env.Log, in: o.In, out: o.Out, domain: d.Out, account: account(hello.ServiceName(o.Addr, o.In)), replays: krb.NewReplayCache(maxAuthenticators)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.password, err = machinePassword(env); err != nil {
		return nil, err
	}
	if s.password == "" {
		return nil, errNoPassword
	}
	for _, etype := range []int32{krb.AES256, krb.AES128} {
		k, err := krb.StringToKey(etype, s.password, krb.ComputerSalt(d.Out.Realm, s.account))
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, k)
	}
	s.ntlm = &ntlm.Server{
		NetBIOSDomain: strings.ToUpper(d.In.NetBIOSName), DNSDomain: strings.ToLower(d.In.DNSName),
		NetBIOSComputer: strings.TrimSuffix(s.account, "$"), DNSComputer: o.Out.Host, Now: env.Now, Rand: env.Rand,
	}
	if o.In.Kind != spec.ServiceVPN {
		return web.ServePlain(ctx, env, []string{o.Out.Host}, s)
	}
	s.checker = revocation.New(revocation.NewHTTP(env.Network.Dial), revocation.Options{})
	cert, err := web.Certificate(ctx, env, []string{o.Out.Host})
	if err != nil {
		return nil, err
	}
	return web.Serve(ctx, env, []string{o.Out.Host}, cert, s)
}

// connection is what a server remembers of a connection: both schemes sign
// connections in, or need several requests of one. Requests of a connection
// come one after another.
type connection struct {
	gss  *gss.Acceptance
	ntlm *ntlm.Exchange
	who  *visitor // signed in by NTLM, until the connection ends or signs in anew
}

// visitor is who came, and the answer to it.
type visitor struct {
	Service        string    `json:"service"`
	User           string    `json:"user"` // as the scheme names it: alice@REALM, CORP\alice
	Account        string    `json:"account"`
	SID            sid.SID   `json:"-"`
	Groups         []sid.SID `json:"-"`
	SIDText        string    `json:"sid"`
	GroupTexts     []string  `json:"groups"`
	Authentication string    `json:"authentication"`
	Ticket         *ticket   `json:"ticket,omitempty"`
}

// ticket is what a Kerberos ticket says of itself.
type ticket struct {
	Server   string `json:"server"`
	EType    int32  `json:"etype"`
	AuthTime string `json:"auth_time"`
	EndTime  string `json:"end_time"`
}

// complete writes the identifiers as text.
func (v *visitor) complete() *visitor {
	v.SIDText, v.GroupTexts = v.SID.String(), []string{}
	for _, g := range v.Groups {
		v.GroupTexts = append(v.GroupTexts, g.String())
	}
	return v
}

// ServeHTTP answers the one path there is.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET is answered here.", http.StatusMethodNotAllowed)
		return
	case r.URL.Path != "/":
		http.NotFound(w, r)
		return
	}
	kept := web.ConnectionOf(r.Context())
	c, ok := kept.State.(*connection)
	if !ok {
		c = &connection{}
		kept.State = c
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTimeout)
	defer cancel()
	var who *visitor
	var err error
	switch s.in.Kind {
	case spec.ServiceNTLM:
		who, err = s.byNTLM(ctx, c, w.Header(), r.Header)
	case spec.ServiceVPN:
		who, err = s.byCertificate(ctx, r.TLS)
	default:
		who, err = s.byKerberos(ctx, c, w.Header(), r.Header)
	}
	if err == nil && who != nil && s.in.Kind == spec.ServiceRDP {
		err = byCertificateTicket(who)
	}
	if err == nil && who != nil {
		err = s.authorize(who)
	}
	switch {
	case err != nil:
		s.refuse(ctx, w, who, err)
	case who == nil:
		web.WriteJSON(w, http.StatusUnauthorized, reply{Code: "sign_in", Description: "The service wants to know who comes.", CorrelationID: web.Correlation(ctx)})
	default:
		s.granted(ctx, who)
		web.WriteJSON(w, http.StatusOK, who)
	}
}

// authorize says whether somebody is let in: everybody, or whom the service
// names, by identifiers of users and groups.
func (s *server) authorize(who *visitor) error {
	if s.in.Authorize == nil {
		return nil
	}
	for _, ref := range s.in.Authorize {
		text, err := s.identifier(ref)
		if err != nil {
			return err
		}
		id, err := sid.Parse(text)
		if err != nil {
			continue // not made yet, or of no domain: it names nobody
		}
		if id == who.SID || slices.Contains(who.Groups, id) {
			return nil
		}
	}
	return &refusal{status: http.StatusForbidden, code: "not_authorized", sentence: "The service lets in neither the user nor a group of the user.",
		hint: "Name the user or a group in authorize, or add the user to a group that it names and sign in anew."}
}

// identifier is the SID of a user or group, "" when it has none.
func (s *server) identifier(ref providers.Ref) (string, error) {
	rec, err := s.env.Objects.Lookup(string(ref))
	if err != nil {
		return "", err
	}
	if rec.Kind == "user" {
		u, err := providers.Resolve[spec.User, spec.UserOut](s.env, ref)
		return u.Out.SID, err
	}
	g, err := providers.Resolve[spec.Group, spec.GroupOut](s.env, ref)
	return g.Out.SID, err
}

// granted tells that somebody was let in.
func (s *server) granted(ctx context.Context, who *visitor) {
	what := "the NTLM answer that the domain verified"
	switch {
	case who.Ticket != nil:
		what = "the ticket and its PAC"
	case s.in.Kind == spec.ServiceVPN:
		what = "the certificate"
	}
	s.env.Emit.Emit(event.Event{At: s.env.Now(), Correlation: web.Correlation(ctx), Actor: event.Service, Protocol: "HTTP", Step: "access_granted",
		Text:    "The service takes " + what + ", and lets " + who.User + " in.",
		Message: map[string]any{"service": who.Service, "user": who.User, "sid": who.SIDText, "groups": who.GroupTexts, "authentication": who.Authentication}})
}
