package windows

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/adfs"
)

// Held is something a device keeps that a person may want to look into.
// Private keys are not among it: they are in the TPM, or sealed.
type Held struct {
	Name string // "device certificate"
	User string // whose it is; "" for the device's own
	Data []byte // DER of certificates, the text of a token
	// Of a token that nobody but its issuer reads: who that is, and its life.
	Issuer            string
	Obtained, Expires time.Time
}

// Held returns the certificates of a device and of its users, and the primary refresh tokens in
// LSASS's cache, whose session keys stay with the key provider.
func (w *Windows) Held(env providers.Env, device string) ([]Held, error) {
	rec, ok, err := view[machineRecord](env.Section, tableMachine, "record")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", device, err)
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", device, errNotInstalled)
	}
	var all []Held
	if r := rec.Registration; r != nil {
		all = append(all, Held{Name: "device certificate", Data: r.Certificate})
	}
	if r := rec.Enterprise; r != nil {
		all = append(all, Held{Name: "device certificate of AD FS", Data: r.Certificate})
	}
	if len(rec.EKChain) > 0 {
		all = append(all, Held{Name: "EK certificate", Data: rec.EKChain[0]})
	}
	if len(rec.AIKChain) > 0 {
		all = append(all, Held{Name: "AIK certificate", Data: rec.AIKChain[0]})
	}
	err = env.Section.View(func(r providers.Reader) error {
		if err := r.Scan(tablePersonal, "", func(key string, _ []byte) error {
			c, _, err := load[storedCertificate](r, tablePersonal, key)
			if err != nil {
				return err
			}
			chain, err := c.certificates()
			if err != nil {
				return err
			}
			sid, _, _ := strings.Cut(key, "|")
			all = append(all, Held{Name: strings.ReplaceAll(c.Purpose, "_", "-") + " certificate", User: cmp.Or(kerberos.UPNIn(chain[0]), sid), Data: chain[0].Raw})
			return nil
		}); err != nil {
			return err
		}
		if err := r.Scan(tableEnterprise, "", func(key string, _ []byte) error {
			t, _, err := load[prtRecord](r, tableEnterprise, key)
			if err == nil {
				_, credential, _ := strings.Cut(key, "|")
				all = append(all, Held{Name: "enterprise primary refresh token by " + credential, User: t.UPN, Data: []byte(t.Token),
					Issuer: adfs.Issuer(t.Tenant), Obtained: t.Obtained, Expires: t.Expires})
			}
			return err
		}); err != nil {
			return err
		}
		return r.Scan(tablePRT, "", func(key string, _ []byte) error {
			t, _, err := load[prtRecord](r, tablePRT, key)
			if err == nil {
				_, credential, _ := strings.Cut(key, "|")
				all = append(all, Held{Name: "primary refresh token by " + credential, User: t.UPN, Data: []byte(t.Token)})
			}
			return err
		})
	})
	return all, err
}
