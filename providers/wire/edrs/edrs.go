// Package edrs is the protocol of the Enterprise Device Registration Service,
// which is part of AD FS: discovery (MS-DVRD), registration of a domain's
// computers (MS-DVRJ), and of Windows Hello for Business keys (MS-KPP). What it
// has in common with the cloud's service has its form in package drs.
//
//	GET    /EnrollmentServer/contract?api-version=1.2     → Contract, JSON or XML
//	POST   /EnrollmentServer/device?api-version=1.0       drs.JoinRequest → drs.JoinReply
//	DELETE /EnrollmentServer/device/{id}?api-version=1.0  device certificate over TLS
//	POST   /EnrollmentServer/key/?api-version=1.0         drs.KeyRequest → KeyReply
//
// A refusal of discovery has no body that counts; of registration it is a
// drs.Error; of a key it is an Error.
//
// Who asks is proved by an access token of AD FS for Resource, with these claims
// (package adfs has their names):
//
//	device  PermitDeviceRegistrationClaim "true", accounttype "DJ", onpremobjectguid, primarysid
//	key     deviceid, upn, amr with one of AMRMultiple, auth_time
package edrs

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// Paths of the service. They are compared without regard to letter case.
const (
	PathContract = "/EnrollmentServer/contract"
	PathDevice   = "/EnrollmentServer/device/"
	PathKey      = "/EnrollmentServer/key/"
)

// APIVersion is that of registration requests.
const APIVersion = "1.0"

// Host is where clients look for the service, by the suffix of the user's name
// (MS-DVRD 1.3).
func Host(suffix string) string { return "enterpriseregistration." + suffix }

// Resource is the service's identifier, and so the audience of tokens for it, by
// the host of its federation service.
func Resource(host string) string { return "urn:ms-drs:" + host }

// Permitted is the value of the claim PermitDeviceRegistrationClaim.
const Permitted = "true"

// AMRMultiple are the values of amr that tell of a second factor.
func AMRMultiple() []string {
	return []string{oauth.AMRNGCMFA, oauth.AMRMFA, "http://schemas.microsoft.com/claims/multipleauthn"}
}

// Discover asks a host where the service's parts are.
func Discover(ctx context.Context, c *http.Client, host string) (*Contract, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+PathContract+"?api-version="+Version12, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", TypeJSON)
	reply, err := web.Do(c, req)
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, fmt.Errorf("%s does not tell where to register: it answered %d %s", host, reply.Status, http.StatusText(reply.Status))
	}
	return ParseContract(reply.Body)
}

// Join registers a computer at an endpoint of the contract.
func Join(ctx context.Context, c *http.Client, endpoint, token string, r *drs.JoinRequest) (*drs.JoinReply, error) {
	req, err := web.NewJSON(ctx, http.MethodPost, versioned(endpoint), r)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	reply, err := web.Do(c, req)
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, drs.ParseError(reply.Status, reply.Body)
	}
	return drs.ParseJoinReply(reply.Body)
}

// Leave removes the device whose certificate the client presents.
func Leave(ctx context.Context, c *http.Client, endpoint, device string) error {
	target := versioned(strings.TrimRight(endpoint, "/") + "/" + url.PathEscape(device))
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, target, nil)
	if err != nil {
		return err
	}
	reply, err := web.Do(c, req)
	if err != nil {
		return err
	}
	if reply.Status != http.StatusOK {
		return drs.ParseError(reply.Status, reply.Body)
	}
	return nil
}

// RegisterKey registers a Hello key at an endpoint of the contract.
func RegisterKey(ctx context.Context, c *http.Client, endpoint, token string, r *drs.KeyRequest) (*KeyReply, error) {
	req, err := web.NewJSON(ctx, http.MethodPost, versioned(endpoint), r)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set(oauth.HeaderReturnCorrelation, "true")
	reply, err := web.Do(c, req)
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, ParseError(reply.Status, reply.Body)
	}
	return ParseKeyReply(reply.Body)
}

func versioned(endpoint string) string { return endpoint + "?api-version=" + APIVersion }
