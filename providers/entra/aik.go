package entra

import (
	"crypto/subtle"
	"io"
	"net/http"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/web"
)

// aikChallenge is the state of an enrolment between its two requests, sealed
// into the challenge.
type aikChallenge struct {
	DeviceID string `json:"device_id"`
	AIK      []byte `json:"aik"` // TPM2B_PUBLIC
	Secret   []byte `json:"secret"`
	Expires  int64  `json:"exp"`
}

const (
	aikChallengeLife = 5 * time.Minute
	aikLife          = 5 * 365 * 24 * time.Hour
)

// enrolAIK begins the enrolment of a device's attestation identity key: the
// endorsement key must be certified by the TPM vendor, and the secret of the
// answer comes out only in the TPM that has it, beside that AIK.
func (s *server) enrolAIK(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	dp, err := s.tlsDevice(r)
	if err != nil {
		return err
	}
	body, err := readDRSBody(r)
	if err != nil {
		return err
	}
	req, err := attest.ParseEnrolRequest(body)
	if err != nil {
		return invalid("The AIK enrolment is malformed.")
	}
	ek, err := attest.ParsePublic(req.EKPublic)
	if err != nil || ek.CheckEK() != nil {
		return invalid("The endorsement key is not a restricted decryption key of a TPM.")
	}
	aik, err := attest.ParsePublic(req.AIKPublic)
	if err != nil || aik.CheckAIK() != nil {
		return invalid("The attestation identity key is not a restricted signing key of a TPM.")
	}
	vendors, err := s.env.PKI.Roots(ctx, providers.TPMVendorRoot)
	if err != nil {
		return err
	}
	if _, err := attest.VerifyEK(req.EKCertificates, vendors, s.env.Now(), ek.Key()); err != nil {
		return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "ek_certificate", "", "The endorsement key is not certified by a TPM vendor.")
	}
	secret := make([]byte, attest.SecretSize)
	if _, err := io.ReadFull(s.env.Rand, secret); err != nil {
		return err
	}
	blob, encrypted, err := attest.MakeCredential(s.env.Rand, ek, aik, secret)
	if err != nil {
		return err
	}
	state, err := s.seal.Seal(purposeAIK, aikChallenge{DeviceID: dp.identity.DeviceID.String(), AIK: req.AIKPublic, Secret: secret, Expires: s.env.Now().Add(aikChallengeLife).Unix()})
	if err != nil {
		return err
	}
	s.step(ctx, event.DRS, event.TPM, "aik_challenged", "The registration service encrypts a secret to the endorsement key, bound to the AIK.", map[string]any{"device_id": dp.identity.DeviceID.String()})
	web.WriteJSON(w, http.StatusOK, attest.EnrolChallenge{CredentialBlob: blob, EncryptedSecret: encrypted, Context: state})
	return nil
}

// activateAIK ends the enrolment: who knows the secret has the TPM.
func (s *server) activateAIK(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	dp, err := s.tlsDevice(r)
	if err != nil {
		return err
	}
	body, err := readDRSBody(r)
	if err != nil {
		return err
	}
	req, err := attest.ParseActivateRequest(body)
	if err != nil {
		return invalid("The AIK activation is malformed.")
	}
	var c aikChallenge
	if s.seal.Open(purposeAIK, req.Context, &c) != nil || c.DeviceID != dp.identity.DeviceID.String() || s.env.Now().After(time.Unix(c.Expires, 0)) {
		return drsRefusal(drs.AuthenticationError, http.StatusForbidden, "aik_challenge", "Begin the enrolment anew.", "The challenge is not this device's or has expired.")
	}
	if subtle.ConstantTimeCompare(req.Secret, c.Secret) != 1 {
		return drsRefusal(drs.AuthenticationError, http.StatusForbidden, "aik_secret", "", "The secret is wrong: the TPM does not hold the endorsement key and the AIK.")
	}
	aik, err := attest.ParsePublic(c.AIK)
	if err != nil {
		return err
	}
	template, err := attest.AIKTemplate(attest.Simulator)
	if err != nil {
		return err
	}
	now := s.env.Now()
	template.NotBefore, template.NotAfter = now.Add(-backdate), now.Add(aikLife)
	der, err := s.keys.aikCA.issue(s.env.Rand, template, aik.Key())
	if err != nil {
		return err
	}
	err = s.env.Section.Record(ctx, func(w providers.Writer) error {
		return put(w, tableAIK, digestOf(der), aikRecord{DeviceID: c.DeviceID, Issued: now})
	})
	if err != nil {
		return err
	}
	s.step(ctx, event.DRS, event.Device, "aik_certificate_issued", "The registration service issues the AIK certificate.",
		map[string]any{"device_id": c.DeviceID, "certificate": drs.Thumbprint(der)})
	web.WriteJSON(w, http.StatusOK, attest.EnrolReply{Certificates: [][]byte{der}})
	return nil
}
