package entra

import (
	"encoding/base64"
	"errors"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/web"
)

// computerOf returns the objectGUID of the computer that an assertion is about.
func computerOf(a *saml.Assertion) (string, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(a.Value(saml.ClaimObjectGUID))
	if err != nil || len(raw) != len(guid.GUID{}) || !domainSID.MatchString(a.Value(saml.ClaimPrimarySID)) {
		return "", oauth.NewError(oauth.SAMLTokenInvalid, "The SAML token is not valid: it does not say which computer it is about.")
	}
	if anchor := a.Value(saml.ClaimImmutableID); anchor != "" && anchor != a.Value(saml.ClaimObjectGUID) {
		return "", oauth.NewError(oauth.SAMLTokenInvalid, "The SAML token is not valid: it is about two objects.")
	}
	return guid.FromWindows([16]byte(raw)).String(), nil
}

// joinComputer registers a computer of a federated domain at once: its token
// says which one it is, so nobody needs to have synchronized it.
func (s *server) joinComputer(w http.ResponseWriter, r *http.Request, c *accessClaims) error {
	ctx := r.Context()
	body, err := readDRSBody(r)
	if err != nil {
		return err
	}
	req, err := drs.ParseJoinRequest(body)
	if err != nil {
		return invalid("The join request is malformed.")
	}
	if req.JoinType != drs.JoinHybrid {
		return invalid("Join type %d is not supported for a computer's token; %d joins a computer of a domain.", req.JoinType, drs.JoinHybrid)
	}
	asked, pub, err := s.newDevice(req, graph.TrustHybrid, "")
	if err != nil {
		return err
	}
	asked.DeviceID, asked.OnPremSID = c.ObjectGUID, c.PrimarySID
	der, err := s.deviceCertificate(asked, pub, guid.GUID{}.String())
	if err != nil {
		return err
	}
	asked.Thumbprint = drs.Thumbprint(der)
	d, created := asked, true
	err = s.env.Section.Update(ctx, func(w providers.Writer) error {
		known, err := deviceByDeviceID(w, asked.DeviceID)
		switch {
		case errors.Is(err, errNotFound):
			return putDevice(w, asked)
		case err != nil:
			return err
		case known.TrustType != graph.TrustHybrid || known.OnPremSID != c.PrimarySID:
			return drsRefusal(drs.AuthenticationError, http.StatusBadRequest, subcodeSID, "Remove the device object of that id.", "The verification of the target computer's SID failed.")
		case !known.Enabled:
			return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "device_disabled", "Set enabled_in_tenant of the device.", "The device is disabled.")
		}
		known.SPKI, known.TransportKey, known.Thumbprint, known.Registered = asked.SPKI, asked.TransportKey, asked.Thumbprint, asked.Registered
		known.OS, known.OSVersion = asked.OS, asked.OSVersion
		d, created = known, false
		return putDevice(w, known)
	})
	if err != nil {
		return err
	}
	s.step(ctx, event.DRS, event.Device, "device_registered", "The registration service creates the device object of the computer and its certificate.", map[string]any{
		"device_id": d.DeviceID, "name": d.DisplayName, "trust_type": d.TrustType, "sid": d.OnPremSID, "certificate": d.Thumbprint, "transport_key": keyDigest(d.TransportKey), "created": created})
	var answer drs.JoinReply
	answer.Certificate.Thumbprint, answer.Certificate.RawBody = d.Thumbprint, der
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}
