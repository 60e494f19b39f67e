package identity

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
)

type settingsObject = providers.Object[spec.PasswordSettings, spec.PasswordSettingsOut]

// PasswordSettings is the kind password_settings: a Password Settings Object of a
// domain, which is a policy on the passwords of some accounts.
// It comes after the users and groups that it names; the domain's own policy, which
// everybody else has, is a block of the domain.
func PasswordSettings() providers.Type {
	return providers.Of(providers.Kind[spec.PasswordSettings, spec.PasswordSettingsOut]{
		Name:   "password_settings",
		Doc:    "A policy on the passwords of some accounts of a domain (fine-grained password policy).",
		Home:   func(in spec.PasswordSettings) providers.Ref { return in.Domain },
		Key:    func(in spec.PasswordSettings) string { return in.Name },
		Find:   findSettings,
		Create: createSettings,
		Read:   readSettings,
		Update: updateSettings,
		Delete: deleteSettings,
	})
}

// Names of the class and its attributes (MS-ADSC, MS-ADA2).
const (
	classSettings = "msDS-PasswordSettings"

	attrAppliesTo  = "msDS-PSOAppliesTo"
	attrPrecedence = "msDS-PasswordSettingsPrecedence"
	attrMinLength  = "msDS-MinimumPasswordLength"
	attrHistory    = "msDS-PasswordHistoryLength"
	attrComplexity = "msDS-PasswordComplexityEnabled"
	attrMaxAge     = "msDS-MaximumPasswordAge"
	attrMinAge     = "msDS-MinimumPasswordAge"
)

var settingsAttributes = []string{"cn", attrAppliesTo, attrPrecedence, attrMinLength, attrHistory, attrComplexity, attrMaxAge, attrMinAge}

func settingsContainer(c *adldap.Conn) string {
	return "CN=Password Settings Container,CN=System," + c.Base
}

// settingsName is the name of the object: as written, else the last part of its
// address.
func settingsName(addr string, in spec.PasswordSettings) string {
	const kind = "password_settings."
	if in.Name != "" {
		return in.Name
	}
	return addr[strings.LastIndex(addr, kind)+len(kind):]
}

// never is an age that is not reached, in ticks.
const never = math.MinInt64

// ticks writes an age as the directory has it: negative, in 100 ns.
func ticks(age time.Duration) string { return strconv.FormatInt(-int64(age/100), 10) }

// ageOf reads one; 0 for one that is not reached.
func ageOf(e *adldap.Entry, attribute string) time.Duration {
	n, err := strconv.ParseInt(e.Text(attribute), 10, 64)
	if err != nil || n >= 0 || n < -math.MaxInt64/100 {
		return 0
	}
	return time.Duration(-n) * 100
}

// settingsOf are the policy's values.
func settingsOf(in spec.PasswordSettings) adldap.Attributes {
	maxAge := strconv.FormatInt(never, 10)
	if in.MaxAge > 0 {
		maxAge = ticks(in.MaxAge)
	}
	return adldap.Attributes{
		attrPrecedence: {strconv.Itoa(in.Precedence)}, attrMinLength: {strconv.Itoa(in.MinLength)}, attrHistory: {strconv.Itoa(in.History)},
		attrComplexity: {strings.ToUpper(strconv.FormatBool(in.Complexity))}, attrMaxAge: {maxAge}, attrMinAge: {ticks(in.MinAge)},
	}
}

func createSettings(ctx context.Context, env providers.Env, in spec.PasswordSettings) (spec.PasswordSettingsOut, error) {
	c, _, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return spec.PasswordSettingsOut{}, err
	}
	defer c.Close()
	// A directory that an older program made has no container.
	err = c.Add(settingsContainer(c), adldap.Attributes{"objectClass": {"msDS-PasswordSettingsContainer"}})
	if err != nil && !adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		return spec.PasswordSettingsOut{}, err
	}
	within, err := ldapmsg.ParseDN(settingsContainer(c))
	if err != nil {
		return spec.PasswordSettingsOut{}, err
	}
	dn := within.Child("CN", settingsName(env.Addr, in)).String()
	values := settingsOf(in)
	values["objectClass"] = []string{classSettings}
	// The class must have these; nobody is locked out.
	values["msDS-PasswordReversibleEncryptionEnabled"], values["msDS-LockoutThreshold"] = []string{"FALSE"}, []string{"0"}
	values["msDS-LockoutObservationWindow"], values["msDS-LockoutDuration"] = []string{ticks(30 * time.Minute)}, []string{ticks(30 * time.Minute)}
	if err := c.Add(dn, values); err != nil {
		return spec.PasswordSettingsOut{}, err
	}
	e, err := c.Read(dn, settingsAttributes...)
	if err != nil {
		return spec.PasswordSettingsOut{}, err
	}
	out := spec.PasswordSettingsOut{ObjectID: e.GUID.String(), DN: e.DN}
	return out, applySettings(ctx, env, c, out.ObjectID, nil, in.AppliesTo)
}

// applySettings makes whom the policy is for what is declared.
func applySettings(ctx context.Context, env providers.Env, c *adldap.Conn, id string, was, is []providers.Ref) error {
	return change(ctx, env, inDomain, was, is,
		func(_ context.Context, to string) error {
			return c.AddValue(adldap.ByGUID(id), attrAppliesTo, adldap.ByGUID(to))
		},
		func(_ context.Context, to string) error {
			err := c.RemoveValue(adldap.ByGUID(id), attrAppliesTo, adldap.ByGUID(to))
			if errors.Is(gone(err), providers.ErrGone) || adldap.IsCode(err, ldapmsg.ConstraintViolation) {
				return nil // who it was for is gone, and the link with it
			}
			return err
		})
}

// settingsAs is the declared policy o as the domain holds it.
func settingsAs(env providers.Env, o settingsObject, e *adldap.Entry) (settingsObject, error) {
	ids, err := far(e.Values(attrAppliesTo))
	if err != nil {
		return settingsObject{}, err
	}
	count := func(attribute string) int {
		n, _ := strconv.Atoi(e.Text(attribute)) // what is no number is none that was declared
		return n
	}
	in := &o.In
	if name := e.Text("cn"); name != settingsName(env.Addr, *in) {
		in.Name = name
	}
	in.AppliesTo = held(env, inDomain, in.AppliesTo, ids)
	in.Precedence, in.MinLength, in.History, in.Complexity = count(attrPrecedence), count(attrMinLength), count(attrHistory), e.Text(attrComplexity) == "TRUE"
	in.MaxAge, in.MinAge = ageOf(e, attrMaxAge), ageOf(e, attrMinAge)
	o.Addr, o.Out = env.Addr, spec.PasswordSettingsOut{ObjectID: e.GUID.String(), DN: e.DN}
	o.ID = o.Out.ObjectID
	return o, nil
}

// findSettings finds what a killed creation left.
func findSettings(ctx context.Context, env providers.Env, _ string) (settingsObject, error) {
	o, err := declared[spec.PasswordSettings, spec.PasswordSettingsOut](env)
	if err != nil {
		return settingsObject{}, err
	}
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return settingsObject{}, err
	}
	defer c.Close()
	e, err := c.First(ldapmsg.And{ldapmsg.EqualTo("objectClass", classSettings), ldapmsg.EqualTo("cn", settingsName(env.Addr, o.In))}, settingsAttributes...)
	if err != nil {
		return settingsObject{}, gone(err)
	}
	return settingsAs(env, o, e)
}

func readSettings(ctx context.Context, env providers.Env, o settingsObject) (settingsObject, error) {
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return settingsObject{}, err
	}
	defer c.Close()
	e, err := c.Read(adldap.ByGUID(o.ID), settingsAttributes...)
	if err != nil {
		return settingsObject{}, gone(err)
	}
	return settingsAs(env, o, e)
}

func updateSettings(ctx context.Context, env providers.Env, o settingsObject, in spec.PasswordSettings) (spec.PasswordSettingsOut, error) {
	c, _, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	if err := c.Replace(adldap.ByGUID(o.ID), settingsOf(in)); err != nil {
		return o.Out, err
	}
	return o.Out, applySettings(ctx, env, c, o.ID, o.In.AppliesTo, in.AppliesTo)
}

func deleteSettings(ctx context.Context, env providers.Env, o settingsObject) error {
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	return deleted(c.Delete(adldap.ByGUID(o.ID)))
}
