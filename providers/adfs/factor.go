package adfs

import (
	"context"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/adfs/farm"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
)

// adapter is the page's name of the adapter, and what people read.
func (s *server) adapter() (method, name string) {
	if s.set.In.MFA == spec.AdapterThirdParty {
		return adfs.MethodPartner, "Another vendor's service"
	}
	return adfs.MethodTOTP, "The service"
}

// demandsFactor decides whether a sign-in needs a second factor now: by the
// service's rule, and by what client or relying party asked for. Each decision is
// told. A factor that is asked for of a service without an adapter is an error.
func (s *server) demandsFactor(ctx context.Context, peer event.Actor, d demand, p *farm.Proof) (bool, error) {
	rule, asked := s.set.In.MFARule, d.MFA
	m := map[string]any{"rule": rule, "asked": asked, "account": p.UPN}
	switch {
	case d.met(p, s.env.Now(), s.set.lifetimes().MFA):
		return false, nil
	case rule == spec.MFANever && asked:
		s.step(ctx, peer, "mfa_waived", "waives the second factor that was asked for: its rule is never to ask.", m)
		return false, nil
	case rule == spec.MFANever || rule == spec.MFAOnRequest && !asked:
		s.step(ctx, peer, "mfa_not_demanded", "decides that the sign-in needs no second factor.", m)
		return false, nil
	}
	if s.set.In.MFA == spec.AdapterNone {
		return false, adfs.NewError(adfs.AccessDenied, adfs.CodeMethod, "Requested Authentication Method is not supported on the STS: the service has no adapter for second factors.").
			WithHint("Set mfa of the federation.")
	}
	text := "demands a second factor: it is asked for."
	if rule == spec.MFAAlways {
		text = "demands a second factor: its rule is to ask at every sign-in."
	}
	s.step(ctx, event.MFAAdapter, "mfa_demanded", text, m)
	return true, nil
}

// tellFactor tells a step of the adapter.
func (s *server) tellFactor(ctx context.Context, e event.Event, text string) {
	e.Actor, e.Text = event.MFAAdapter, "The adapter "+text
	if s.set.In.MFA == spec.AdapterThirdParty {
		e.Text = "Another vendor's adapter " + text
	}
	if e.Message == nil {
		e.Message = map[string]any{}
	}
	e.Message["adapter"] = s.set.In.MFA
	s.emit(ctx, e)
}

// challenge begins a second factor. An account that has none registered is
// refused.
func (s *server) challenge(ctx context.Context, a *farm.Account) error {
	held, err := s.account(a.UPN)
	if err != nil {
		return err
	}
	if held == nil || len(held.TOTP) == 0 {
		e := adfs.NewError(adfs.AccessDenied, adfs.CodeMethod, "No second factor is registered with the adapter for %s.", a.UPN).WithHint("Set mfa of the user to \"totp\".")
		s.tellFactor(ctx, event.Event{Peer: s.actor(), Step: "mfa_failed", Outcome: event.Refused, Reason: reasonOf(e), Message: map[string]any{"account": a.UPN}}, "knows no second factor of the account.")
		return e
	}
	s.tellFactor(ctx, event.Event{Peer: event.User, Step: "mfa_challenged", Message: map[string]any{"account": a.UPN, "method": "totp"}}, "asks for the code of the authenticator app.")
	return nil
}

// checkFactor verifies a code of the authenticator app, and adds the second
// factor to a proof. A code works once (RFC 6238 5.2).
func (s *server) checkFactor(ctx context.Context, p *farm.Proof, code string) error {
	why, err := s.verifyCode(ctx, p.UPN, strings.TrimSpace(code))
	if err != nil {
		return err
	}
	if why != "" {
		e := adfs.NewError(adfs.AccessDenied, "", "%s", why).WithHint("Use the current code of the authenticator app, once.")
		s.tellFactor(ctx, event.Event{Peer: s.actor(), Step: "mfa_failed", Outcome: event.Refused, Reason: reasonOf(e), Message: map[string]any{"account": p.UPN}}, "does not verify the second factor.")
		return e
	}
	p.MFATime = s.env.Now().Unix()
	p.AMR = append(slices.Clone(p.AMR), oauth.AMRMFA)
	s.tellFactor(ctx, event.Event{Peer: s.actor(), Step: "mfa_verified", Message: map[string]any{"account": p.UPN, "amr": p.AMR}}, "verifies the second factor.")
	return nil
}

// verifyCode says why a code is refused; "" when it is good.
func (s *server) verifyCode(ctx context.Context, upn, code string) (why string, err error) {
	held, err := s.account(upn)
	if err != nil {
		return "", err
	}
	if held == nil || len(held.TOTP) == 0 {
		return "No second factor is registered.", nil
	}
	locked, err := s.guess(ctx, secretCode, upn)
	if err != nil {
		return "", err
	}
	if locked {
		return "There were too many wrong codes; the second factor is locked for a while.", nil
	}
	now := s.env.Now()
	step, ok := sas.CheckTOTP(held.TOTP, code, now)
	if !ok {
		return "The code is wrong or too old.", nil
	}
	key, reused := strings.ToLower(upn), false
	err = s.env.Section.Record(ctx, func(w providers.Writer) error {
		used, err := get[[]int64](w, tableOATH, key)
		if err != nil {
			return err
		}
		steps := []int64{step}
		if used != nil {
			if reused = slices.Contains(*used, step); reused {
				return nil
			}
			for _, old := range *used {
				if sas.StepCurrent(old, now) {
					steps = append(steps, old)
				}
			}
		}
		return put(w, tableOATH, key, steps)
	})
	if err != nil {
		return "", err
	}
	if reused {
		return "The code was used before; each works once.", nil
	}
	return "", s.forget(ctx, secretCode, upn)
}
