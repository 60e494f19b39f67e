package ca

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/sid"
)

// Revoke takes a certificate back from at on, which may lie in the past; a zero
// at is now. Relying parties learn of it with the next list (Publish). A
// certificate on hold may be revoked for good; one that is revoked stays so.
func (c *CA) Revoke(ctx context.Context, serial *big.Int, reason crl.Reason, at time.Time) error {
	if !reason.Known() || reason == crl.RemoveFromCRL {
		return refuse(CodeInvalidArgument, "There is no such reason for a revocation.")
	}
	if at.IsZero() {
		at = c.env.Now()
	}
	key := serialKey(serial)
	c.publishing.Lock() // the number of entries is that of the next list
	defer c.publishing.Unlock()
	err := c.env.Section.Update(ctx, func(w providers.Writer) error {
		about, err := find(w, key)
		switch {
		case err != nil:
			return err
		case about.Disposition == Revoked && about.Reason != crl.CertificateHold:
			return refuse(CodeBadRequestStatus, "The certificate is revoked already.")
		case about.Disposition != Revoked && about.Disposition != DispositionIssued:
			return refuse(CodeBadRequestStatus, "The certificate was never issued.")
		}
		if about.Disposition == DispositionIssued {
			n, err := counter(w, keyRevoked)
			if err != nil {
				return err
			}
			if n >= crl.MaxEntries {
				return refuse(CodeBadRequestStatus, "%d certificates are revoked: a revocation list holds no more.", n)
			}
			if err := put(w, tableCounters, keyRevoked, n+1); err != nil {
				return err
			}
		}
		return put(w, tableRevoked, key, revocation{At: at.UTC().Truncate(time.Second), Reason: reason, NotAfter: about.NotAfter})
	})
	return c.unknown(err, key)
}

// Unrevoke lets go of a certificate on hold. The next delta list says so, and
// the next base list has it no more.
func (c *CA) Unrevoke(ctx context.Context, serial *big.Int) error {
	key := serialKey(serial)
	c.publishing.Lock() // the number of entries is that of the next list
	defer c.publishing.Unlock()
	err := c.env.Section.Update(ctx, func(w providers.Writer) error {
		about, err := find(w, key)
		if err != nil {
			return err
		}
		if about.Disposition != Revoked || about.Reason != crl.CertificateHold {
			return refuse(CodeBadRequestStatus, "The certificate is not on hold.")
		}
		n, err := counter(w, keyRevoked)
		if err != nil {
			return err
		}
		return errors.Join(put(w, tableCounters, keyRevoked, max(n-1, 0)), w.Delete(tableRevoked, key))
	})
	return c.unknown(err, key)
}

func (c *CA) unknown(err error, serial string) error {
	if errors.Is(err, errNone) {
		return refuse(CodePropertyEmpty, "This CA issued no certificate %s.", serial)
	}
	return err
}

// revoked lists what stands revoked, certificates that ended before since left
// out: a list need not have them.
func revoked(r providers.Reader, since time.Time) ([]crl.Entry, error) {
	var out []crl.Entry
	err := r.Scan(tableRevoked, "", func(key string, value []byte) error {
		v, err := decode[revocation](value)
		if err != nil {
			return err
		}
		serial, ok := new(big.Int).SetString(key, 16)
		if !ok {
			return errors.New("stored serial number cannot be read")
		}
		if !v.NotAfter.Before(since) {
			out = append(out, crl.Entry{Serial: serial, At: v.At, Reason: v.Reason})
		}
		return nil
	})
	return out, err
}

func decode[T any](value []byte) (*T, error) {
	var v T
	if err := json.Unmarshal(value, &v); err != nil {
		return nil, errors.New("a stored row cannot be read")
	}
	return &v, nil
}

func parseSID(text string) (sid.SID, error) {
	if text == "" {
		return sid.SID{}, nil
	}
	return sid.Parse(text)
}
