package windows

import (
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/domainjoin"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/position"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
)

// machineRecord is what an installed device keeps of itself.
type machineRecord struct {
	MachineID string      `json:"machine_id"` // GUID of the installation
	Name      string      `json:"name"`
	Storage   ksp.Storage `json:"storage"`

	MachineKey []byte   `json:"machine_key,omitempty"` // software provider only
	EK         []byte   `json:"ek,omitempty"`          // TPM2B_PUBLIC
	EKChain    [][]byte `json:"ek_chain,omitempty"`    // DER, leaf first
	AIK        ksp.Key  `json:"aik,omitzero"`
	AIKChain   [][]byte `json:"aik_chain,omitempty"` // DER, leaf first; empty until enrolled

	DeviceKey    ksp.Key `json:"device_key"`
	TransportKey ksp.Key `json:"transport_key"`

	// Joining is set before the join request and cleared with its reply: a
	// crash in between leaves a device object that nobody knows the id of.
	Joining      string        `json:"joining,omitempty"` // tenant id
	Registration *registration `json:"registration,omitempty"`

	// With the registration service of AD FS, of a computer that is in no tenant.
	Enterprise *registration `json:"enterprise,omitempty"`

	// Of a computer of a domain: its account there.
	Member *domainjoin.Joined `json:"member,omitempty"`

	TenantWide string `json:"tenant_wide,omitempty"` // policy of its enrollment, as package hello reads it

	// Of a personal device: what kind of account unlocks it, as in spec.Device, and its SID.
	Unlock string `json:"unlock,omitempty"`
	Owner  string `json:"owner,omitempty"`
}

// registration is what a registration service gave the device: a tenant's, or
// that of AD FS.
type registration struct {
	TenantID    string `json:"tenant_id,omitempty"` // "" of AD FS
	STS         string `json:"sts,omitempty"`       // of AD FS: host of its token service
	DeviceID    string `json:"device_id"`
	ObjectID    string `json:"object_id"`
	JoinType    int    `json:"join_type"`
	Certificate []byte `json:"certificate"` // DER
	Thumbprint  string `json:"thumbprint"`
	Account     string `json:"account,omitempty"` // SID of the work account that registered a personal device
}

// machine is an installed device at work in one call of its kind.
type machine struct {
	w    *Windows
	env  providers.Env // section: the device's; network: as the device sees it
	desk providers.Env // the same with the lab's network: where its administrator sits
	addr string        // of the device
	in   spec.Device
	rec  machineRecord
	ksp  ksp.Provider
	tpm  *tpm.TPM // nil without a TPM

	guest string // SID of the further work account in whose place it acts; see as
}

// errNotInstalled says that the section holds no device yet.
var errNotInstalled = errors.New("the device is not installed")

// newMachine is a device before anything is known of it, where it is declared
// to be.
func (w *Windows) newMachine(env providers.Env, addr string, in spec.Device) *machine {
	m := &machine{w: w, env: env, desk: env, addr: addr, in: in}
	m.env.Network = position.Of(env, place(in, false))
	return m
}

// machine loads the device at addr, whose section env has.
func (w *Windows) machine(env providers.Env, addr string, in spec.Device) (*machine, error) {
	m := w.newMachine(env, addr, in)
	rec, ok, err := view[machineRecord](env.Section, tableMachine, "record")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", addr, errNotInstalled)
	}
	m.rec = rec
	if err := m.holdTunnel(); err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return m, m.openKSP()
}

func (m *machine) openKSP() error {
	if m.rec.Storage == ksp.TPM {
		if err := tpm.Available(m.addr); err != nil {
			return err
		}
		m.tpm = m.w.pool.TPM(m.addr, imageStore{m.env.Section}, m.env.Now)
		m.ksp = m.tpm
		return nil
	}
	s, err := ksp.NewSoftware(m.rec.MachineKey, m.env.Rand)
	if err != nil {
		return fmt.Errorf("%s: %w", m.addr, err)
	}
	m.ksp = s
	return nil
}

// identity is what the device proves itself with to its identity provider: the
// tenant, or AD FS where it is in none. nil: it is known to neither.
func (m *machine) identity() *registration {
	if m.rec.Registration != nil {
		return m.rec.Registration
	}
	return m.rec.Enterprise
}

// provider is what containers call the identity provider that registered the
// device: a tenant's id, or the host of AD FS.
func (r *registration) provider() string {
	if r == nil {
		return ""
	}
	return cmp.Or(r.TenantID, r.STS)
}

// keyName is what a user's key for the identity provider is called.
func (r *registration) keyName(upn string) string {
	if r.TenantID == "" {
		return r.STS + "/" + upn // ours; no document shows one
	}
	return "login.windows.net/" + r.TenantID + "/" + upn
}

// save keeps the record, as configuration.
func (m *machine) save(ctx context.Context) error {
	return m.env.Section.Update(ctx, m.putRecord)
}

// maker makes Hello containers on this device.
func (m *machine) maker() container.Maker {
	return container.Maker{Provider: m.ksp, Rand: m.env.Rand, NewGUID: m.newGUID}
}

func (m *machine) newGUID() string {
	g, err := guid.New(m.env.Rand)
	if err != nil {
		panic("windows: the random source fails: " + err.Error())
	}
	return g.String()
}

// deviceSigner is the device key, for the length of ctx.
func (m *machine) deviceSigner(ctx context.Context) (crypto.Signer, error) {
	return ksp.Signer(ctx, m.ksp, m.rec.DeviceKey, nil)
}

// client is an HTTPS client of the device, which keeps its connections. With
// asDevice it presents the device certificate to servers that ask, and the
// caller ends its connections.
func (m *machine) client(ctx context.Context, asDevice bool) (*http.Client, error) {
	if !asDevice {
		return m.w.lines.of(m.env, m.addr), nil
	}
	own := m.identity()
	if own == nil {
		return nil, refuse("device_not_joined", nil)
	}
	key, err := m.deviceSigner(ctx)
	if err != nil {
		return nil, err
	}
	return web.Client(m.env, tls.Certificate{
		Certificate:                  [][]byte{own.Certificate},
		PrivateKey:                   key,
		SupportedSignatureAlgorithms: []tls.SignatureScheme{tls.PSSWithSHA256, tls.PKCS1WithSHA256},
	}), nil
}

// osVersion is what a Windows release reports.
func osVersion(os string) string {
	switch os {
	case "windows-10-22h2":
		return "10.0.19045.5073"
	case "windows-11-23h2":
		return "10.0.22631.4460"
	default:
		return "10.0.26100.2314"
	}
}

// computerName is the device's name in the directory.
func computerName(in spec.Device, addr string) string { return hello.ComputerName(addr, in) }

// ekHash is the hex SHA-256 of the public endorsement key; empty without a TPM.
func (r machineRecord) ekHash() string {
	if len(r.EK) == 0 {
		return ""
	}
	sum := sha256.Sum256(r.EK)
	return hex.EncodeToString(sum[:])
}
