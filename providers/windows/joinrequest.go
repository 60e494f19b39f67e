package windows

import (
	"context"
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/drs"
)

// What a join out of the box and the completion of a hybrid join have in common
// (MS-DVRJ 3.1): the keys that the device registers, and what comes back.

// joinKeys are the device key, as a certificate request, and the transport key.
func (r *registering) joinKeys(ctx context.Context) (drs.CertificateRequest, []byte, error) {
	key, err := r.deviceSigner(ctx)
	if err != nil {
		return drs.CertificateRequest{}, nil, err
	}
	csr, err := drs.NewCSR(r.env.Rand, key)
	if err != nil {
		return drs.CertificateRequest{}, nil, fmt.Errorf("certificate request: %w", err)
	}
	transport, err := r.transportBlob()
	return drs.CertificateRequest{Type: "pkcs10", Data: csr}, transport, err
}

func joinAttributes() map[string]any {
	return map[string]any{"ReuseDevice": "true", "ReturnClientSid": "true"}
}

// asked tells that the request goes out, with the keys in it.
func (r *registering) asked(text string, m message) { r.askedOf(event.DRS, text, m) }

func (r *registering) askedOf(service event.Actor, text string, m message) {
	m["device_key"], m["transport_key"], m["storage"] = poolKey(r.rec.DeviceKey), poolKey(r.rec.TransportKey), string(r.rec.Storage)
	r.trace.step(event.Device, service, https, "join_request", text, m)
}

// accept takes the device certificate, which must be for the device key, and for
// the computer that asked. With it goes what also writes.
func (r *registering) accept(ctx context.Context, joined *drs.JoinReply, also func(providers.Writer) error) (err error) {
	if r.rec.Registration, err = r.registrationOf(joined.Certificate.RawBody); err != nil {
		return err
	}
	if m := r.rec.Member; m != nil && r.rec.Registration.DeviceID != m.ObjectGUID {
		return errors.New("device certificate: it is for another computer")
	}
	if r.personal() {
		r.rec.Registration.Account = r.joiner.sid
	}
	r.rec.Joining = ""
	err = r.env.Section.Update(ctx, func(w providers.Writer) error { return errors.Join(r.putRecord(w), also(w)) })
	if err != nil {
		return err
	}
	failpoint(r.env, "device:joined")
	r.trace.step(event.Device, keyHolder(r.machine), local, "join_reply", "The device keeps the certificate that came back for its device key.",
		message{"device_id": r.rec.Registration.DeviceID, "thumbprint": r.rec.Registration.Thumbprint})
	return nil
}
