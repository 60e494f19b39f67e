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

// Who verifies second factors: spec.TenantMFA.Provider.
const (
	mfaBuiltin    = "builtin"
	mfaThirdParty = "third_party"
)

// mfaActor is the service that verifies second factors. Another vendor's is
// played by the tenant, on the same page; it has a lane of its own.
func (s *server) mfaActor() event.Actor {
	if s.cfg.MFA == mfaThirdParty {
		return event.ThirdPartyMFA
	}
	return event.MFA
}

// mfaStep takes a request of the second-factor conversation.
func (s *server) mfaStep(w http.ResponseWriter, r *http.Request, method string, do func(context.Context, *sas.AuthRequest) (sas.AuthReply, error)) {
	req, err := readMFA(r)
	if err != nil || req.Method != method {
		s.refuseToken(w, r, oauth.V1, "mfa_refused", oauth.NewError(oauth.RequestMalformed, "The second factor request is malformed."))
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

func readMFA(r *http.Request) (*sas.AuthRequest, error) {
	if r.Method == http.MethodGet {
		return sas.ParsePoll(r.URL.Query(), r.Header)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMFABody))
	if err != nil {
		return nil, err
	}
	return sas.ParseAuthRequest(body)
}

// mfaReply tells how a step of the conversation ended.
func (s *server) mfaReply(f *flow, result string) (sas.AuthReply, error) {
	ctx, err := s.seal.Seal(purposeFlow, f)
	reply := sas.AuthReply{Success: result == sas.ResultSuccess, ResultValue: result, FlowToken: f.ID, Ctx: ctx, SessionID: f.ID}
	if !reply.Success {
		reply.Retry = result != sas.ResultLocked && result != sas.ResultCodeLocked
		if result != sas.ResultPending {
			reply.ErrCode, reply.Message = int(oauth.AuthenticationFailed), mfaSentence(result)
		}
	}
	return reply, err
}

func (s *server) beginAuth(ctx context.Context, req *sas.AuthRequest) (sas.AuthReply, error) {
	f, err := s.openFlow(req.Ctx, req.FlowToken, stepMFA, stepBegun)
	if err != nil {
		return sas.AuthReply{}, err
	}
	result, err := s.beginFactor(ctx, f, req.AuthMethodID)
	if err != nil {
		return sas.AuthReply{}, err
	}
	reply, err := s.mfaReply(f, result)
	reply.Entropy = f.Number
	return reply, err
}

func (s *server) endAuth(ctx context.Context, req *sas.AuthRequest) (sas.AuthReply, error) {
	f, err := s.openFlow(req.Ctx, req.FlowToken, stepBegun)
	if err != nil {
		return sas.AuthReply{}, err
	}
	if f.Method != req.AuthMethodID {
		return sas.AuthReply{}, oauth.NewError(oauth.RequestMalformed, "The second factor request names another method than was begun.")
	}
	result, err := s.endFactor(ctx, f, req.AdditionalAuthData)
	if err != nil {
		return sas.AuthReply{}, err
	}
	return s.mfaReply(f, result)
}

// proofsOf are the second factors of the flow's user, as the page lists them.
// Microsoft Authenticator takes notifications first, and shows codes, too.
func (s *server) proofsOf(f *flow) ([]sas.Proof, error) {
	u, _, err := s.standing(*f.Proof)
	if err != nil {
		return nil, err
	}
	var all []sas.Proof
	if u.Phone != nil {
		all = append(all, sas.Proof{AuthMethodID: sas.MethodAppNotification, Data: sas.MethodAppNotification, Display: "Approve a request on the authenticator app", IsDefault: true})
	}
	if len(u.codes()) > 0 {
		all = append(all, sas.Proof{AuthMethodID: sas.MethodAppOTP, Data: sas.MethodAppOTP, Display: "Use a code of the authenticator app", IsDefault: u.Phone == nil})
	}
	return all, nil
}

// beginFactor begins the second factor of a flow whose first is proved, by one
// of the user's methods: a notification is sent, and f.Number is what the page
// shows for it. The result is sas.ResultSuccess or why nothing was begun. A
// flow may begin anew; what was begun before is then left behind.
func (s *server) beginFactor(ctx context.Context, f *flow, method string) (result string, err error) {
	u, _, err := s.standing(*f.Proof)
	if err != nil {
		return "", err
	}
	if method != sas.MethodAppOTP && method != sas.MethodAppNotification ||
		method == sas.MethodAppNotification && u.Phone == nil || len(u.codes()) == 0 {
		return "", oauth.NewError(oauth.RequestMalformed, "The second factor request names a method that the user has not registered.")
	}
	f.Step, f.Method, f.Pushed, f.Number = stepBegun, method, "", 0
	if s.cfg.MFA == mfaThirdParty {
		s.step(ctx, event.EntraID, s.mfaActor(), "mfa_handed_over", "Entra ID hands the second factor over to another vendor's service.", map[string]any{"user": u.UPN})
	}
	text := " asks for the code of the authenticator app."
	if method == sas.MethodAppNotification {
		text = " asks for an approval on the authenticator app, with the number that the page shows."
	}
	s.step(ctx, s.mfaActor(), event.User, "mfa_challenged", string(s.mfaActor())+text, map[string]any{"user": u.UPN, "method": method})
	if method == sas.MethodAppOTP {
		return sas.ResultSuccess, nil
	}
	if result, err = s.beginNotification(ctx, f, u); err == nil && result != sas.ResultSuccess {
		s.factorFailed(ctx, result)
	}
	return result, err
}

// endFactor asks how the second factor that was begun stands. code is that of
// the authenticator app, and is not looked at for a notification. With
// sas.ResultSuccess the flow has its second factor, once, and is done; with
// sas.ResultPending nobody answered yet; any other result is a refusal.
func (s *server) endFactor(ctx context.Context, f *flow, code string) (result string, err error) {
	u, _, err := s.standing(*f.Proof)
	if err != nil {
		return "", err
	}
	at := s.env.Now()
	if f.Method == sas.MethodAppNotification {
		result, at, err = s.notificationState(ctx, f)
	} else {
		result, err = s.checkOTP(ctx, u, code, f.DeviceID)
	}
	switch {
	case err != nil || result == sas.ResultPending:
		return result, err
	case result != sas.ResultSuccess:
		s.factorFailed(ctx, result)
		return result, nil
	}
	f.Proof.addMFA(at)
	f.Step = stepDone
	s.step(ctx, s.mfaActor(), event.EntraID, "mfa_verified", string(s.mfaActor())+" verifies the second factor.", map[string]any{"user": u.UPN, "amr": f.Proof.AMR, "method": f.Method})
	return result, nil
}

// factorFailed tells why there is no second factor.
func (s *server) factorFailed(ctx context.Context, result string) {
	e := oauth.NewError(oauth.AuthenticationFailed)
	s.refused(ctx, s.mfaActor(), "mfa_failed", event.Reason{Code: e.Code.ID(), Name: result, Sentence: mfaSentence(result), Hint: mfaHint(result)})
}

func mfaSentence(result string) string {
	switch result {
	case sas.ResultReused:
		return "The code was used before; each works once."
	case sas.ResultCodeLocked:
		return "There were too many wrong codes; the second factor is locked for a while."
	case sas.ResultDenied:
		return "The user denied the request on the authenticator app."
	case sas.ResultWrongNumber:
		return "The number typed on the authenticator app is not the one that the page shows."
	case sas.ResultNoResponse:
		return "Nobody answered the notification in time, or its approval was used already."
	case sas.ResultLocked:
		return "There were too many denials and wrong numbers; notifications are locked for a while."
	}
	return "The code is wrong or too old."
}

func mfaHint(result string) string {
	switch result {
	case sas.ResultCodeLocked, sas.ResultLocked:
		return "Wait, then begin the sign-in again."
	case sas.ResultDenied, sas.ResultWrongNumber, sas.ResultNoResponse:
		return "Begin again, and approve with the number of the page within a minute (hellolab mfa approve)."
	}
	return "Use the current code of the authenticator app, once."
}

// checkOTP checks a code of the user's authenticator app. A code works once (RFC
// 6238 5.2): the steps whose codes were used are kept while they could be
// accepted.
func (s *server) checkOTP(ctx context.Context, u *user, code, from string) (result string, err error) {
	code = strings.TrimSpace(code)
	key := guessKey(u.ID, "otp", from)
	if locked, err := s.locked(key); err != nil || locked {
		return sas.ResultCodeLocked, err
	}
	step, ok := int64(0), false
	for _, m := range u.codes() {
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
// becomes a code, once. The page's own form comes here with the second factor
// itself.
func (s *server) processAuth(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, r, oauth.NewError(oauth.RequestMalformed))
		return
	}
	ctx, form := r.Context(), sas.ParseProcessAuth(r.PostForm)
	f, err := s.openFlow(form.Request, form.FlowToken, stepMFA, stepBegun, stepDone)
	result := sas.ResultSuccess
	if err == nil && f.Step != stepDone {
		result, err = s.formFactor(ctx, f, form)
	}
	if err == nil && result != sas.ResultSuccess {
		var refusal *oauth.Error
		if result != sas.ResultPending {
			refusal = oauth.NewError(oauth.AuthenticationFailed, mfaSentence(result))
			f.Step, f.Method, f.Pushed, f.Number = stepMFA, "", "", 0
		}
		if err = s.page(w, f, sas.PageTFA, refusal); err == nil {
			return
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
	var u *user
	if err == nil {
		u, _, err = s.standing(*f.Proof)
	}
	if err == nil {
		err = s.demandAt(r.Context(), f, *f.Proof, u)
	}
	if err == nil {
		err = s.endFlow(w, r, f)
	}
	if err != nil {
		s.redirectError(w, r, f, err)
	}
}

// formFactor is BeginAuth and EndAuth for a person at the page's own form: a
// code is begun and ended at once; a notification is sent when its button is
// pressed, and asked after when it is pressed again.
func (s *server) formFactor(ctx context.Context, f *flow, form sas.ProcessAuth) (result string, err error) {
	notified := form.MFAAuthMethod == sas.MethodAppNotification
	if !notified && form.Code == "" {
		return "", oauth.NewError(oauth.AuthenticationFailed)
	}
	if !notified || f.Step != stepBegun || f.Method != form.MFAAuthMethod {
		result, err = s.beginFactor(ctx, f, form.MFAAuthMethod)
		if err != nil || result != sas.ResultSuccess {
			return result, err
		}
		if notified {
			return sas.ResultPending, nil
		}
	}
	return s.endFactor(ctx, f, form.Code)
}
