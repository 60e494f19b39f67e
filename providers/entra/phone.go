package entra

import (
	"context"
	"errors"
	"io"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/phone"
	"hellolab/providers/wire/web"
)

const maxPhoneBody = 4 << 10

// servePhone answers authenticator apps (package wire/phone).
func (s *server) servePhone(w http.ResponseWriter, r *http.Request, path string) {
	var answer any
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPhoneBody))
	if err == nil {
		switch path {
		case phone.PathChallenge:
			answer, err = s.phoneChallenge()
		case phone.PathList:
			answer, err = s.phoneList(r.Context(), body)
		case phone.PathAnswer:
			answer, err = s.phoneAnswer(r.Context(), body)
		default:
			http.NotFound(w, r)
			return
		}
	}
	if errors.Is(err, phone.ErrMalformed) {
		err = oauth.NewError(oauth.RequestMalformed, "The authenticator app's request is malformed.")
	}
	if err != nil {
		s.refuseToken(w, r, oauth.V1, "phone_refused", err)
		return
	}
	web.WriteJSON(w, http.StatusOK, answer)
}

func (s *server) phoneChallenge() (phone.Challenge, error) {
	nonce, err := s.newNonce(noncePhone)
	return phone.Challenge{Nonce: nonce}, err
}

func (s *server) phoneList(ctx context.Context, body []byte) (phone.Notifications, error) {
	list := phone.Notifications{Notifications: []phone.Notification{}}
	l, err := phone.ParseList(body)
	if err != nil {
		return list, err
	}
	u, err := s.phoneUser(ctx, l.User, l.Nonce, l.Verify)
	if err != nil {
		return list, err
	}
	err = s.env.Section.View(func(r providers.Reader) error {
		all, err := s.notifications(r, u.ID)
		for _, n := range all {
			if n.Answer == "" {
				list.Notifications = append(list.Notifications, phone.Notification{ID: n.ID, CorrelationID: n.Correlation, Application: n.Client,
					Asked: n.Asked.UTC(), Expires: n.Until.UTC()})
			}
		}
		return err
	})
	return list, err
}

func (s *server) phoneAnswer(ctx context.Context, body []byte) (phone.Outcome, error) {
	a, err := phone.ParseAnswer(body)
	if err != nil {
		return phone.Outcome{}, err
	}
	u, err := s.phoneUser(ctx, a.User, a.Nonce, a.Verify)
	if err != nil {
		return phone.Outcome{}, err
	}
	result, err := s.answerNotification(ctx, u, a)
	return phone.Outcome{Result: result}, err
}

// phoneUser finds the user whose phone a call is proved by, and uses the nonce
// up. Whether user or phone are unknown or the proof does not hold is one answer.
func (s *server) phoneUser(ctx context.Context, id, nonce string, verify func(secret []byte) bool) (*user, error) {
	refused := oauth.NewError(oauth.GrantInvalid, "The user has no such authenticator app, or its proof does not hold.")
	var u *user
	err := s.env.Section.View(func(r providers.Reader) (err error) {
		if g, e := guid.Parse(id); e == nil {
			u, err = userByID(r, g.String())
		}
		return ignoreNotFound(err)
	})
	if err != nil {
		return nil, err
	}
	known := u != nil && u.Phone != nil
	key := make([]byte, phone.SecretSize) // a phone that is nobody's costs the same time
	if known {
		key = u.Phone.Key
	}
	if !verify(key) || !known {
		return nil, refused
	}
	switch err := s.useNonces(ctx, noncePhone, nonce); {
	case errors.Is(err, errNonceForeign), errors.Is(err, errNonceExpired), errors.Is(err, errNonceUsed):
		return nil, oauth.NewError(oauth.NonceInvalid)
	case err != nil:
		return nil, err
	}
	return u, nil
}
