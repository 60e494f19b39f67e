package inspect

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// decodeJWT takes a signed token apart: what kind of message it is, its
// header, its claims with the tokens inside them, and what the signature is
// worth.
func decodeJWT(i *inspector, in Input) (*Node, error) {
	parts := strings.Split(in.Compact, ".")
	if len(parts) != 3 {
		return nil, not(fmt.Sprintf("it has %d parts between dots, not three", len(parts)))
	}
	header, err := headerOf(parts[0])
	if err != nil {
		return nil, err
	}
	if _, ok := header.find("alg"); !ok {
		return nil, not("its header names no algorithm")
	}
	t, err := jose.Parse(in.Compact)
	if err != nil {
		return nil, err
	}
	payload, err := ordered(t.Payload)
	claims, ok := payload.(Fields)
	if err == nil && !ok {
		err = errors.New("its payload is no JSON object")
	}
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	n := &Node{Title: kindOf(t, claims)}
	signature := i.signature(t)
	i.header(t, header)
	n.add("header", header)
	n.noted("claims", i.open("", claims), claimsNote(signature))
	n.add("signature", signature)
	return n, nil
}

// headerOf reads the first part of a compact token, however strict its reader
// is about the rest.
func headerOf(part string) (Fields, error) {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil || !strings.HasPrefix(strings.TrimSpace(string(raw)), "{") {
		return nil, not("its first part is no JSON object in base64url")
	}
	value, err := ordered(raw)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return value.(Fields), nil
}

// header explains members of a header.
func (i *inspector) header(t *jose.Token, header Fields) {
	for k := range header {
		switch m := &header[k]; m.Name {
		case "x5c":
			chain := []any{}
			for _, der := range t.Header.X5C {
				chain = append(chain, i.bytesAs("certificate", der))
			}
			m.Value = chain
		case "ctx":
			m.Note = "context of the key derivation"
		case "kdf_ver":
			if t.Header.KDFVersion == prt.KDFv2 {
				m.Note = "context and payload are hashed"
			}
		case "kid":
			if t.Header.Use == ngc.Use {
				m.Note = "SHA-256 of the Hello key's CNG blob"
			}
		default:
			m.Value = i.open(m.Name, m.Value)
		}
	}
}

// kindOf tells the messages of the protocols apart, as their receivers do.
func kindOf(t *jose.Token, claims Fields) string {
	text := func(name string) string { v, _ := claims.find(name); s, _ := v.(string); return s }
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := claims.find(name); ok {
				return true
			}
		}
		return false
	}
	switch {
	case t.Header.Use == ngc.Use:
		return "Hello assertion (MS-OAPXBC 3.2.5.1.2.1.2)"
	case len(t.Header.X5C) > 0 && text("grant_type") == "device_auth":
		return "Device credential, x-ms-DeviceCredential"
	case len(t.Header.X5C) > 0 && has("grant_type"):
		return "Device request for a primary refresh token (MS-OAPXBC 3.2.5.1.2.1)"
	case t.Header.Context != "" && has("is_primary"):
		return "Session credential, x-ms-RefreshTokenCredential (MS-OAPXBC 2.2.1.1)"
	case t.Header.Context != "" && text("grant_type") == oauth.GrantRefreshToken:
		return "Session request with a primary refresh token (MS-OAPXBC 3.1.5.1.4.3)"
	case has("scp", "roles", "appidacr", "azpacr"):
		return "Access token"
	case has("iss") && has("aud") && has("sub") && has("tid"):
		return "ID token"
	}
	return "Signed token"
}

// Words of verdicts.
const (
	verdictVerified = "verified"
	verdictWrong    = "does not verify"
	verdictUnknown  = "not verified"
)

// signature says what a token's signature is worth.
func (i *inspector) signature(t *jose.Token) string {
	switch alg := t.Header.Algorithm; {
	case alg == "none":
		return verdictUnknown + ": the token is not signed"
	case alg == "RS256":
		return i.signatureRS256(t)
	case alg != "HS256":
		return verdictUnknown + ": signed with an algorithm that none of these protocols uses"
	case t.Header.Context == "":
		return verdictUnknown + ": the key is shared with somebody, and its header does not say how it is derived"
	case i.o.SessionKey == nil:
		return verdictUnknown + ": no session key given"
	case prt.VerifyRequest(t, prt.Key(i.o.SessionKey)) != nil:
		return verdictWrong + " with the session key given"
	}
	return verdictVerified + " with the session key given"
}

func (i *inspector) signatureRS256(t *jose.Token) string {
	tried := 0
	for _, k := range i.o.Keys {
		pub, ok := k.Public.(*rsa.PublicKey)
		if !ok || !reasonable(pub) {
			continue
		}
		if tried++; t.VerifyRS256(pub) == nil {
			return verdictVerified + " with " + k.ID
		}
	}
	own := ""
	if len(t.Header.X5C) > 0 {
		own = verdictWrong + " with the certificate in its own header"
		if k, err := CertificateKey(t.Header.X5C[0], ""); err == nil {
			if pub, ok := k.Public.(*rsa.PublicKey); ok && reasonable(pub) && t.VerifyRS256(pub) == nil {
				verdict, known := i.issuerSignature(k.Cert)
				if known {
					return verdictVerified + " with the certificate in its own header, itself " + verdict
				}
				return verdictUnknown + ": it holds with the certificate in its own header, itself " + strings.Replace(verdict, verdictWrong, "not verifying", 1)
			}
		}
	}
	switch {
	case own != "":
		return own
	case tried > 0:
		return verdictWrong + " with " + given(tried)
	}
	return verdictUnknown + ": no key given"
}

func given(n int) string {
	if n == 1 {
		return "the key given"
	}
	return fmt.Sprintf("any of the %d keys given", n)
}

// claimsNote labels claims that nobody vouches for.
func claimsNote(signature string) string {
	if strings.HasPrefix(signature, verdictVerified) {
		return ""
	}
	return "not verified"
}
