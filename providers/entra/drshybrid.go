package entra

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/web"
)

// Subcodes of a hybrid join that is refused. The first is the cloud's; the
// others are the lab's, under the cloud's error types.
const (
	subcodeMissingDevice      = "error_missing_device"
	subcodeMissingCertificate = "error_missing_user_certificate"
	subcodeSID                = "error_computer_sid"
	subcodeSignature          = "error_computer_signature"
	subcodeTime               = "error_computer_time"
)

// hybridJoin completes the registration of a computer: Connect made its device
// object, the computer proves by the key of its userCertificate that it is the
// one, and gets a device certificate as in any join.
func (s *server) hybridJoin(w http.ResponseWriter, r *http.Request, id string) error {
	ctx := r.Context()
	body, err := readDRSBody(r)
	if err != nil {
		return err
	}
	req, err := drs.ParseHybridRequest(body)
	if err != nil {
		return invalid("The join request is malformed.")
	}
	if req.JoinType != drs.JoinHybrid {
		return invalid("Join type %d is not supported here; %d joins a computer of a domain.", req.JoinType, drs.JoinHybrid)
	}
	if !strings.EqualFold(req.ServerAdJoinData.TargetDomainID, s.cfg.TenantID) {
		return invalid("The target domain id is not the tenant's.")
	}
	asked, pub, err := s.newDevice(req.AsJoin(), graph.TrustHybrid, "")
	if err != nil {
		return err
	}
	deviceID, err := guid.Parse(id)
	if err != nil {
		return invalid("The device id is not a GUID.")
	}
	asked.DeviceID = deviceID.String()
	// Looked at first, so that only a computer that proved itself costs a
	// certificate; and again in the transaction.
	err = s.env.Section.View(func(r providers.Reader) error {
		_, err := s.hybridDevice(r, asked.DeviceID, req.ServerAdJoinData.ClientIdentity)
		return err
	})
	if err != nil {
		return err
	}
	s.step(ctx, event.DRS, event.Device, "computer_verified", "The registration service verifies the computer's signature with the certificate that was synchronized, its identifier and the time.",
		map[string]any{"device_id": asked.DeviceID, "identity": req.ServerAdJoinData.ClientIdentity.Sid})
	der, err := s.deviceCertificate(asked, pub, guid.GUID{}.String())
	if err != nil {
		return err
	}
	var d *device
	err = s.env.Section.Update(ctx, func(w providers.Writer) error {
		if d, err = s.hybridDevice(w, asked.DeviceID, req.ServerAdJoinData.ClientIdentity); err != nil {
			return err
		}
		d.SPKI, d.TransportKey, d.Thumbprint, d.Registered = asked.SPKI, asked.TransportKey, drs.Thumbprint(der), s.env.Now()
		d.OS, d.OSVersion = asked.OS, asked.OSVersion // the name is the domain's
		return putDevice(w, d)
	})
	if err != nil {
		return err
	}
	s.step(ctx, event.DRS, event.Device, "device_registered", "The registration service completes the device object and creates the device's certificate.", map[string]any{
		"device_id": d.DeviceID, "name": d.DisplayName, "trust_type": d.TrustType, "sid": d.OnPremSID, "certificate": d.Thumbprint, "transport_key": keyDigest(d.TransportKey)})
	var answer drs.JoinReply
	answer.Certificate.Thumbprint, answer.Certificate.RawBody = d.Thumbprint, der
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// hybridDevice finds the device object of a computer that proves itself.
func (s *server) hybridDevice(r providers.Reader, deviceID string, who drs.ClientIdentity) (*device, error) {
	d, err := deviceByDeviceID(r, deviceID)
	if err == nil && (d.TrustType != graph.TrustHybrid || d.OnPrem == nil) {
		err = errNotFound
	}
	if errors.Is(err, errNotFound) {
		return nil, drsRefusal(drs.DirectoryError, http.StatusBadRequest, subcodeMissingDevice, "Run a synchronization cycle, and try again.",
			"The device object by the given id (%s) is not found.", deviceID)
	}
	if err != nil {
		return nil, err
	}
	if len(d.UserCertificates) == 0 {
		return nil, drsRefusal(drs.DirectoryError, http.StatusBadRequest, subcodeMissingCertificate, "Write userCertificate of the computer, and run a synchronization cycle.",
			"The public key user certificate is not found on the device object with id (%s).", deviceID)
	}
	if !d.Enabled {
		return nil, drsRefusal(drs.AuthorizationError, http.StatusForbidden, "device_disabled", "Set enabled_in_tenant of the device.", "The device is disabled.")
	}
	return d, s.verifyComputer(d, who)
}

// verifyComputer checks in this order: the form, the identifier, the signature,
// the time.
func (s *server) verifyComputer(d *device, who drs.ClientIdentity) error {
	refuse := func(subcode, hint, sentence string) error {
		return drsRefusal(drs.AuthenticationError, http.StatusBadRequest, subcode, hint, "%s", sentence)
	}
	computer, at, err := who.Parse()
	if err != nil {
		return invalid("The client identity is malformed: it is an identifier, a full stop and a time, signed.")
	}
	own, err := sid.Parse(d.OnPremSID)
	if err != nil || own != computer {
		return refuse(subcodeSID, "The computer was made anew in its domain: run a synchronization cycle.", "The verification of the target computer's SID failed.")
	}
	if !signedBy(d.UserCertificates, who) {
		return refuse(subcodeSignature, "The computer has another certificate by now than was synchronized: run a synchronization cycle.",
			"The verification of the target computer's SID failed: its signature is not by a synchronized certificate.")
	}
	if age := s.env.Now().Sub(at); age > maxSkew || age < -maxSkew {
		return refuse(subcodeTime, "Set the computer's clock.", "The verification of the target computer's SID failed: its time is not within five minutes of the service's.")
	}
	return nil
}

// signedBy says whether the key of one of the certificates made the signature.
// They are self-signed: that the domain holds them is all that vouches for them.
func signedBy(list [][]byte, who drs.ClientIdentity) bool {
	for _, der := range list {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		pub, ok := cert.PublicKey.(*rsa.PublicKey)
		if ok && pub.N.BitLen() >= 2048 && who.Verify(pub) == nil {
			return true
		}
	}
	return false
}
