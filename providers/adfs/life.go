package adfs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/member"
	"hellolab/providers/wire/web"
)

// mark is by which an account of a federation service is known to be this one's.
func mark(addr string) string { return "Federation service of the lab: " + addr }

func create(ctx context.Context, env providers.Env, in spec.Federation) (spec.FederationOut, error) {
	if err := check(in); err != nil {
		return spec.FederationOut{}, err
	}
	var s *settings
	var err error
	if in.Kind == spec.FederationADFS {
		s, err = createMember(ctx, env, in)
	} else {
		if err = freeHost(env, hostOf(in, spec.Domain{})); err == nil {
			s, err = prepare(ctx, env, in, nil)
		}
	}
	if err != nil {
		return spec.FederationOut{}, err
	}
	// What Find looks for comes last.
	s.Ready = true
	if err := s.store(ctx, env); err != nil {
		return spec.FederationOut{}, err
	}
	s.tryAgent(ctx, env)
	return s.learned(env)
}

// check refuses what no service can be.
func check(in spec.Federation) error {
	if in.Kind == spec.FederationADFS && in.Domain == "" {
		return errors.New("AD FS needs a domain, whose accounts it signs in")
	}
	if in.Kind == spec.FederationThirdParty && in.Host == "" {
		return errors.New("a third party's federation service needs a host")
	}
	if l := in.Lifetimes; l != nil {
		for _, d := range []struct {
			name string
			life time.Duration
		}{{"nonce", l.Nonce}, {"assertion", l.Assertion}, {"access_token", l.AccessToken}, {"mfa", l.MFA}, {"prt", l.PRT}, {"signing_overlap", l.SigningOverlap}} {
			if d.life < time.Second || d.life > 10*365*24*time.Hour {
				return fmt.Errorf("lifetimes.%s is %s; it must lie between a second and ten years", d.name, d.life)
			}
		}
	}
	return nil
}

// freeHost refuses a host that another service of the lab has.
func freeHost(env providers.Env, hosts ...string) error {
	others, err := providers.ResolveAll[spec.Federation, spec.FederationOut](env, "federation")
	if err != nil {
		return err
	}
	for _, o := range others {
		for _, h := range hosts {
			if o.Addr != env.Addr && h != "" && (strings.EqualFold(o.Out.Host, h) || strings.EqualFold(o.Out.RegistrationHost, h)) {
				return fmt.Errorf("%s is a host of %s already", h, o.Addr)
			}
		}
	}
	return nil
}

func createMember(ctx context.Context, env providers.Env, in spec.Federation) (*settings, error) {
	c, d, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := freeHost(env, hostOf(in, d.In), registrationHostOf(in, d.In)); err != nil {
		return nil, err
	}
	s, err := prepare(ctx, env, in, &d)
	if err != nil {
		return nil, err
	}
	if err := s.join(ctx, env, c); err != nil {
		return nil, fmt.Errorf("join %s to the domain: %w", s.Host, err)
	}
	return s, nil
}

// join makes the server a member of the domain, with its rights.
func (s *settings) join(ctx context.Context, env providers.Env, c *adldap.Conn) error {
	id, err := s.Account.JoinMarked(c, mark(env.Addr), "HTTP")
	if errors.Is(err, member.ErrTaken) {
		return fmt.Errorf("%s is another server's account; give this service a host of its own", s.Account.Name())
	}
	if err != nil {
		return err
	}
	s.SID = id.String()
	if err := s.setRights(env, c); err != nil {
		return err
	}
	if err := s.setAgentRight(c); err != nil {
		return err
	}
	return s.store(ctx, env)
}

// learned is what the lab learns of the service.
func (s *settings) learned(env providers.Env) (spec.FederationOut, error) {
	ring, err := loadKeys(env)
	if err != nil {
		return spec.FederationOut{}, err
	}
	agent, err := load[storedAgent](env, tableServer, keyAgent)
	if err != nil && !errors.Is(err, providers.ErrGone) {
		return spec.FederationOut{}, err
	}
	return s.out(ring, agent), nil
}

func find(ctx context.Context, env providers.Env, key string) (object, error) {
	o, err := providers.Resolve[spec.Federation, spec.FederationOut](env, providers.Ref(env.Addr))
	if err != nil {
		return object{}, err
	}
	if key != keyOf(o.In) {
		return object{}, providers.ErrGone
	}
	return asObject(ctx, env, o)
}

func read(ctx context.Context, env providers.Env, o object) (object, error) {
	return asObject(ctx, env, o)
}

// asObject is the service as its own tables and the domain have it.
func asObject(ctx context.Context, env providers.Env, o object) (object, error) {
	s, err := loadSettings(env)
	if err == nil && !s.Ready {
		err = providers.ErrGone
	}
	if err != nil {
		return object{}, err
	}
	in := s.In
	if s.adfs() {
		c, _, err := administer.Directory(ctx, env, in.Domain)
		if err != nil {
			return object{}, err
		}
		defer c.Close()
		e, err := c.First(ldapmsg.EqualTo("sAMAccountName", s.Account.Name()), "description")
		if adldap.IsCode(err, ldapmsg.NoSuchObject) || err == nil && e.Text("description") != mark(env.Addr) {
			return object{}, providers.ErrGone
		}
		if err != nil {
			return object{}, err
		}
		// Without its rights the service registers nothing.
		has, err := s.hasRights(env, c)
		if err != nil {
			return object{}, err
		}
		in.DeviceRegistration = in.DeviceRegistration && has
	}
	o.Addr, o.In = env.Addr, in
	if o.Out, err = s.learned(env); err != nil {
		return object{}, err
	}
	o.ID = o.Out.Issuer
	return o, nil
}

func update(ctx context.Context, env providers.Env, o object, in spec.Federation) (spec.FederationOut, error) {
	if err := check(in); err != nil {
		return o.Out, err
	}
	s, err := loadSettings(env)
	if err != nil {
		return o.Out, err
	}
	was := s.In
	s.In = in
	if s.adfs() {
		c, d, err := administer.Directory(ctx, env, in.Domain)
		if err != nil {
			return o.Out, err
		}
		defer c.Close()
		s.DRSHost = registrationHostOf(in, d.In)
		if err := freeHost(env, s.DRSHost); err != nil {
			return o.Out, err
		}
		if err := s.setRights(env, c); err != nil {
			return o.Out, err
		}
		if err := s.setAgentRight(c); err != nil {
			return o.Out, err
		}
	}
	if _, err := ensureKeys(ctx, env, in, s.Host, s.lifetimes().SigningOverlap); err != nil {
		return o.Out, err
	}
	if err := s.store(ctx, env); err != nil {
		return o.Out, err
	}
	if in.SigningVersion != was.SigningVersion {
		s.tellSigning(ctx, env)
	}
	s.tryAgent(ctx, env)
	return s.learned(env)
}

func remove(ctx context.Context, env providers.Env, o object) error {
	s, err := loadSettings(env)
	if errors.Is(err, providers.ErrGone) {
		return nil
	}
	if err != nil || !s.adfs() {
		return err
	}
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	s.In.DeviceRegistration, s.In.RegistrationAuthority = false, false
	if err := s.setAgentRight(c); err != nil {
		return err
	}
	if err := s.setRights(env, c); err != nil && !adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return err
	}
	return s.Account.Leave(c)
}

// tryAgent enrolls the agent's certificate where the service is to have one. What
// keeps it from that keeps nothing else from working: it is told, and tried again
// when it is due.
func (s *settings) tryAgent(ctx context.Context, env providers.Env) {
	if err := ensureAgent(ctx, env); err != nil && env.Log != nil {
		env.Log.WarnContext(ctx, "no enrollment agent certificate", "error", err)
	}
}

// tellSigning tells of a new token-signing certificate.
func (s *settings) tellSigning(ctx context.Context, env providers.Env) {
	ring, err := loadKeys(env)
	if err != nil || len(ring.Signing) < 2 {
		return
	}
	actor := event.IdentityProvider
	if s.adfs() {
		actor = event.STS
	}
	former := ring.Signing[len(ring.Signing)-2]
	env.Emit.Emit(event.Event{At: env.Now(), Correlation: web.Correlation(ctx), Actor: actor, Protocol: "local", Step: "signing_certificate_rolled_over",
		Text:    string(actor) + " signs with a new token-signing certificate; the former stays published for the overlap.",
		Message: map[string]any{"thumbprint": ring.current().thumbprint(), "former": former.thumbprint(), "published_until": former.Until.UTC()}})
}
