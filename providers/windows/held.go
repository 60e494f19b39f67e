package windows

import (
	"fmt"
	"strings"

	"hellolab/providers"
)

// Held is something a device keeps that a person may want to look into.
// Private keys are not among it: they are in the TPM, or sealed.
type Held struct {
	Name string // "device certificate"
	User string // whose it is; "" for the device's own
	Data []byte // DER of certificates, the text of a token
}

// Held returns the certificates of a device and the primary refresh tokens in
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
	if len(rec.EKChain) > 0 {
		all = append(all, Held{Name: "EK certificate", Data: rec.EKChain[0]})
	}
	if len(rec.AIKChain) > 0 {
		all = append(all, Held{Name: "AIK certificate", Data: rec.AIKChain[0]})
	}
	err = env.Section.View(func(r providers.Reader) error {
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
