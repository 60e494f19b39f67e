package inspect

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"hellolab/providers/entra"
	"hellolab/providers/wire/guid"
)

// decodeToken shows what can be seen of a token that its tenant sealed, and
// with the lab's own tenant at hand, what is inside.
func decodeToken(i *inspector, in Input) (*Node, error) {
	version, rest, ok := strings.Cut(in.Compact, ".")
	hint, sealed, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || version != "0" && version != "1" || hint == "" || sealed == "" {
		return nil, not("it does not begin with 0. or 1. and a hint")
	}
	if t, err := entra.ParseTokenText(in.Compact); err == nil {
		return i.tenantToken(in.Compact, t), nil
	}
	return cloudToken(version, hint, sealed)
}

func (i *inspector) tenantToken(text string, t *entra.TokenText) *Node {
	n := &Node{Title: "Refresh token"}
	if t.Kind == entra.KindPRT {
		n.Title = "Primary refresh token"
	}
	n.add("tenant id", t.TenantID.String())
	n.noted("sealed", t.Sealed, "bytes, which only the tenant can open")
	if i.o.Open == nil {
		n.add("claims", "sealed: the lab whose tenant it is was not given (-lab)")
		return n
	}
	c, err := i.o.Open(text)
	switch {
	case errors.Is(err, entra.ErrToken):
		n.add("claims", "sealed: "+verdictWrong+" as a token of this lab")
		return n
	case err != nil:
		n.add("claims", "sealed: the lab cannot be asked: "+err.Error())
		return n
	}
	n.noted("claims", i.tokenClaims(c), verdictVerified+": the tenant sealed them")
	if t.Kind == entra.KindPRT {
		n.add("session key", "(32 bytes, under the seal: the tenant keeps it nowhere else)")
	}
	return n
}

// Opaque is a token that only its issuer reads: who that is, and its life as the
// holder knows it.
func Opaque(title, issuer string, size int, obtained, expires time.Time, o Options) *Node {
	n := &Node{Type: "token", Title: title}
	n.add("issuer", issuer)
	n.noted("sealed", size, "characters, which only its issuer can open")
	n.time("obtained", obtained, o.Now)
	n.time("expires", expires, o.Now)
	return n
}

func (i *inspector) tokenClaims(c *entra.TokenClaims) Fields {
	now := i.o.Now
	user := Fields{}
	user.add("oid", c.UserID)
	user.add("upn", c.UPN)
	f := Fields{}
	f.add("user", user)
	device := Fields{}
	if c.DeviceID != "" {
		device.add("device id", c.DeviceID)
	}
	f.add("device", device)
	amr := make([]any, len(c.AMR))
	for k := range c.AMR {
		amr[k] = c.AMR[k]
	}
	f.add("amr", amr)
	f.time("auth time", c.AuthTime, now)
	if !c.MFATime.IsZero() {
		f.time("mfa time", c.MFATime, now)
	}
	f.add("credential", c.Credential)
	f.text("key id", c.KeyID)
	f.text("client id", c.ClientID)
	f.text("family", c.Family)
	if c.Family != "" {
		f.add("serial", c.Serial)
	}
	if !c.IssuedAt.IsZero() {
		f.time("issued at", c.IssuedAt, now)
	}
	f.time("expires", c.Expires, now)
	if !c.SessionKeyBorn.IsZero() {
		f.time("session key born", c.SessionKeyBorn, now)
	}
	return f
}

// cloudToken reads the hint that the cloud's tokens begin with, as recorded:
// one byte 1, two that vary, tenant id and client id in Windows order, and a
// tail.
func cloudToken(version, hint, sealed string) (*Node, error) {
	const fixed = 3 + 16 + 16
	b, err := base64.RawURLEncoding.DecodeString(hint)
	if err != nil || len(b) < 16 {
		return nil, not("its hint is no base64url of an identifier")
	}
	n := &Node{Title: "Opaque token in the cloud's form"}
	n.add("version", version)
	if len(b) > fixed && len(b) <= fixed+8 && b[0] == 1 {
		n.noted("tenant id", guid.FromWindows([16]byte(b[3:])).String(), verdictUnknown)
		n.noted("client id", guid.FromWindows([16]byte(b[19:])).String(), verdictUnknown)
	} else {
		n.add("hint", fmt.Sprintf("(%s that name no tenant)", size(b)))
	}
	n.noted("sealed", len(sealed), "characters, which only its tenant can open")
	return n, nil
}
