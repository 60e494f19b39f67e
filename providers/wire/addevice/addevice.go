// Package addevice is a registered device as a domain's directory has it: an
// object of class msDS-Device in CN=RegisteredDevices. Entra Connect's device
// write-back makes them of a tenant's devices, and a federation service looks
// there before it serves a device: Find and FindByIdentity are that question.
//
//	cn                        device id
//	displayName               name
//	altSecurityIdentities     names of the device certificate (MS-DVRJ 2.3.3)
//	msDS-DeviceID             device id, 16 bytes in Windows order
//	msDS-DeviceObjectVersion  2
//	msDS-DeviceOSType, msDS-DeviceOSVersion
//	msDS-IsEnabled, msDS-IsManaged, msDS-IsCompliant
//	msDS-RegisteredOwner      SID of whoever registered it, where the domain has the account
//	msDS-CloudAnchor          "Device_" and the object id in the tenant; absent where Connect did not write it
//	msDS-KeyCredentialLink    transport key, usage STK: what a session key is wrapped to
//
// Sources: MS-ADSC 2.136, MS-ADA2, MS-DVRE, MS-DVRJ; Microsoft, "Attributes
// synchronized by Microsoft Entra Connect", device writeback. What stands in
// msDS-CloudAnchor and that the version is 2 is not documented, and ours.
package addevice

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Class is the class of the objects.
const Class = "msDS-Device"

// KeyAttribute holds a device's transport key. Its values name the object that
// they stand in, so it is written to an object that is there.
const KeyAttribute = "msDS-KeyCredentialLink"

// ErrNotWritten says that a domain does not have a device: nobody wrote it back.
var ErrNotWritten = errors.New("the domain has no such device: it was not written back")

// Device is one registered device.
type Device struct {
	ID                          guid.GUID // as in the device certificate
	Name                        string
	Identities                  []string // values of altSecurityIdentities
	OS, OSVersion               string
	Enabled, Managed, Compliant bool
	Owner                       sid.SID   // zero: none that the domain knows
	Anchor                      string    // object id in the tenant; "": Connect did not write it
	TransportKey                []byte    // CNG blob
	Registered                  time.Time // when the key was; zero: not told
}

// ContainerDN is where the devices of a domain stand.
func ContainerDN(base string) string { return "CN=RegisteredDevices," + base }

// DN is the name of a device's object.
func DN(base string, id guid.GUID) string { return "CN=" + id.String() + "," + ContainerDN(base) }

// Attributes that a Device is read from.
var Attributes = []string{"displayName", "altSecurityIdentities", "msDS-DeviceID", "msDS-DeviceObjectVersion", "msDS-DeviceOSType", "msDS-DeviceOSVersion",
	"msDS-IsEnabled", "msDS-IsManaged", "msDS-IsCompliant", "msDS-RegisteredOwner", "msDS-CloudAnchor", KeyAttribute}

const (
	objectVersion = "2"
	anchorPrefix  = "Device_"
)

// Values are the attributes of a device but its key. Those without values are
// to be absent.
func (d *Device) Values() adldap.Attributes {
	id := d.ID.Windows()
	a := adldap.Attributes{
		"displayName": {d.Name}, "altSecurityIdentities": slices.Clone(d.Identities), "msDS-DeviceID": {string(id[:])}, "msDS-DeviceObjectVersion": {objectVersion},
		"msDS-IsEnabled": {boolean(d.Enabled)}, "msDS-IsManaged": {boolean(d.Managed)}, "msDS-IsCompliant": {boolean(d.Compliant)},
		"msDS-DeviceOSType": nil, "msDS-DeviceOSVersion": nil, "msDS-RegisteredOwner": nil, "msDS-CloudAnchor": nil,
	}
	a.Set("msDS-DeviceOSType", d.OS)
	a.Set("msDS-DeviceOSVersion", d.OSVersion)
	if !d.Owner.IsZero() {
		a.Set("msDS-RegisteredOwner", string(d.Owner.Bytes()))
	}
	if d.Anchor != "" {
		a.Set("msDS-CloudAnchor", anchorPrefix+d.Anchor)
	}
	return a
}

func boolean(b bool) string { return strings.ToUpper(fmt.Sprint(b)) }

// Key is the transport key as a value of KeyAttribute; nil where there is none.
func (d *Device) Key() ([]byte, error) {
	if len(d.TransportKey) == 0 {
		return nil, nil
	}
	k := keycred.New(d.TransportKey, keycred.UsageSTK, keycred.SourceAzureAD)
	k.Device = &d.ID
	if !d.Registered.IsZero() {
		created := keycred.StampOf(d.Registered, keycred.SourceAzureAD)
		k.Created = &created
	}
	return k.Marshal()
}

// Parse reads a device from an object with Attributes.
func Parse(e *adldap.Entry) (*Device, error) {
	bad := func(attribute string) (*Device, error) {
		return nil, fmt.Errorf("%s: %s cannot be read", e.DN, attribute)
	}
	raw := e.Bytes("msDS-DeviceID")
	if len(raw) != 16 {
		return bad("msDS-DeviceID")
	}
	d := &Device{ID: guid.FromWindows([16]byte(raw)), Name: e.Text("displayName"), OS: e.Text("msDS-DeviceOSType"), OSVersion: e.Text("msDS-DeviceOSVersion"),
		Enabled: e.Text("msDS-IsEnabled") == "TRUE", Managed: e.Text("msDS-IsManaged") == "TRUE", Compliant: e.Text("msDS-IsCompliant") == "TRUE"}
	for _, v := range e.Values("altSecurityIdentities") {
		d.Identities = append(d.Identities, string(v))
	}
	if owner := e.Bytes("msDS-RegisteredOwner"); owner != nil {
		var err error
		if d.Owner, err = sid.Decode(owner); err != nil {
			return bad("msDS-RegisteredOwner")
		}
	}
	d.Anchor, _ = strings.CutPrefix(e.Text("msDS-CloudAnchor"), anchorPrefix)
	for _, v := range e.Values(KeyAttribute) {
		b, err := ldapmsg.ParseDNBinary(string(v))
		if err != nil {
			return bad(KeyAttribute)
		}
		// As a KDC does, pass over what is no key.
		if k, err := keycred.Parse(b.Binary); err == nil && k.Usage == keycred.UsageSTK {
			d.TransportKey, d.Registered = k.Material, k.CreatedTime()
		}
	}
	return d, nil
}

// Find returns a device of the domain by its id, or ErrNotWritten.
func Find(c *adldap.Conn, id guid.GUID) (*Device, error) {
	return one(c.Read(DN(c.Base, id), Attributes...))
}

// FindByIdentity returns the device of the domain that has one of its
// altSecurityIdentities, or ErrNotWritten. drs.AlternativeSecurityID makes it of
// a device certificate.
func FindByIdentity(c *adldap.Conn, identity string) (*Device, error) {
	found, err := c.List(ContainerDN(c.Base), ldapmsg.And{ldapmsg.EqualTo("objectClass", Class), ldapmsg.EqualTo("altSecurityIdentities", identity)}, Attributes...)
	if err != nil || len(found) == 0 {
		return one(nil, err)
	}
	return one(found[0], nil)
}

func one(e *adldap.Entry, err error) (*Device, error) {
	switch {
	case adldap.IsCode(err, ldapmsg.NoSuchObject), err == nil && e == nil:
		return nil, ErrNotWritten
	case err != nil:
		return nil, err
	}
	return Parse(e)
}
