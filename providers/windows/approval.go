package windows

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/phone"
	"hellolab/providers/wire/sas"
)

// giveApproval is number matching: the page shows a number, the person types
// it on the phone, and the page asks until it learns how that went.
func (a *wam) giveApproval(ctx context.Context, base *url.URL, p person, page *sas.Config) (*sas.AuthReply, error) {
	begun, err := a.authCall(ctx, base, page, page.URLBeginAuth, sas.AuthRequest{
		Method: sas.MethodBegin, AuthMethodID: sas.MethodAppNotification, SessionID: page.SessionID, FlowToken: page.FlowToken, Ctx: page.Ctx,
	})
	if err != nil || !begun.Success {
		return begun, err
	}
	a.trace.step(a.screen, event.User, local, "mfa_prompt", "The window shows a number, to be typed on the phone.", nil)
	number, err := ask(a.trace, a.hands, a.screen, PromptNumber, []byte(strconv.Itoa(begun.Entropy)))
	if err != nil {
		return nil, err
	}
	if err := a.pickUpPhone(ctx, p, number); err != nil {
		return nil, err
	}
	return a.awaitApproval(ctx, base, page, begun)
}

// pickUpPhone is the person at their phone: they answer the request of this
// sign-in, or none.
func (a *wam) pickUpPhone(ctx context.Context, p person, number []byte) error {
	app, err := phone.New(a.env, a.tenant.LoginHost, a.tenant.TenantID, p.objectID, p.phone)
	if err != nil {
		return err
	}
	defer app.Close()
	waiting, err := app.Notifications(ctx)
	if err != nil {
		return err
	}
	id := ""
	for _, n := range waiting {
		if n.CorrelationID == a.trace.id {
			id = n.ID
		}
	}
	if id == "" {
		a.trace.step(event.Phone, event.User, local, "phone_silent", "The authenticator app shows no request of this sign-in.", message{"waiting": len(waiting)})
		return nil
	}
	a.trace.step(event.Phone, event.User, local, "phone_prompt", "The authenticator app shows the request and asks for the number.", message{"notification": id})
	typed, err := a.hands.answer(PromptPhone, number)
	if err == nil && len(typed) == 0 {
		a.trace.step(event.User, event.Phone, local, "phone_ignored", "The user does not answer.", nil)
		return nil
	}
	var outcome string
	if denies := err != nil; denies {
		a.trace.step(event.User, event.Phone, local, "phone_denied", "The user denies the request.", nil)
		outcome, err = app.Deny(ctx, id)
	} else {
		a.trace.step(event.User, event.Phone, local, "number_typed", "The user types the number.", nil)
		n, malformed := strconv.Atoi(string(typed))
		if malformed != nil || n < 0 || n > phone.MaxNumber {
			n = 0 // the app takes two digits; these are no page's
		}
		outcome, err = app.Approve(ctx, id, n)
	}
	if err != nil {
		return err
	}
	a.trace.step(event.Phone, event.EntraID, https, "phone_answer", "The authenticator app sends the answer, proved with its secret.", message{"outcome": outcome})
	return nil
}

// awaitApproval asks how the notification stands, as often as the page says.
// It does not wait on a clock that stands still.
func (a *wam) awaitApproval(ctx context.Context, base *url.URL, page *sas.Config, last *sas.AuthReply) (*sas.AuthReply, error) {
	for n := 1; ; n++ {
		var err error
		if last, err = a.poll(ctx, base, page, last, n); err != nil || last.ResultValue != sas.ResultPending {
			return last, err
		}
		interval := max(time.Second, time.Duration(page.PollingInterval)*time.Millisecond)
		if n >= page.MaxPollAttempts || !a.pause(ctx, interval) {
			last.ResultValue = sas.ResultNoResponse
			return last, ctx.Err()
		}
	}
}

func (a *wam) poll(ctx context.Context, base *url.URL, page *sas.Config, last *sas.AuthReply, count int) (*sas.AuthReply, error) {
	u, err := a.resolve(base, page.URLEndAuth)
	if err != nil {
		return nil, err
	}
	query, header := sas.AuthRequest{
		AuthMethodID: sas.MethodAppNotification, SessionID: last.SessionID, FlowToken: last.FlowToken, Ctx: last.Ctx, PollCount: sas.Count(count),
	}.Poll()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set(sas.HeaderCanary, page.APICanary)
	return a.authReply(req)
}
