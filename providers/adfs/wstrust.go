package adfs

import (
	"context"
	"errors"
	"io"
	"net/http"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/event"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/fedmeta"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/soap"
	"hellolab/providers/wire/wstrust"
)

// maxTrust bounds a request for a security token.
const maxTrust = 64 << 10

// endpoints are where requests for security tokens go.
func (s *server) endpoints() []wstrust.Endpoint {
	base := "https://" + s.set.Host
	var all []wstrust.Endpoint
	if s.set.passwords() {
		all = append(all, wstrust.Endpoint{Version: wstrust.Trust13, URL: base + adfs.PathUserNameMixed},
			wstrust.Endpoint{Version: wstrust.Trust2005, URL: base + adfs.PathUserNameMixed2005})
	}
	if s.set.adfs() {
		all = append(all, wstrust.Endpoint{Version: wstrust.Trust13, Windows: true, URL: base + adfs.PathWindowsTransport},
			wstrust.Endpoint{Version: wstrust.Trust2005, Windows: true, URL: base + adfs.PathWindowsTrans2005})
	}
	return all
}

// exchange answers WS-MetadataExchange.
func (s *server) exchange(w http.ResponseWriter) {
	reply(w, http.StatusOK, typeXML, wstrust.Metadata(s.endpoints()))
}

// describe answers FederationMetadata.xml.
func (s *server) describe(w http.ResponseWriter, r *http.Request) {
	m := fedmeta.Metadata{Issuer: adfs.TrustIssuer(s.set.Host), Passive: "https://" + s.set.Host + adfs.PathPassive + "/",
		Active: "https://" + s.set.Host + adfs.PathUserNameMixed2005, MEX: "https://" + s.set.Host + adfs.PathMEX}
	for _, k := range s.keys.published(s.env.Now()) {
		m.Signing = append(m.Signing, k.cert)
	}
	id, err := guid.New(s.env.Rand)
	var body []byte
	if err == nil {
		body, err = m.Marshal("_"+id.String(), s.keys[0].key)
	}
	if err != nil {
		s.refusal(r.Context(), err)
		http.Error(w, "The service cannot describe itself.", http.StatusInternalServerError)
		return
	}
	reply(w, http.StatusOK, typeXML, body)
}

// trust answers a request for a security token. windows says that the transport
// tells who asks.
func (s *server) trust(w http.ResponseWriter, r *http.Request, v wstrust.Version, windows bool) {
	ctx := r.Context()
	req, err := readTrust(w, r)
	if err != nil {
		var f *soap.Fault
		if !errors.As(err, &f) {
			http.Error(w, "The request is no message of SOAP 1.2.", http.StatusBadRequest)
			return
		}
		s.fault(ctx, w, f)
		return
	}
	var a *farm.Account
	var p *farm.Proof
	switch {
	case req.Version != v:
		s.fault(ctx, w, req.NewFault(wstrust.InvalidRequest, "The request is of another edition than the endpoint."))
		return
	case windows:
		if a, err = s.negotiate(w.Header(), r); err == nil && a == nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if err == nil {
			p = s.proofOf(a, oauthAMR(adfs.MethodWindows), adfs.MethodWindows)
		}
	default:
		if err = s.timely(req); err == nil {
			if a, err = s.password(ctx, req.Username, req.Password); err == nil {
				p = s.proofOf(a, oauthAMR(adfs.MethodPassword), adfs.MethodPassword)
			}
		}
	}
	if err != nil {
		s.fault(ctx, w, s.trustFault(ctx, req, err))
		return
	}
	s.step(ctx, peerOf(a), "first_factor_verified", "verifies who asks for a security token.", map[string]any{"account": a.Qualified(), "amr": p.AMR})
	body, err := s.issueTrust(ctx, req, a, p)
	if err != nil {
		s.fault(ctx, w, s.trustFault(ctx, req, err))
		return
	}
	reply(w, http.StatusOK, typeSOAP, body)
}

// peerOf guesses who asks for a security token, for the trace only.
func peerOf(a *farm.Account) event.Actor {
	if a.Computer {
		return event.Device
	}
	return event.CloudAP
}

func readTrust(w http.ResponseWriter, r *http.Request) (*wstrust.Request, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxTrust))
	if err != nil {
		return nil, err
	}
	return wstrust.ParseRequest(body)
}

// timely refuses a message whose timestamp is over or far ahead.
func (s *server) timely(req *wstrust.Request) error {
	now := s.env.Now()
	if !req.Created.IsZero() && req.Created.After(now.Add(krb.Skew)) || !req.Expires.IsZero() && now.After(req.Expires.Add(krb.Skew)) {
		return req.NewFault(wstrust.InvalidSecurity, "The timestamp of the message is not of now.")
	}
	return nil
}

func (s *server) issueTrust(ctx context.Context, req *wstrust.Request, a *farm.Account, p *farm.Proof) ([]byte, error) {
	tenants, err := s.tenants()
	if err != nil {
		return nil, err
	}
	if req.AppliesTo != saml.AudienceMicrosoftOnline || len(tenants) == 0 {
		return nil, req.NewFault(wstrust.InvalidScope, "%s", unknownRealm(req.AppliesTo).Error())
	}
	peer := peerOf(a)
	if !a.Computer {
		need, err := s.demandsFactor(ctx, peer, demand{}, p)
		if err != nil {
			return nil, err
		}
		if need {
			return nil, adfs.NewError(adfs.AccessDenied, adfs.CodeMethod, "The service demands a second factor, which a request by message cannot give.").WithHint("Sign in at the service's pages.")
		}
	}
	signed, issued, err := s.assertion(ctx, peer, a, p, req.AppliesTo)
	if err != nil {
		return nil, err
	}
	return (&wstrust.Response{Version: req.Version, RelatesTo: req.MessageID, AppliesTo: req.AppliesTo, Created: issued.NotBefore, Expires: issued.NotOnOrAfter, Assertion: signed}).Marshal(), nil
}

// trustFault makes any error one of WS-Trust. Why a sign-in failed is told as for
// OAuth 2.0.
func (s *server) trustFault(ctx context.Context, req *wstrust.Request, err error) *soap.Fault {
	var f *soap.Fault
	if errors.As(err, &f) {
		return f
	}
	e := s.refusal(ctx, err)
	s.refused(ctx, "sign_in_refused", e)
	if e.OAuth == adfs.ServerError {
		return req.NewFault(wstrust.RequestFailed, "%s", e.Error())
	}
	if e.Code == adfs.CodeCredentials {
		return req.NewFault(wstrust.FailedAuthentication, "ID3242: The security token could not be authenticated or authorized.")
	}
	return req.NewFault(wstrust.FailedAuthentication, "%s", e.Error())
}

// fault answers a fault: HTTP 500, as SOAP 1.2 wants for all but the sender's
// malformed messages.
func (s *server) fault(ctx context.Context, w http.ResponseWriter, f *soap.Fault) {
	s.emit(ctx, event.Event{Step: "security_token_refused", Text: f.Reason, Outcome: event.Refused, Reason: &event.Reason{Code: f.Subcode.Local, Sentence: f.Reason}})
	reply(w, http.StatusInternalServerError, typeSOAP, f.Marshal(wstrust.ActionFault))
}
