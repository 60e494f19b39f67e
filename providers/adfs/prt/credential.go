package prt

import (
	"context"
	"errors"
	"strings"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// ErrNoCredential is a credential of a browser that proves nothing. AD FS then
// signs the user in as if there were none (MS-OAPXBC 3.2.5.2.1).
var ErrNoCredential = errors.New("the credential proves nobody")

// DeviceCredential reads x-ms-DeviceCredential: the id of the device that signed
// it, which is one of the domain's and may be served (MS-OAPXBC 2.2.1.2).
func (s *Service) DeviceCredential(ctx context.Context, text string) (string, error) {
	t, err := jose.Parse(text)
	if err != nil || len(t.Header.X5C) == 0 {
		return "", ErrNoCredential
	}
	var c prt.Request
	if t.Claims(&c) != nil || c.GrantType != "" && c.GrantType != oauth.GrantDeviceAuth {
		return "", ErrNoCredential
	}
	id, err := s.deviceCredential(ctx, t, c.RequestNonce)
	var refused *adfs.Error
	if errors.As(err, &refused) {
		err = ErrNoCredential
	}
	return id, err
}

func (s *Service) deviceCredential(ctx context.Context, t *jose.Token, nonce string) (string, error) {
	cert, err := s.deviceSignature(t)
	if err != nil {
		return "", err
	}
	if err := s.takeNonce(ctx, nonce); err != nil {
		return "", err
	}
	conn, err := s.Directory(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	d, err := s.deviceOf(ctx, conn, cert)
	if err != nil {
		return "", err
	}
	return d.ID.String(), nil
}

// Credential reads x-ms-RefreshTokenCredential: who is signed in, on which device.
func (s *Service) Credential(ctx context.Context, text string) (*farm.Account, *farm.Proof, error) {
	t, err := jose.Parse(text)
	if err != nil {
		return nil, nil, ErrNoCredential
	}
	var c prt.Request
	if t.Claims(&c) != nil || !strings.EqualFold(c.IsPrimary, "true") {
		return nil, nil, ErrNoCredential
	}
	p, err := s.open(c.RefreshToken)
	if err == nil && prt.VerifyRequest(t, prt.Key(p.SessionKey)) == nil {
		err = s.takeNonce(ctx, c.RequestNonce)
	} else if err == nil {
		err = ErrNoCredential
	}
	var a *farm.Account
	if err == nil {
		a, err = s.standing(ctx, p)
	}
	var refused *adfs.Error
	if errors.As(err, &refused) {
		err = ErrNoCredential
	}
	if err != nil {
		return nil, nil, err
	}
	return a, &p.Proof, nil
}
