package entra

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

const maxMFABody = 64 << 10

// mfaStep takes a JSON request of the second-factor conversation.
func (s *server) mfaStep(w http.ResponseWriter, r *http.Request, method string, do func(context.Context, *sas.AuthRequest) (sas.AuthReply, error)) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMFABody))
	if err != nil {
		s.refuseToken(w, r, oauth.V1, "mfa_refused", oauth.NewError(oauth.RequestMalformed))
		return
	}
	req, err := sas.ParseAuthRequest(body)
	if err != nil || req.Method != method || req.AuthMethodID != sas.MethodAppOTP {
		s.refuseToken(w, r, oauth.V1, "mfa_refused", oauth.NewError(oauth.RequestMalformed, "The second factor request is malformed or names a method that the user has not registered."))
		return
	}
	answer, err := do(r.Context(), req)
	if err != nil {
		s.refuseToken(w, r, oauth.V1, "mfa_refused", err)
		return
	}
	answer.AuthMethodID = req.AuthMethodID
	answer.CorrelationID = web.Correlation(r.Context())
	answer.Timestamp = s.env.Now().UTC().Format(time.RFC3339)
	web.WriteJSON(w, http.StatusOK, answer)
}

// mfaReply moves a flow on to its next step.
func (s *server) mfaReply(f *flow, step, result string, code oauth.Code) (sas.AuthReply, error) {
	f.Step = step
	ctx, err := s.seal.seal(purposeFlow, f)
	return sas.AuthReply{Success: code == 0, ResultValue: result, ErrCode: int(code), Retry: code != 0, FlowToken: f.ID, Ctx: ctx, SessionID: f.ID}, err
}

func (s *server) beginAuth(ctx context.Context, req *sas.AuthRequest) (sas.AuthReply, error) {
	f, err := s.openFlow(req.Ctx, req.FlowToken, stepMFA, stepBegun)
	if err != nil {
		return sas.AuthReply{}, err
	}
	s.challenged(ctx, f, req.AuthMethodID)
	return s.mfaReply(f, stepBegun, sas.ResultSuccess, 0)
}

func (s *server) challenged(ctx context.Context, f *flow, method string) {
	s.step(ctx, event.MFA, event.User, "mfa_challenged", "Entra MFA asks for the code of the authenticator app.", map[string]any{"user": f.Proof.UPN, "method": method})
}

func (s *server) endAuth(ctx context.Context, req *sas.AuthRequest) (sas.AuthReply, error) {
	f, err := s.openFlow(req.Ctx, req.FlowToken, stepBegun)
	if err != nil {
		return sas.AuthReply{}, err
	}
	result, err := s.verifyCode(ctx, f, req.AdditionalAuthData)
	switch {
	case err != nil:
		return sas.AuthReply{}, err
	case result != sas.ResultSuccess:
		return s.mfaReply(f, stepBegun, result, oauth.AuthenticationFailed)
	}
	return s.mfaReply(f, stepDone, result, 0)
}

// verifyCode checks a code and, when it is right, adds the second factor to
// the flow's proof.
func (s *server) verifyCode(ctx context.Context, f *flow, code string) (result string, err error) {
	u, _, err := s.standing(*f.Proof)
	if err != nil {
		return "", err
	}
	if result, err = s.checkOTP(ctx, u, code, f.DeviceID); err != nil {
		return "", err
	}
	if result != sas.ResultSuccess {
		e := oauth.NewError(oauth.AuthenticationFailed)
		s.refused(ctx, event.MFA, "mfa_failed", event.Reason{Code: e.Code.ID(), Name: result, Sentence: mfaSentence(result), Hint: e.Hint})
		return result, nil
	}
	f.Proof.addMFA(s.env.Now())
	s.step(ctx, event.MFA, event.EntraID, "mfa_verified", "Entra MFA verifies the second factor.", map[string]any{"user": u.UPN, "amr": f.Proof.AMR})
	return result, nil
}

func mfaSentence(result string) string {
	switch result {
	case sas.ResultReused:
		return "The code was used before; each works once."
	case resultLocked:
		return "There were too many wrong codes; the second factor is locked for a while."
	}
	return "The code is wrong or too old."
}

// resultLocked is the answer while guessing is locked.
const resultLocked = "OathLocked"

// checkOTP checks a code of the user's authenticator app. A code works once (RFC
// 6238 5.2): the steps whose codes were used are kept while they could be
// accepted.
func (s *server) checkOTP(ctx context.Context, u *user, code, from string) (result string, err error) {
	code = strings.TrimSpace(code)
	key := guessKey(u.ID, "otp", from)
	if locked, err := s.locked(key); err != nil || locked {
		return resultLocked, err
	}
	step, ok := int64(0), false
	for _, m := range u.OATH {
		if st, hit := sas.CheckTOTP(m.Secret, code, s.env.Now()); hit {
			step, ok = st, true
		}
	}
	if !ok {
		return sas.ResultWrongCode, s.failed(ctx, key, code)
	}
	var reused bool
	err = s.env.Section.Record(ctx, func(w providers.Writer) error {
		used, err := get[[]int64](w, tableOATH, u.ID)
		if err := ignoreNotFound(err); err != nil {
			return err
		}
		steps := []int64{step}
		if used != nil {
			if reused = slices.Contains(*used, step); reused {
				return nil
			}
			for _, old := range *used {
				if sas.StepCurrent(old, s.env.Now()) {
					steps = append(steps, old)
				}
			}
		}
		return put(w, tableOATH, u.ID, steps)
	})
	switch {
	case err != nil:
		return "", err
	case reused:
		return sas.ResultReused, nil
	}
	return sas.ResultSuccess, s.succeeded(ctx, key)
}

// processAuth ends the conversation: the flow whose second factor was verified
// becomes a code, once.
func (s *server) processAuth(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, r, oauth.NewError(oauth.RequestMalformed))
		return
	}
	ctx, form := r.Context(), sas.ParseProcessAuth(r.PostForm)
	f, err := s.openFlow(form.Request, form.FlowToken, stepMFA, stepBegun, stepDone)
	if err == nil && f.Step != stepDone {
		// A person typed the code into the page itself.
		var result string
		if result, err = s.formCode(ctx, f, form.Code); err == nil && result != sas.ResultSuccess {
			if err = s.page(w, f, sas.PageTFA, oauth.NewError(oauth.AuthenticationFailed, mfaSentence(result))); err == nil {
				return
			}
		}
	}
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	first, err := s.useOnce(ctx, "flow", f.ID, time.Unix(f.Expires, 0))
	if err == nil && !first {
		err = oauth.NewError(oauth.GrantInvalid, "The sign-in page was used before.")
	}
	if err == nil {
		_, _, err = s.standing(*f.Proof)
	}
	if err == nil {
		err = s.endFlow(w, r, f)
	}
	if err != nil {
		s.redirectError(w, r, f, err)
	}
}

// formCode is BeginAuth and EndAuth at once, for the page's own form.
func (s *server) formCode(ctx context.Context, f *flow, code string) (result string, err error) {
	if code == "" {
		return "", oauth.NewError(oauth.AuthenticationFailed)
	}
	s.challenged(ctx, f, sas.MethodAppOTP)
	return s.verifyCode(ctx, f, code)
}
