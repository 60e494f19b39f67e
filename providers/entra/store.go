package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/guid"
)

// Tables of a tenant's section. Values are JSON.
const (
	tableTenant    = "tenant"    // "config" → config, "keys" → keyRing
	tableUsers     = "users"     // object id → user
	tableUPN       = "upn"       // lower-case UPN → object id
	tableGroups    = "groups"    // object id → group
	tableMembers   = "members"   // group id "/" member id → kind of the member
	tableMemberOf  = "memberof"  // member id "/" group id
	tableDevices   = "devices"   // object id → device
	tableDeviceID  = "deviceid"  // device id → object id
	tableOwned     = "owned"     // object id of the owner "/" object id of the device
	tableHelloKeys = "hellokeys" // key identifier → user's object id
	tableAIK       = "aik"       // SHA-256 of an AIK certificate → aikRecord
	tableKerberos  = "kerberos"  // DNS name of a domain → kerberosServer

	// What is not configuration (Section.Record).
	tableUsed        = "used"        // expiry "/" digest: nonces, codes, page states
	tableFamilies    = "families"    // family → familyState
	tableDeviceCodes = "devicecodes" // user code → deviceCode
	tableGuesses     = "guesses"     // who "/" from where → guesses
	tableOATH        = "oath"        // object id → steps whose codes were used
	tablePushed      = "pushed"      // object id → notifications of the user's phone
)

// errNotFound says that a table has no such key.
var errNotFound = errors.New("not found")

// config is the tenant itself.
type config struct {
	TenantID      string    `json:"tenant_id"`
	Name          string    `json:"name"`
	Label         string    `json:"label"`   // first domain at creation: the hosts are named after it, for life
	Domains       []string  `json:"domains"` // lower case
	Written       []string  `json:"written"` // as the author spells them
	Attestation   string    `json:"attestation"`
	DeviceQuota   int       `json:"device_quota,omitempty"`  // devices of one owner; absent: defaultDeviceQuota
	MFA           string    `json:"mfa"`                     // provider of second factors: mfaBuiltin or mfaThirdParty
	FederatedMFA  string    `json:"federated_mfa,omitempty"` // spec.TenantMFA.Federated
	HasMFA        bool      `json:"has_mfa"`                 // whether the author wrote the block
	Lifetimes     lifetimes `json:"lifetimes"`
	HasLifetimes  bool      `json:"has_lifetimes"` // whether the author wrote them
	ReplyCipher   string    `json:"reply_cipher,omitempty"`
	Federation    string    `json:"federation,omitempty"` // address of the service that all domains are federated with; empty: managed
	AdminClientID string    `json:"admin_client_id"`
	AdminSecret   string    `json:"admin_secret"`
	Created       time.Time `json:"created"`
}

type lifetimes struct {
	Nonce       time.Duration `json:"nonce"`
	MFA         time.Duration `json:"mfa"`
	AccessToken time.Duration `json:"access_token"`
	PRT         time.Duration `json:"prt"`
	PRTRenewal  time.Duration `json:"prt_renewal"`
}

// user is an account.
type user struct {
	ID                string       `json:"id"`
	UPN               string       `json:"upn"`
	DisplayName       string       `json:"display_name"`
	MailNickname      string       `json:"mail_nickname,omitempty"`
	Enabled           bool         `json:"enabled"`
	Password          *verifier    `json:"password,omitempty"`
	PasswordChanged   time.Time    `json:"password_changed,omitzero"`
	SessionsValidFrom time.Time    `json:"sessions_valid_from,omitzero"`
	Created           time.Time    `json:"created"`
	OnPremSID         string       `json:"onprem_sid,omitempty"`   // of a synchronized user
	OnPrem            *onPremises  `json:"onprem,omitempty"`       // nil: the account is the tenant's alone
	ImmutableID       string       `json:"immutable_id,omitempty"` // of an account that is not synchronized: what its federation service calls it
	OATH              []oathMethod `json:"oath,omitempty"`
	Phone             *phoneApp    `json:"phone,omitempty"`
	HelloKeys         []helloKey   `json:"hello_keys,omitempty"` // searchableDeviceKey
	Risk              string       `json:"risk,omitempty"`       // one of riskLevels
	RiskUpdated       time.Time    `json:"risk_updated,omitzero"`
}

// oathMethod is an authenticator app that shows codes.
type oathMethod struct {
	ID      string    `json:"id"`
	Secret  []byte    `json:"secret"`
	Created time.Time `json:"created"`
}

// phoneApp is Microsoft Authenticator: it shows codes, too, and takes
// notifications.
type phoneApp struct {
	oathMethod
	Key []byte `json:"key"` // the secret that its answers are proved with
}

// helloKey is one value of searchableDeviceKey.
type helloKey struct {
	ID       string    `json:"id"`
	KeyID    string    `json:"key_id"` // ngc.KeyID of Blob
	Blob     []byte    `json:"blob"`
	DeviceID string    `json:"device_id"`
	Created  time.Time `json:"created"`
	Attested bool      `json:"attested"`
}

// hasMFA says whether the user has a second factor registered.
func (u *user) hasMFA() bool { return len(u.OATH) > 0 || u.Phone != nil }

// codes are the apps that show codes.
func (u *user) codes() []oathMethod {
	if u.Phone == nil {
		return u.OATH
	}
	return append(slices.Clone(u.OATH), u.Phone.oathMethod)
}

// helloKey finds a key by its identifier.
func (u *user) helloKey(keyID string) (*helloKey, bool) {
	for i := range u.HelloKeys {
		if u.HelloKeys[i].KeyID == keyID {
			return &u.HelloKeys[i], true
		}
	}
	return nil, false
}

// group is a security group.
type group struct {
	ID           string    `json:"id"`
	DisplayName  string    `json:"display_name"`
	MailNickname string    `json:"mail_nickname,omitempty"`
	Created      time.Time `json:"created"`

	OnPremSID string      `json:"onprem_sid,omitempty"`
	OnPrem    *onPremises `json:"onprem,omitempty"`
}

// device is a registered device, or a computer of a domain that Connect made
// known and that has not registered yet: pending.
type device struct {
	ID           string    `json:"id"`        // object id
	DeviceID     string    `json:"device_id"` // what keys and certificates refer to
	DisplayName  string    `json:"display_name"`
	Enabled      bool      `json:"enabled"`
	OS           string    `json:"os"`
	OSVersion    string    `json:"os_version"`
	TrustType    string    `json:"trust_type"`
	Owner        string    `json:"owner"` // object id of the user who joined it, or whose work account registered it
	Thumbprint   string    `json:"thumbprint"`
	SPKI         []byte    `json:"spki"`          // public device key, PKIX
	TransportKey []byte    `json:"transport_key"` // CNG blob
	Registered   time.Time `json:"registered"`
	Managed      bool      `json:"managed,omitempty"`   // by device management, which says so
	Compliant    bool      `json:"compliant,omitempty"` // as well

	OnPremSID        string      `json:"onprem_sid,omitempty"`
	OnPrem           *onPremises `json:"onprem,omitempty"`
	UserCertificates [][]byte    `json:"user_certificates,omitempty"` // DER, of the computer
}

// pending says whether the device has not registered yet.
func (d *device) pending() bool { return d.Thumbprint == "" }

// aikRecord ties an AIK certificate to the device it was issued to.
type aikRecord struct {
	DeviceID string    `json:"device_id"`
	Issued   time.Time `json:"issued"`
}

// get decodes one value; errNotFound when there is none.
func get[T any](r providers.Reader, table, key string) (*T, error) {
	data, ok, err := r.Get(table, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	if !ok {
		return nil, errNotFound
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("decode %s: %w", table, err)
	}
	return &v, nil
}

func put(w providers.Writer, table, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", table, err)
	}
	return w.Put(table, key, data)
}

// userByID and the other finders answer errNotFound for an object that is not
// there.
func userByID(r providers.Reader, id string) (*user, error) { return get[user](r, tableUsers, id) }

func userByUPN(r providers.Reader, upn string) (*user, error) {
	id, ok, err := r.Get(tableUPN, strings.ToLower(upn))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", tableUPN, err)
	}
	if !ok {
		return nil, errNotFound
	}
	return userByID(r, string(id))
}

// findUser takes an object id or a UPN, as Graph's paths do.
func findUser(r providers.Reader, name string) (*user, error) {
	if id, err := guid.Parse(name); err == nil {
		return userByID(r, id.String())
	}
	return userByUPN(r, name)
}

func deviceByDeviceID(r providers.Reader, deviceID string) (*device, error) {
	id, ok, err := r.Get(tableDeviceID, strings.ToLower(deviceID))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", tableDeviceID, err)
	}
	if !ok {
		return nil, errNotFound
	}
	return get[device](r, tableDevices, string(id))
}

// putUser writes a user and the indexes that follow from it. was is the user
// before, nil for a new one.
func putUser(w providers.Writer, was, now *user) error {
	if was != nil {
		for _, k := range was.HelloKeys {
			if _, kept := now.helloKey(k.KeyID); !kept {
				if err := w.Delete(tableHelloKeys, k.KeyID); err != nil {
					return err
				}
			}
		}
		// What was sent to a phone goes with it.
		if was.Phone != nil && (now.Phone == nil || now.Phone.ID != was.Phone.ID) {
			if err := w.Delete(tablePushed, was.ID); err != nil {
				return err
			}
		}
		if old := strings.ToLower(was.UPN); old != strings.ToLower(now.UPN) {
			if err := w.Delete(tableUPN, old); err != nil {
				return err
			}
		}
	}
	for _, k := range now.HelloKeys {
		if err := w.Put(tableHelloKeys, k.KeyID, []byte(now.ID)); err != nil {
			return err
		}
	}
	if err := w.Put(tableUPN, strings.ToLower(now.UPN), []byte(now.ID)); err != nil {
		return err
	}
	if err := anchorUser(w, was, now); err != nil {
		return err
	}
	if err := logChange(w, tableUsers, now.ID); err != nil {
		return err
	}
	return put(w, tableUsers, now.ID, now)
}

func deleteUser(w providers.Writer, u *user) error {
	for _, k := range u.HelloKeys {
		if err := w.Delete(tableHelloKeys, k.KeyID); err != nil {
			return err
		}
	}
	if err := w.Delete(tableUPN, strings.ToLower(u.UPN)); err != nil {
		return err
	}
	for _, table := range []string{tableOATH, tablePushed} {
		if err := w.Delete(table, u.ID); err != nil {
			return err
		}
	}
	if err := leaveGroups(w, u.ID); err != nil {
		return err
	}
	if anchor := u.anchor(); anchor != "" {
		if err := w.Delete(tableAnchors, anchor); err != nil {
			return err
		}
	}
	if err := logRemoval(w, tableUsers, u.ID); err != nil {
		return err
	}
	return w.Delete(tableUsers, u.ID)
}

func putDevice(w providers.Writer, d *device) error {
	if err := w.Put(tableDeviceID, d.DeviceID, []byte(d.ID)); err != nil {
		return err
	}
	if d.Owner != "" { // Connect's devices are nobody's
		if err := w.Put(tableOwned, d.Owner+"/"+d.ID, []byte{1}); err != nil {
			return err
		}
	}
	if err := logChange(w, tableDevices, d.ID); err != nil {
		return err
	}
	return put(w, tableDevices, d.ID, d)
}

func deleteDevice(w providers.Writer, d *device) error {
	if err := w.Delete(tableDeviceID, d.DeviceID); err != nil {
		return err
	}
	if err := w.Delete(tableOwned, d.Owner+"/"+d.ID); err != nil {
		return err
	}
	if err := leaveGroups(w, d.ID); err != nil {
		return err
	}
	if err := logRemoval(w, tableDevices, d.ID); err != nil {
		return err
	}
	return w.Delete(tableDevices, d.ID)
}

// Members of groups. Adding what is there and removing what is not are no
// errors.
func addMember(w providers.Writer, groupID, memberID, kind string) error {
	if err := w.Put(tableMembers, groupID+"/"+memberID, []byte(kind)); err != nil {
		return err
	}
	return w.Put(tableMemberOf, memberID+"/"+groupID, []byte{1})
}

func removeMember(w providers.Writer, groupID, memberID string) error {
	if err := w.Delete(tableMembers, groupID+"/"+memberID); err != nil {
		return err
	}
	return w.Delete(tableMemberOf, memberID+"/"+groupID)
}

// below lists what follows prefix in the keys of a table.
func below(r providers.Reader, table, prefix string) ([]string, error) {
	var rest []string
	err := r.Scan(table, prefix, func(key string, _ []byte) error {
		rest = append(rest, strings.TrimPrefix(key, prefix))
		return nil
	})
	return rest, err
}

func leaveGroups(w providers.Writer, memberID string) error {
	groups, err := below(w, tableMemberOf, memberID+"/")
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := removeMember(w, g, memberID); err != nil {
			return err
		}
	}
	return nil
}

func deleteGroup(w providers.Writer, id string) error {
	members, err := below(w, tableMembers, id+"/")
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := removeMember(w, id, m); err != nil {
			return err
		}
	}
	if err := leaveGroups(w, id); err != nil {
		return err
	}
	if err := logRemoval(w, tableGroups, id); err != nil {
		return err
	}
	return w.Delete(tableGroups, id)
}

func putGroup(w providers.Writer, g *group) error {
	if err := logChange(w, tableGroups, g.ID); err != nil {
		return err
	}
	return put(w, tableGroups, g.ID, g)
}
