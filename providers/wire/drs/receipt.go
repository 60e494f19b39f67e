package drs

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/strict"
)

// Receipt is the key receipt (krctx, MS-OAPXBC 2.2.2.1): proof towards a
// federation service, signed by the registration service, that a key is
// registered to a user, for as long as the key has not reached the domain by
// synchronization. ngc_key and onprem_sid are the specification's claims; how
// the key is written, issuer and life are ours (docs/wire.md).
type Receipt struct {
	Issuer     string `json:"iss"`        // "https://<registration host>/<tenant id>"
	Key        []byte `json:"ngc_key"`    // CNG blob
	OnPremSID  string `json:"onprem_sid"` // of the user in the domain
	ObjectID   string `json:"oid"`
	DeviceID   string `json:"deviceid"`
	IssuedAt   int64  `json:"iat"`
	NotBefore  int64  `json:"nbf"`
	Expiration int64  `json:"exp"`
}

// ErrReceipt is wrapped by every error of OpenReceipt.
var ErrReceipt = errors.New("not a key receipt")

// receiptContext is the outer JSON of krctx; Data is base64 of a compact token.
type receiptContext struct {
	Data    []byte `json:"Data"`
	Format  int    `json:"Format"`
	Version int    `json:"Version"`
}

// Sign returns the krctx of a receipt, signed by the registration service's
// authority.
func (r Receipt) Sign(key crypto.Signer, authority *x509.Certificate) (string, error) {
	token, err := jose.SignRS256(key, jose.Header{Type: "JWT", X5T: oauth.Thumbprint(authority.Raw)}, r)
	if err != nil {
		return "", fmt.Errorf("sign key receipt: %w", err)
	}
	data, err := json.Marshal(receiptContext{Data: []byte(token), Format: 1, Version: 1})
	if err != nil {
		return "", fmt.Errorf("encode key receipt: %w", err)
	}
	return base64.StdEncoding.EncodeToString(data), nil
}

// maxReceipt bounds the text of a receipt.
const maxReceipt = 32 << 10

// OpenReceipt verifies a krctx: signed by one of the authorities, and in its
// life. Whether it is of the right key and user is the caller's to compare.
func OpenReceipt(krctx string, authorities []*x509.Certificate, now time.Time) (*Receipt, error) {
	if len(krctx) > maxReceipt {
		return nil, fmt.Errorf("%w: it is too long", ErrReceipt)
	}
	data, err := base64.StdEncoding.DecodeString(krctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	var c receiptContext
	if err := strict.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	if c.Format != 1 || c.Version != 1 {
		return nil, fmt.Errorf("%w: format %d, version %d", ErrReceipt, c.Format, c.Version)
	}
	t, err := jose.Parse(string(c.Data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	verified := false
	for _, a := range authorities {
		if pub, ok := a.PublicKey.(*rsa.PublicKey); ok && oauth.Thumbprint(a.Raw) == t.Header.X5T {
			verified = t.VerifyRS256(pub) == nil
			break
		}
	}
	if !verified {
		return nil, fmt.Errorf("%w: no trusted authority signed it", ErrReceipt)
	}
	var r Receipt
	if err := t.Claims(&r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	if at := now.Unix(); at < r.NotBefore || at >= r.Expiration {
		return nil, fmt.Errorf("%w: it is not in its life", ErrReceipt)
	}
	return &r, nil
}
