package kdc

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pkinit"
)

// Identity is the KDC's own certificate.
type Identity interface {
	// Certificate returns what to sign with now; nil when the domain controller
	// has no certificate that can be used, and PKINIT is then refused.
	Certificate(ctx context.Context) (*Certificate, error)
}

// Certificate is a certificate with its key. Chain is the leaf, then what
// clients need to build its path; the root is not needed.
type Certificate struct {
	Chain []*x509.Certificate
	Key   crypto.Signer
}

// PKINITConfig is what pre-authentication by public key needs.
type PKINITConfig struct {
	Identity Identity
	Trust    Trust // nil: no certificate is trusted; registered keys are
	Policy   PKINITPolicy
	Rand     io.Reader
	// FreshnessKey authenticates freshness tokens, 32 bytes. Domain controllers
	// that share it take each other's tokens. nil: a random one.
	FreshnessKey []byte
}

// PKINITPolicy is what an administrator may turn. The zero value is a domain's
// default.
type PKINITPolicy struct {
	Mapping    MappingMode
	Backdating time.Duration // how much older than its account a certificate may be in MappingCompatibility

	ClientAuthEKU    bool            // certificates with no better purpose than client authentication sign in, too
	KeylessCMS       bool            // a request without a certificate is tried with the account's registered keys
	RequireFreshness bool            // requests without a freshness token are refused
	MisnamesKeys     bool            // registered keys are refused as another account's, as early Windows Server 2019 does
	AllowSHA1        bool            // requests signed with SHA-1 are taken
	NoRSA            bool            // the RSA mode is refused
	Groups           []*pkinit.Group // accepted, best first; nil: pkinit.DefaultGroups
	ReuseKey         time.Duration   // how long a Diffie-Hellman key serves clients that sent a nonce; 0: once
}

// PKINIT is the pre-authentication by public key (RFC 4556, MS-PKCA): with a
// certificate of an authority that the domain trusts for signing in, or with a
// key that is registered with the account.
type PKINIT struct {
	PKINITConfig
	tokens freshness
	keys   keyCache
}

// NewPKINIT makes the pre-authentication for Config.Preauth.
func NewPKINIT(c PKINITConfig) (*PKINIT, error) {
	if c.Policy.Groups == nil {
		c.Policy.Groups = pkinit.DefaultGroups()
	}
	if c.FreshnessKey == nil {
		c.FreshnessKey = make([]byte, 32)
		if _, err := io.ReadFull(c.Rand, c.FreshnessKey); err != nil {
			return nil, fmt.Errorf("read random freshness key: %w", err)
		}
	}
	return &PKINIT{PKINITConfig: c, tokens: freshness{c.FreshnessKey}}, nil
}

// Type implements Preauth.
func (p *PKINIT) Type() int32 { return krb.PAPKASReq }

// Offer names PKINIT while there is a certificate, and gives a freshness token
// to a client that asks for one and does not use a password.
func (p *PKINIT) Offer(ctx context.Context, x *ASExchange) ([]krb.PAData, error) {
	own, err := p.Identity.Certificate(ctx)
	if err != nil || own == nil {
		return nil, err
	}
	offer := []krb.PAData{{Type: krb.PAPKASReq, Value: []byte{}}}
	_, asks := krb.FindPA(x.Request.PAData, krb.PAASFreshness)
	_, password := krb.FindPA(x.Request.PAData, krb.PAEncTimestamp)
	if asks && !password {
		offer = append(offer, krb.PAData{Type: krb.PAASFreshness, Value: p.tokens.issue(x.Now)})
	}
	return offer, nil
}

// Verify implements Preauth. The checks follow RFC 4556 3.2.2 in its order:
// signature, certificate, its purpose, its names, time, (repetition, which the
// KDC checks,) the request's checksums, the group, freshness.
func (p *PKINIT) Verify(ctx context.Context, x *ASExchange, value []byte) (*Proof, error) {
	own, err := p.Identity.Certificate(ctx)
	if err != nil {
		return nil, err
	}
	if own == nil { // fault 67
		return nil, krb.NewError(krb.ErrPADataTypeNoSupport, "The domain controller has no certificate for signing in with a certificate or a key.").
			WithHint("Give the domain controller a certificate with the purpose KDC Authentication.")
	}
	r, err := pkinit.ParseRequest(value)
	if err != nil {
		return nil, unreadable(err)
	}
	who, err := p.authenticate(ctx, x, r)
	if err != nil {
		return nil, err
	}
	a := r.AuthPack
	if d := x.Now.Sub(a.Time); d > krb.Skew || -d > krb.Skew {
		return nil, krb.NewError(krb.ErrSkew, "The client's clock differs by %s.", d.Abs().Round(time.Second))
	}
	if err := a.CheckBody(x.Request.RawBody); err != nil {
		return nil, err
	}
	if a.PublicValue != nil {
		if err := a.PublicValue.CheckGroup(p.Policy.Groups); err != nil {
			return nil, err
		}
	}
	fresh, err := p.fresh(a.FreshnessToken, x.Now)
	if err != nil {
		return nil, err
	}
	answer, key, err := p.answer(x, a, cms.Signer{Key: own.Key, Certificates: own.Chain}, who)
	if err != nil {
		return nil, err
	}
	proof := &Proof{
		Method: who.method(), ReplyKey: key, PAData: []krb.PAData{{Type: krb.PAPKASRep, Value: answer}},
		ReplayID: replayID(x.Account, a), ReplayUntil: a.Time.Add(krb.Skew),
		PAC:  who.pac(x.Account, key, fresh),
		Note: who.note,
	}
	if who.key != nil {
		proof.KeyID = who.key.ID
	}
	proof.Note["digest"], proof.Note["fresh"], proof.Note["agreement"] = r.Signed.Digest.String(), fresh, "RSA"
	if a.PublicValue != nil {
		proof.Note["agreement"] = a.PublicValue.Group.Name
	}
	return proof, nil
}

// answer makes the PA-PK-AS-REP and the reply key.
func (p *PKINIT) answer(x *ASExchange, a *pkinit.AuthPack, signer cms.Signer, who *holder) ([]byte, krb.Key, error) {
	exchange := pkinit.ExchangeOf(x.Request, x.ETypes[0])
	if a.PublicValue == nil {
		switch {
		case p.Policy.NoRSA:
			return nil, krb.Key{}, krb.NewError(krb.ErrPublicKeyEncryptionUnsupported, "")
		case who.certificate == nil:
			return nil, krb.Key{}, krb.NewError(krb.ErrPublicKeyEncryptionUnsupported, "A reply key cannot be encrypted to a certificate that the request does not bring; use Diffie-Hellman.")
		}
		return pkinit.AnswerRSA(p.Rand, a, signer, who.certificate, exchange)
	}
	d := pkinit.DHAnswer{Signer: signer, KDFs: pkinit.DefaultKDFs()}
	var err error
	if len(a.DHNonce) > 0 && p.Policy.ReuseKey > 0 {
		d.Key, d.Reused, err = p.keys.get(a.PublicValue.Group, x.Now, p.Policy.ReuseKey, p.Rand)
	} else {
		d.Key, err = a.PublicValue.Group.GenerateKey(p.Rand)
	}
	if err != nil {
		return nil, krb.Key{}, err
	}
	return pkinit.AnswerDH(p.Rand, a, d, exchange)
}

// unreadable is the refusal of what cannot be read or does not verify.
func unreadable(err error) error {
	switch {
	case errors.Is(err, cms.ErrDigest):
		return krb.NewError(krb.ErrSignedDataDigestNotAccepted, "")
	case errors.Is(err, cms.ErrSignature):
		return krb.NewError(krb.ErrInvalidSignature, "")
	case errors.Is(err, cms.ErrUnsupported):
		return krb.NewError(krb.ErrInvalidSignature, "The request is signed with an algorithm or a key that is not accepted.")
	}
	return krb.NewError(krb.ErrPreauthFailed, "The signed request cannot be read.")
}
