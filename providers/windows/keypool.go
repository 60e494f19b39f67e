package windows

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/web"
)

// The key pre-generation pool holds what must exist before a user is there
// (seed 003 (1)): a user key, RSA 2048, and its attestation. A key is made with
// the TPM, or when one was taken and the device has nothing else to do; it is
// attested as soon as the device has a certificate of its identity key.

// poolSize is how many keys lie ready at most: the next user's.
const poolSize = 1

// pooledKey is a user key without authorization value that nobody has.
type pooledKey struct {
	ksp.Key
	Attestation *attestation `json:"attestation,omitempty"`
}

// attestation is what the identity key said of a key, over a nonce of the
// registration service of a tenant. It is of use once.
type attestation struct {
	Tenant    string    `json:"tenant_id"`
	Nonce     string    `json:"nonce"`
	Made      time.Time `json:"made"`
	Attest    []byte    `json:"attest"` // TPMS_ATTEST
	Signature []byte    `json:"signature"`
}

// holds says whether the service of a tenant will take the attestation at now.
func (a *attestation) holds(tenant string, now time.Time) bool {
	return a != nil && a.Tenant == tenant && !now.Before(a.Made) && now.Before(a.Made.Add(attest.NonceLife))
}

// evidence is the attestation as it is registered.
func (m *machine) evidence(k ksp.Key, a *attestation) (*drs.KeyAttestation, error) {
	public, err := tpm.Public(k)
	if err != nil {
		return nil, err
	}
	statement := ngc.Statement{Attest: a.Attest, Signature: a.Signature, Public: public}
	return &drs.KeyAttestation{Statement: statement.Marshal(), Nonce: a.Nonce, AIKCertificates: m.rec.AIKChain}, nil
}

// poolKey names a key of the pool.
func poolKey(k ksp.Key) string {
	d := k.Digest()
	return hex.EncodeToString(d[:])
}

// takeUserKey takes a user key from the pool, or makes one when the pool is
// empty. The key is out of the pool before it is used.
func (m *machine) takeUserKey(ctx context.Context) (k pooledKey, pregenerated bool, err error) {
	err = m.env.Section.Record(ctx, func(w providers.Writer) error {
		k, pregenerated = pooledKey{}, false
		found := ""
		err := w.Scan(tablePool, "", func(key string, _ []byte) error {
			if found == "" {
				found = key
			}
			return nil
		})
		if err != nil || found == "" {
			return err
		}
		if k, pregenerated, err = load[pooledKey](w, tablePool, found); err != nil {
			return err
		}
		return w.Delete(tablePool, found)
	})
	if err != nil || pregenerated {
		return k, pregenerated, err
	}
	k.Key, err = m.ksp.CreateKey(ctx, ksp.UserSign, nil)
	return k, false, err
}

// poolLevel is how many user keys lie ready.
func (m *machine) poolLevel() (n int, err error) {
	err = m.env.Section.View(func(r providers.Reader) error {
		n = 0
		return r.Scan(tablePool, "", func(string, []byte) error { n++; return nil })
	})
	return n, err
}

// poolFiller puts keys and attestations into a device's pool.
type poolFiller struct {
	*machine
	trace  *trace
	http   *http.Client
	tenant spec.TenantOut
}

// attest gives every key of the pool an attestation that holds.
func (p *poolFiller) attest(ctx context.Context) error {
	if p.tenant.TenantID == "" { // AD FS takes no attestation
		return nil
	}
	keys := map[string]pooledKey{}
	err := p.env.Section.View(func(r providers.Reader) error {
		return r.Scan(tablePool, "", func(name string, _ []byte) error {
			k, _, err := load[pooledKey](r, tablePool, name)
			if !k.Attestation.holds(p.tenant.TenantID, p.env.Now()) {
				keys[name] = k
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	for name, k := range keys {
		if k.Attestation, err = p.certify(ctx, event.KeyPool, k.Key); err != nil {
			return err
		}
		err = p.env.Section.Record(ctx, func(w providers.Writer) error {
			if _, still, err := w.Get(tablePool, name); err != nil || !still { // somebody took it meanwhile
				return err
			}
			return put(w, tablePool, name, k)
		})
		if err != nil {
			return err
		}
		failpoint(p.env, "device:pool-attested")
	}
	return nil
}

// certify has the identity key speak for a key, over a nonce of the
// registration service that is asked for here.
func (p *poolFiller) certify(ctx context.Context, asker event.Actor, k ksp.Key) (*attestation, error) {
	p.trace.step(asker, event.DRS, https, "attestation_nonce_request", "The registration service is asked for a nonce to attest a key over.", nil)
	target := "https://" + p.tenant.RegistrationHost + drs.PathNonce + p.tenant.TenantID + "/"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	reply, err := web.Do(p.http, req)
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, drs.ParseError(reply.Status, reply.Body)
	}
	nonce, err := drs.ParseNonceReply(reply.Body)
	if err != nil {
		return nil, err
	}
	made := p.env.Now()
	said, err := p.tpm.Certify(ctx, k, p.rec.AIK, attest.ExtraData(nonce.Value))
	if err != nil {
		return nil, err
	}
	p.trace.step(event.TPM, asker, tpm20, "attestation", "The identity key certifies that the key was made in this TPM.",
		message{"command": "TPM2_Certify", "key": poolKey(k), "aik": poolKey(p.rec.AIK), "aik_certificates": len(p.rec.AIKChain)})
	return &attestation{Tenant: p.tenant.TenantID, Nonce: nonce.Value, Made: made, Attest: said.Attest, Signature: said.Signature}, nil
}

// refill puts a key and its attestation into the pool for the next user, if
// there is room. What was made stays when the rest fails.
func (p *poolFiller) refill(ctx context.Context) error {
	if n, err := p.poolLevel(); err != nil || n >= poolSize {
		return err
	}
	k, err := p.ksp.CreateKey(ctx, ksp.UserSign, nil)
	if err != nil {
		return err
	}
	err = p.env.Section.Record(ctx, func(w providers.Writer) error { return put(w, tablePool, poolKey(k), pooledKey{Key: k}) })
	if err != nil {
		return err
	}
	p.trace.step(event.KeyPool, keyHolder(p.machine), tpm20, "pool_refill", "The pool makes a key pair for the next user.", message{"key": poolKey(k)})
	return p.attest(ctx)
}
