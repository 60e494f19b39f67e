package oauth

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hellolab/providers/wire/strict"
)

// Demands are what a request asks of the sign-in behind a token, beyond what
// the resource demands by itself.
type Demands struct {
	MFA          bool     // a second factor, however old
	FreshMFA     bool     // one within the tenant's window
	NotBefore    int64    // the session must not have begun before this Unix time; 0: any
	Capabilities []string // of the client: "cp1" says that it answers claims challenges
}

// FreshMFAClaims is the claims parameter that demands a fresh second factor.
const FreshMFAClaims = `{"access_token":{"amr":{"values":["ngcmfa","mfa"]}}}`

// CapabilityClaimsChallenge is the capability of a client that answers claims
// challenges ("CP1", of Microsoft's continuous access evaluation).
const CapabilityClaimsChallenge = "cp1"

// claim is one entry of a claims request (OpenID Connect Core 5.5.1).
type claim struct {
	Essential bool     `json:"essential"`
	Value     any      `json:"value"`
	Values    []string `json:"values"`
}

// ParseDemands reads amr_values (V1) and the claims parameter (V2; OpenID
// Connect Core 5.5), which is also how a client passes on the claims challenge
// of a resource. Claims nobody here knows are ignored, as the specification
// wants; a parameter that is not a claims request is an error.
func ParseDemands(amrValues, claims string) (Demands, error) {
	var d Demands
	for _, v := range strings.FieldsFunc(amrValues, func(r rune) bool { return r == ' ' || r == ',' }) {
		d.method(v)
	}
	if claims == "" {
		return d, nil
	}
	var request struct {
		AccessToken map[string]*claim `json:"access_token"`
	}
	if err := strict.Unmarshal([]byte(claims), &request); err != nil {
		return d, fmt.Errorf("claims parameter: %w", err)
	}
	if c := request.AccessToken["amr"]; c != nil {
		for _, v := range c.Values {
			d.method(v)
		}
	}
	if c := request.AccessToken["xms_cc"]; c != nil {
		for _, v := range c.Values {
			if strings.EqualFold(v, CapabilityClaimsChallenge) && !slices.Contains(d.Capabilities, CapabilityClaimsChallenge) {
				d.Capabilities = append(d.Capabilities, CapabilityClaimsChallenge)
			}
		}
	}
	if c := request.AccessToken["nbf"]; c != nil {
		text, ok := c.Value.(string)
		at, err := strconv.ParseInt(text, 10, 64)
		if !ok || err != nil || at < 0 {
			return d, fmt.Errorf("claims parameter: nbf is not a Unix time in text")
		}
		d.NotBefore = at
	}
	return d, nil
}

func (d *Demands) method(v string) {
	d.MFA = d.MFA || v == AMRMFA || v == AMRNGCMFA
	d.FreshMFA = d.FreshMFA || v == AMRNGCMFA
}
