package tpm

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"hellolab/providers/windows/ksp"
)

var _ ksp.Provider = (*TPM)(nil)

// parent is the storage root key of the resident TPM.
type parent struct {
	name   tpm2.TPM2BName
	public tpm2.TPMTPublic
}

func (s *session) parent() (*parent, error) {
	if s.w.srk != nil {
		return s.w.srk, nil
	}
	rsp, err := tpm2.ReadPublic{ObjectHandle: srkHandle}.Execute(s)
	if err != nil {
		return nil, fmt.Errorf("read storage root key: %w", err)
	}
	pub, err := rsp.OutPublic.Contents()
	if err != nil {
		return nil, fmt.Errorf("read storage root key: %w", err)
	}
	s.w.srk = &parent{rsp.Name, *pub}
	return s.w.srk, nil
}

func (p *parent) handle() tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: srkHandle, Name: p.name, Auth: tpm2.PasswordAuth(nil)}
}

// authValue makes a TPM authorization value of a caller's: 24 bytes of its
// SHA-256 as 32 characters. A TPM takes at most 32 bytes and cuts trailing
// zeros off, so a value holds none.
func authValue(auth []byte) []byte {
	if auth == nil {
		return nil
	}
	sum := sha256.Sum256(auth)
	return base64.RawURLEncoding.AppendEncode(nil, sum[:24])
}

// loaded is an object in one of the three slots.
type loaded struct {
	s      *session
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
}

func (l *loaded) auth(a tpm2.Session) tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: l.handle, Name: l.name, Auth: a}
}

// A blob is TPM2B_PUBLIC followed by TPM2B_PRIVATE, each with its own
// two-byte big-endian length.
func joinBlob(public, private []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(public)))
	b = append(b, public...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(private)))
	return append(b, private...)
}

var errBlob = errors.New("TPM key blob is damaged")

func splitBlob(b []byte) (public, private []byte, err error) {
	next := func() []byte {
		if err != nil || len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			err = errBlob
			return nil
		}
		n := int(binary.BigEndian.Uint16(b))
		part := b[2 : 2+n]
		b = b[2+n:]
		return part
	}
	public, private = next(), next()
	if err == nil && len(b) != 0 {
		err = errBlob
	}
	return public, private, err
}

// Public returns the TPM2B_PUBLIC of a key, which its name and its attestation are about.
func Public(k ksp.Key) ([]byte, error) {
	if k.Storage != ksp.TPM {
		return nil, fmt.Errorf("a %s key has no TPM public area", k.Storage)
	}
	public, _, err := splitBlob(k.Blob)
	return sized(public), err
}

// sized puts the two-byte size of a TPM2B in front.
func sized(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// create makes an object. sensitive is nil for a key without authorization value.
func (s *session) create(tpl tpm2.TPMTPublic, sensitive *tpm2.TPMSSensitiveCreate) (public, private []byte, err error) {
	if sensitive == nil {
		public, private, err = s.createOpen(tpl)
	} else {
		public, private, err = s.createSecret(tpl, sensitive)
	}
	if err == nil && tpl.Type == tpm2.TPMAlgRSA {
		s.w.keys.Add(1)
	}
	return public, private, err
}

// createSecret goes through the channel: an authorization value, or data, is in
// the request.
func (s *session) createSecret(tpl tpm2.TPMTPublic, sensitive *tpm2.TPMSSensitiveCreate) (public, private []byte, err error) {
	p, err := s.parent()
	if err != nil {
		return nil, nil, err
	}
	h := p.handle()
	h.Auth = s.cover(request)
	rsp, err := tpm2.Create{
		ParentHandle: h,
		InSensitive:  tpm2.TPM2BSensitiveCreate{Sensitive: sensitive},
		InPublic:     tpm2.New2B(tpl),
	}.Execute(s)
	if err != nil {
		return nil, nil, err
	}
	return rsp.OutPublic.Bytes(), rsp.OutPrivate.Buffer, nil
}

func (s *session) createKey(use ksp.Use, auth []byte) (ksp.Key, error) {
	tpl, ok := template(use, auth != nil)
	if !ok {
		return ksp.Key{}, fmt.Errorf("no TPM template for use %q", use)
	}
	return s.createFrom(tpl, use, auth)
}

func (s *session) createFrom(tpl tpm2.TPMTPublic, use ksp.Use, auth []byte) (ksp.Key, error) {
	var sensitive *tpm2.TPMSSensitiveCreate
	if auth != nil {
		sensitive = &tpm2.TPMSSensitiveCreate{UserAuth: tpm2.TPM2BAuth{Buffer: authValue(auth)}}
	}
	public, private, err := s.create(tpl, sensitive)
	if err != nil {
		return ksp.Key{}, fmt.Errorf("create %s key: %w", use, err)
	}
	return newKey(use, public, private)
}

func newKey(use ksp.Use, public, private []byte) (ksp.Key, error) {
	spki, err := subjectPublicKeyInfo(public)
	if err != nil {
		return ksp.Key{}, err
	}
	return ksp.Key{Storage: ksp.TPM, Use: use, Public: spki, Blob: joinBlob(public, private)}, nil
}

func subjectPublicKeyInfo(tpmt []byte) ([]byte, error) {
	area, err := tpm2.Unmarshal[tpm2.TPMTPublic](tpmt)
	if err != nil {
		return nil, fmt.Errorf("public area: %w", err)
	}
	pub, err := tpm2.Pub(*area)
	if err != nil {
		return nil, fmt.Errorf("public area: %w", err)
	}
	return x509.MarshalPKIXPublicKey(pub)
}

// CreateKey implements ksp.Provider. RSA keys take 26 ms of a worker.
func (t *TPM) CreateKey(ctx context.Context, use ksp.Use, auth []byte) (k ksp.Key, err error) {
	err = t.run(ctx, func(s *session) error {
		k, err = s.createKey(use, auth)
		return translate(err)
	})
	return k, err
}

// with loads a blob for fn.
func (t *TPM) with(ctx context.Context, storage ksp.Storage, blob []byte, fn func(*session, *loaded) error) error {
	if storage != ksp.TPM {
		return fmt.Errorf("%w: it is a %s key", ksp.ErrForeignKey, storage)
	}
	return t.run(ctx, func(s *session) error {
		l, err := s.load(blob)
		if err != nil {
			return translate(err)
		}
		defer l.flush()
		return translate(fn(s, l))
	})
}

// ChangeAuth implements ksp.Provider (TPM2_ObjectChangeAuth).
func (t *TPM) ChangeAuth(ctx context.Context, k ksp.Key, old, auth []byte) (changed ksp.Key, err error) {
	err = t.with(ctx, k.Storage, k.Blob, func(s *session, l *loaded) error {
		p, err := s.parent()
		if err != nil {
			return err
		}
		a := s.cover(request)
		if old != nil {
			a = s.prove(old, request)
		}
		rsp, err := tpm2.ObjectChangeAuth{
			ObjectHandle: l.auth(a),
			ParentHandle: tpm2.NamedHandle{Handle: srkHandle, Name: p.name},
			NewAuth:      tpm2.TPM2BAuth{Buffer: authValue(auth)},
		}.Execute(s)
		if err != nil {
			return err
		}
		public, _, err := splitBlob(k.Blob)
		if err != nil {
			return err
		}
		changed = k
		changed.Blob = joinBlob(public, rsp.OutPrivate.Buffer)
		return nil
	})
	return changed, err
}

// Export implements ksp.Provider by asking the TPM: a key that is fixed to its
// TPM and parent has no policy that TPM2_Duplicate would take.
func (t *TPM) Export(ctx context.Context, k ksp.Key) error {
	return t.with(ctx, k.Storage, k.Blob, func(s *session, l *loaded) error {
		_, err := tpm2.Duplicate{
			ObjectHandle:    l.auth(tpm2.Policy(tpm2.TPMAlgSHA256, 16, duplicateBranch)),
			NewParentHandle: tpm2.TPMRHNull,
			Symmetric:       tpm2.TPMTSymDef{Algorithm: tpm2.TPMAlgNull},
		}.Execute(s)
		if err == nil {
			return errors.New("the TPM gave a private key out")
		}
		return fmt.Errorf("%w: %w", ksp.ErrNotExportable, err)
	})
}

func duplicateBranch(t transport.TPM, h tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
	_, err := tpm2.PolicyCommandCode{PolicySession: h, Code: tpm2.TPMCCDuplicate}.Execute(t)
	return err
}

// SignSHA256 implements ksp.Provider.
func (t *TPM) SignSHA256(ctx context.Context, k ksp.Key, auth []byte, pad ksp.Padding, digest [sha256.Size]byte) (sig []byte, err error) {
	err = t.with(ctx, k.Storage, k.Blob, func(s *session, l *loaded) error {
		scheme := tpm2.TPMAlgRSASSA
		if pad == ksp.PSS {
			scheme = tpm2.TPMAlgRSAPSS
		}
		rsp, err := tpm2.Sign{
			KeyHandle: l.auth(s.prove(auth, request)),
			Digest:    tpm2.TPM2BDigest{Buffer: digest[:]},
			InScheme: tpm2.TPMTSigScheme{
				Scheme:  scheme,
				Details: tpm2.NewTPMUSigScheme(scheme, &tpm2.TPMSSchemeHash{HashAlg: tpm2.TPMAlgSHA256}),
			},
			Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
		}.Execute(s)
		if err != nil {
			return err
		}
		if pad == ksp.PSS {
			r, err := rsp.Signature.Signature.RSAPSS()
			if err != nil {
				return err
			}
			sig = r.Sig.Buffer
			return nil
		}
		r, err := rsp.Signature.Signature.RSASSA()
		if err != nil {
			return err
		}
		sig = r.Sig.Buffer
		return nil
	})
	return sig, err
}

// DecryptOAEP implements ksp.Provider (TPM2_RSA_Decrypt).
func (t *TPM) DecryptOAEP(ctx context.Context, k ksp.Key, ciphertext []byte) (plain []byte, err error) {
	err = t.with(ctx, k.Storage, k.Blob, func(s *session, l *loaded) error {
		rsp, err := tpm2.RSADecrypt{
			KeyHandle:  l.auth(s.cover(response)),
			CipherText: tpm2.TPM2BPublicKeyRSA{Buffer: ciphertext},
			InScheme: tpm2.TPMTRSADecrypt{
				Scheme:  tpm2.TPMAlgOAEP,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgOAEP, &tpm2.TPMSEncSchemeOAEP{HashAlg: tpm2.TPMAlgSHA1}),
			},
		}.Execute(s)
		if errors.Is(err, tpm2.TPMRCValue) || errors.Is(err, tpm2.TPMRCSize) { // padding, or length
			return ksp.ErrDecrypt
		}
		if err != nil {
			return err
		}
		plain = rsp.Message.Buffer
		return nil
	})
	return plain, err
}

// Agree implements ksp.Provider (TPM2_ECDH_ZGen).
func (t *TPM) Agree(ctx context.Context, k ksp.Key, auth, point []byte) (x []byte, err error) {
	if len(point) != 65 || point[0] != 4 {
		return nil, errors.New("not an uncompressed P-256 point")
	}
	err = t.with(ctx, k.Storage, k.Blob, func(s *session, l *loaded) error {
		rsp, err := tpm2.ECDHZGen{
			KeyHandle: l.auth(s.prove(auth, response)),
			InPoint: tpm2.New2B(tpm2.TPMSECCPoint{
				X: tpm2.TPM2BECCParameter{Buffer: point[1:33]},
				Y: tpm2.TPM2BECCParameter{Buffer: point[33:]},
			}),
		}.Execute(s)
		if err != nil {
			return err
		}
		out, err := rsp.OutPoint.Contents()
		if err != nil {
			return err
		}
		x = make([]byte, 32)
		copy(x[32-len(out.X.Buffer):], out.X.Buffer)
		return nil
	})
	return x, err
}

// Seal implements ksp.Provider. Wrong tries to unseal count towards the lockout.
func (t *TPM) Seal(ctx context.Context, data, auth []byte) (sealed ksp.Sealed, err error) {
	if auth == nil {
		return ksp.Sealed{}, errors.New("sealing needs an authorization value")
	}
	return t.keep(ctx, sealTemplate(true), data, auth)
}

// SealToMachine implements ksp.Provider. The object has no authorization value and
// is outside the lockout, so that wrong PINs keep nobody from it.
func (t *TPM) SealToMachine(ctx context.Context, data []byte) (ksp.Sealed, error) {
	return t.keep(ctx, sealTemplate(false), data, nil)
}

// UnsealFromMachine implements ksp.Provider. What comes back is encrypted on its way.
// That the TPM does not take an object tells that it was changed.
func (t *TPM) UnsealFromMachine(ctx context.Context, sealed ksp.Sealed) (data []byte, err error) {
	err = t.with(ctx, sealed.Storage, sealed.Blob, func(s *session, l *loaded) error {
		data, err = unseal(l, s.cover(response))
		return err
	})
	if of := (tpm2.TPMFmt1Error{}); errors.As(err, &of) || errors.Is(err, errBlob) {
		err = fmt.Errorf("%w: %w", ksp.ErrForeignKey, err)
	}
	return data, err
}

func unseal(l *loaded, a tpm2.Session) ([]byte, error) {
	rsp, err := tpm2.Unseal{ItemHandle: l.auth(a)}.Execute(l.s)
	if err != nil {
		return nil, err
	}
	return rsp.OutData.Buffer, nil
}

// ImportHMAC implements ksp.Provider. The key came in the clear and is in the
// TPM from here on.
func (t *TPM) ImportHMAC(ctx context.Context, secret []byte) (ksp.Sealed, error) {
	return t.keep(ctx, hmacTemplate(), secret, nil)
}

func (t *TPM) keep(ctx context.Context, tpl tpm2.TPMTPublic, data, auth []byte) (sealed ksp.Sealed, err error) {
	err = t.run(ctx, func(s *session) error {
		public, private, err := s.create(tpl, &tpm2.TPMSSensitiveCreate{
			UserAuth: tpm2.TPM2BAuth{Buffer: authValue(auth)},
			Data:     tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: data}),
		})
		if err != nil {
			return translate(err)
		}
		sealed = ksp.Sealed{Storage: ksp.TPM, Blob: joinBlob(public, private)}
		return nil
	})
	return sealed, err
}

// Unseal implements ksp.Provider.
func (t *TPM) Unseal(ctx context.Context, sealed ksp.Sealed, auth []byte) (data []byte, err error) {
	err = t.with(ctx, sealed.Storage, sealed.Blob, func(s *session, l *loaded) error {
		data, err = unseal(l, s.prove(auth, response))
		return err
	})
	return data, err
}

// HMAC implements ksp.Provider.
func (t *TPM) HMAC(ctx context.Context, k ksp.Sealed, data []byte) (mac []byte, err error) {
	err = t.with(ctx, k.Storage, k.Blob, func(s *session, l *loaded) error {
		rsp, err := tpm2.Hmac{
			Handle:  l.auth(s.cover(response)),
			Buffer:  tpm2.TPM2BMaxBuffer{Buffer: data},
			HashAlg: tpm2.TPMAlgSHA256,
		}.Execute(s)
		if err != nil {
			return err
		}
		mac = rsp.OutHMAC.Buffer
		return nil
	})
	return mac, err
}
