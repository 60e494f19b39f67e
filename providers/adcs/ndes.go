package adcs

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/wire/scep"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/web"
)

// ndes is the authority's SCEP service (Network Device Enrollment Service). A
// challenge says for which account and by which template; names are those that
// the directory has of the account, and the right Enroll is the service's own.
type ndes struct{ *server }

// tableChallenges holds outstanding challenges by their digests.
const tableChallenges = "challenges"

const (
	challengeLife = time.Hour // PasswordValidity of NDES
	maxChallenges = 1000      // outstanding at once
)

// challenge is one that is outstanding.
type challenge struct {
	Account  string    `json:"account"`
	Template string    `json:"template"`
	Expires  time.Time `json:"expires"`
}

// newSecret draws 128 random bits, in capitals as NDES writes challenges.
func newSecret(rand io.Reader) (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(rand, b); err != nil {
		return "", fmt.Errorf("read random secret: %w", err)
	}
	return strings.ToUpper(hex.EncodeToString(b)), nil
}

func digestOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// handler is the service itself, for plain HTTP.
func (n *ndes) handler(fail func(error)) http.Handler {
	return &scep.Server{RA: n.registration, Issue: n.issue, Rand: n.env.Rand, Fail: fail}
}

// registration is the registration authority's key and chain.
func (n *ndes) registration() (*scep.RA, error) {
	cert, err := loadOwn(n.env, keyRA)
	if err != nil {
		return nil, err
	}
	if cert == nil {
		return nil, errors.New("the SCEP service has no certificate yet")
	}
	key, ok := cert.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the SCEP service's key is a %T", cert.PrivateKey)
	}
	return &scep.RA{Key: key, Chain: append([]*x509.Certificate{cert.Leaf}, n.ca.Chain()...)}, nil
}

// administer gives out challenges, over HTTPS.
func (n *ndes) administer(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, sentence string) { web.WriteJSON(w, status, scep.AdminRefusal{Error: sentence}) }
	set, err := loadSettings(n.env)
	if err != nil {
		n.log.Error("SCEP service failed", "error", err)
		refuse(http.StatusInternalServerError, "The service failed.")
		return
	}
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if set.SCEP == "" || !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(text), []byte(set.SCEP)) != 1 {
		refuse(http.StatusUnauthorized, "Device management proves itself by a secret, which this request does not bring.")
		return
	}
	if r.Method != http.MethodPost {
		refuse(http.StatusMethodNotAllowed, "Challenges are asked for with POST.")
		return
	}
	var q scep.ChallengeRequest
	if err := web.ReadJSON(r, &q); err != nil {
		refuse(web.Status(err), "The request is not a JSON object that names account and template.")
		return
	}
	if !slices.ContainsFunc(deviceTemplates, func(t string) bool { return strings.EqualFold(t, q.Template) }) {
		refuse(http.StatusBadRequest, fmt.Sprintf("The SCEP service issues by %s, not by %q.", strings.Join(deviceTemplates, ", "), q.Template))
		return
	}
	if _, err := n.members.lookup(r.Context(), q.Account); err != nil {
		var no *ca.Error
		if errors.As(err, &no) {
			refuse(http.StatusBadRequest, no.Sentence)
			return
		}
		n.log.Error("SCEP service failed", "error", err)
		refuse(http.StatusInternalServerError, "The directory does not answer.")
		return
	}
	password, expires, err := n.newChallenge(r.Context(), q)
	if err != nil {
		n.log.Error("SCEP service failed", "error", err)
		refuse(http.StatusInternalServerError, "The service failed.")
		return
	}
	tellChallenge(r.Context(), n.env, q)
	o := out(n.ca, set)
	web.WriteJSON(w, http.StatusOK, scep.Challenge{URL: o.SCEPURL, Thumbprint: o.Thumbprint, Password: password, Expires: expires.UTC().Format(time.RFC3339)})
}

// newChallenge draws a challenge and keeps its digest; those that ended go.
func (n *ndes) newChallenge(ctx context.Context, q scep.ChallengeRequest) (string, time.Time, error) {
	password, err := newSecret(n.env.Rand)
	if err != nil {
		return "", time.Time{}, err
	}
	now := n.env.Now()
	c := challenge{Account: q.Account, Template: q.Template, Expires: now.Add(challengeLife)}
	raw, err := json.Marshal(c)
	if err != nil {
		return "", time.Time{}, err
	}
	err = n.env.Section.Record(ctx, func(w providers.Writer) error {
		left := 0
		var ended []string
		err := w.Scan(tableChallenges, "", func(key string, value []byte) error {
			var old challenge
			if json.Unmarshal(value, &old) != nil || !now.Before(old.Expires) {
				ended = append(ended, key)
				return nil
			}
			left++
			return nil
		})
		for _, key := range ended {
			err = errors.Join(err, w.Delete(tableChallenges, key))
		}
		if left >= maxChallenges {
			err = errors.Join(err, fmt.Errorf("%d challenges are outstanding", left))
		}
		return errors.Join(err, w.Put(tableChallenges, digestOf(password), raw))
	})
	return password, c.Expires, err
}

// take uses a challenge up: it is good once, whatever becomes of the request.
func (n *ndes) take(ctx context.Context, password string) (*challenge, error) {
	var c *challenge
	err := n.env.Section.Record(ctx, func(w providers.Writer) error {
		raw, found, err := w.Get(tableChallenges, digestOf(password))
		if err != nil || !found {
			return err
		}
		c = &challenge{}
		return errors.Join(json.Unmarshal(raw, c), w.Delete(tableChallenges, digestOf(password)))
	})
	if err != nil {
		return nil, err
	}
	if c == nil || !n.env.Now().Before(c.Expires) {
		return nil, &scep.Refusal{Info: scep.BadRequest, Text: "The challenge is not known, was used, or has expired."}
	}
	return c, nil
}

// issue answers a device: the CA issues by the challenge's template to its
// account, if the service may enroll by it.
func (n *ndes) issue(ctx context.Context, r *scep.Request) ([]*x509.Certificate, error) {
	c, err := n.take(ctx, r.Challenge)
	if err != nil {
		return nil, n.refused(ctx, err)
	}
	who, err := n.members.lookup(ctx, c.Account)
	if err != nil {
		return nil, n.refused(ctx, err)
	}
	service := n.settings.self()
	service.Groups = []sid.SID{sid.Everyone, sid.AuthenticatedUsers}
	issued, err := n.ca.Issue(ctx, ca.Request{Requester: *who, CSR: r.CSR, Template: c.Template,
		May: func(ctx context.Context, t *ca.Template) (bool, error) { return n.members.may(ctx, &service, t) }})
	if err != nil {
		return nil, n.refused(ctx, err)
	}
	if issued.Certificate == nil {
		return nil, n.refused(ctx, &scep.Refusal{Info: scep.BadRequest, Text: "The template has an administrator approve each request, and devices do not wait."})
	}
	tellDevice(ctx, n.env, c.Account, c.Template, issued.Certificate)
	return append([]*x509.Certificate{issued.Certificate}, n.ca.Chain()...), nil
}

// refused tells the trace of a refusal, and makes a CA's one SCEP's.
func (n *ndes) refused(ctx context.Context, err error) error {
	var no *ca.Error
	if errors.As(err, &no) {
		err = &scep.Refusal{Info: scep.BadRequest, Text: no.Error()}
	}
	var refusal *scep.Refusal
	if errors.As(err, &refusal) {
		tellRefused(ctx, n.env, refusal)
	}
	return err
}
