package entra

import (
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"slices"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/phone"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

const (
	notificationLife = time.Minute // to answer one; and for the page, to learn the answer
	pollInterval     = time.Second

	// maxNotifications wait for one user at most: a newer one takes the place of
	// the oldest. It lies above the number of sign-ins that an apply has at once.
	maxNotifications = 32
)

// notification is a sign-in that waits for its second factor, or has had an
// answer. A user's lie in one record, oldest first.
type notification struct {
	ID          string    `json:"id"`
	Flow        string    `json:"flow"`
	Correlation string    `json:"correlation"` // of the sign-in
	Client      string    `json:"client"`
	Number      int       `json:"number"`
	Asked       time.Time `json:"asked"`
	Answer      string    `json:"answer"` // phone.Approved, phone.Denied or phone.WrongNumber; "" while it waits
	Until       time.Time `json:"until"`  // last instant at which it may be answered, or its answer learnt
}

// results are what the page says to an answer.
var results = map[string]string{
	"": sas.ResultPending, phone.Approved: sas.ResultSuccess, phone.Denied: sas.ResultDenied, phone.WrongNumber: sas.ResultWrongNumber,
}

// pushKey is the place where denials and wrong numbers are counted.
func pushKey(userID string) string { return guessKey(userID, "push", "") }

// notifications returns a user's that are not over.
func (s *server) notifications(r providers.Reader, userID string) ([]notification, error) {
	all, err := get[[]notification](r, tablePushed, userID)
	if err != nil {
		return nil, ignoreNotFound(err)
	}
	now := s.env.Now()
	return slices.DeleteFunc(*all, func(n notification) bool { return now.After(n.Until) }), nil
}

func putNotifications(w providers.Writer, userID string, all []notification) error {
	if len(all) == 0 {
		return w.Delete(tablePushed, userID)
	}
	return put(w, tablePushed, userID, all)
}

// beginNotification sends a notification to the user's phone and sets the
// flow's Pushed and Number.
func (s *server) beginNotification(ctx context.Context, f *flow, u *user) (result string, err error) {
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return "", err
	}
	number, err := newNumber(s.env.Rand)
	if err != nil {
		return "", err
	}
	n := notification{ID: id.String(), Flow: f.ID, Correlation: web.Correlation(ctx), Client: f.ClientID, Number: number,
		Asked: s.env.Now(), Until: s.env.Now().Add(notificationLife)}
	var locked bool
	err = s.env.Section.Record(ctx, func(w providers.Writer) error {
		if locked, err = s.lockedIn(w, pushKey(u.ID)); err != nil || locked {
			return err
		}
		all, err := s.notifications(w, u.ID)
		if err != nil {
			return err
		}
		// One flow has one notification.
		all = append(slices.DeleteFunc(all, func(o notification) bool { return o.Flow == f.ID }), n)
		return putNotifications(w, u.ID, all[max(0, len(all)-maxNotifications):])
	})
	switch {
	case err != nil:
		return "", err
	case locked:
		return sas.ResultLocked, nil
	}
	f.Pushed, f.Number = n.ID, n.Number
	s.step(ctx, s.mfaActor(), event.Phone, "notification_sent", string(s.mfaActor())+" sends a notification to the user's phone.",
		map[string]any{"user": u.UPN, "notification": n.ID, "until": n.Until.UTC()})
	return sas.ResultSuccess, nil
}

// newNumber draws a number of two digits, each as likely as the others.
func newNumber(rand io.Reader) (int, error) {
	const numbers = phone.MaxNumber - phone.MinNumber + 1
	var b [1]byte
	for {
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return 0, fmt.Errorf("draw number: %w", err)
		}
		if n := int(b[0]); n < 256/numbers*numbers {
			return phone.MinNumber + n%numbers, nil
		}
	}
}

// notificationState says how the flow's notification stands. An approval is
// used up by the one who learns of it, and at is when it was given.
func (s *server) notificationState(ctx context.Context, f *flow) (result string, at time.Time, err error) {
	look := func(r providers.Reader) error {
		all, err := s.notifications(r, f.Proof.UserID)
		if err != nil {
			return err
		}
		n := pushed(all, f.Pushed)
		if n == nil {
			result = sas.ResultNoResponse
			return nil
		}
		// An answer may be learnt as long as it could have been given.
		result, at = results[n.Answer], n.Until.Add(-notificationLife)
		if result == sas.ResultPending {
			locked, err := s.lockedIn(r, pushKey(f.Proof.UserID))
			if locked {
				result = sas.ResultLocked
			}
			return err
		}
		return nil
	}
	// Waiting writes nothing.
	if err := s.env.Section.View(look); err != nil || result != sas.ResultSuccess {
		return result, at, err
	}
	err = s.env.Section.Record(ctx, func(w providers.Writer) error {
		if err := look(w); err != nil || result != sas.ResultSuccess {
			return err
		}
		all, err := s.notifications(w, f.Proof.UserID)
		if err != nil {
			return err
		}
		return putNotifications(w, f.Proof.UserID, slices.DeleteFunc(all, func(n notification) bool { return n.ID == f.Pushed }))
	})
	return result, at, err
}

// pushed returns the notification of an id, or nil.
func pushed(all []notification, id string) *notification {
	if i := slices.IndexFunc(all, func(n notification) bool { return n.ID == id }); i >= 0 {
		return &all[i]
	}
	return nil
}

// answerNotification takes the phone's answer. Of any number of answers to one
// notification, the first is heard. A denial and a wrong number end it, and
// count: too many lock notifications for a while.
func (s *server) answerNotification(ctx context.Context, u *user, a *phone.Answer) (outcome string, err error) {
	var n *notification
	err = s.env.Section.Record(ctx, func(w providers.Writer) error {
		n, outcome = nil, phone.Gone
		locked, err := s.lockedIn(w, pushKey(u.ID))
		if err != nil {
			return err
		}
		if locked {
			outcome = phone.Locked
			return nil
		}
		all, err := s.notifications(w, u.ID)
		if err != nil {
			return err
		}
		n = pushed(all, a.Notification)
		if n == nil || n.Answer != "" {
			n = nil
			return nil
		}
		switch {
		case a.Decision != phone.Approve:
			outcome = phone.Denied
		case subtle.ConstantTimeEq(int32(n.Number), int32(a.Number)) != 1:
			outcome = phone.WrongNumber
		default:
			outcome = phone.Approved
		}
		n.Answer, n.Until = outcome, s.env.Now().Add(notificationLife)
		if err := putNotifications(w, u.ID, all); err != nil {
			return err
		}
		if outcome == phone.Approved {
			return w.Delete(tableGuesses, pushKey(u.ID))
		}
		return s.failedIn(w, pushKey(u.ID), n.ID)
	})
	if err != nil {
		return "", err
	}
	if n != nil && n.Correlation != "" {
		ctx = web.WithCorrelation(ctx, n.Correlation) // a step of the sign-in, whoever carried the phone
	}
	s.tellAnswer(ctx, u, a, outcome)
	return outcome, nil
}

func (s *server) tellAnswer(ctx context.Context, u *user, a *phone.Answer, outcome string) {
	if outcome == phone.Approved {
		s.step(ctx, s.mfaActor(), event.Phone, "notification_approved", string(s.mfaActor())+" takes the approval: the number is the page's.",
			map[string]any{"user": u.UPN, "notification": a.Notification})
		return
	}
	sentence := map[string]string{
		phone.Denied: "The user denies the sign-in.", phone.WrongNumber: "The number is not the page's; the notification ends.",
		phone.Gone:   "No such notification waits: it is unknown, expired, superseded, or was answered.",
		phone.Locked: "Notifications are locked after too many denials and wrong numbers.",
	}[outcome]
	s.refused(ctx, s.mfaActor(), "notification_refused", event.Reason{Code: outcome, Name: u.UPN, Sentence: sentence})
}
