package directory

import (
	"errors"

	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// classDevice is the class of devices that are registered (MS-ADSC 2.136), and
// classDevices that of the container which they stand in.
const (
	classDevice  = "msDS-Device"
	classDevices = "msDS-DeviceContainer"
)

// classRegistration is the class of the object by which a forest has device
// registration, and cloudIssuers its certificates of a tenant's service.
const (
	classRegistration = "msDS-DeviceRegistrationService"
	cloudIssuers      = "msDS-CloudIssuerPublicCertificates"
)

// keepsDevices says whether somebody may make, change and delete the devices in
// a container: whom its managedBy names, or a member of the group that it names.
func (r reader) keepsDevices(who *Requester, container *object) (bool, error) {
	keepers, err := r.linked(tableLinks, "managedBy", container.ID)
	if err != nil {
		return false, err
	}
	for _, id := range keepers {
		o, err := r.object(id)
		if err != nil {
			return false, err
		}
		own, err := sid.Decode([]byte(o.first("objectSid")))
		if err == nil && (own == who.SID || who.in(own)) {
			return true, nil
		}
	}
	return false, nil
}

// keepsDevice is keepsDevices for a device by its name, which nothing need have
// yet; false where its parent holds no devices.
func (r reader) keepsDevice(who *Requester, dn string) (bool, error) {
	name, err := ldapmsg.ParseDN(dn)
	if err != nil || len(name) == 0 {
		return false, nil
	}
	container, err := r.atPath(pathOfDN(name.Parent()))
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	if err != nil || !container.is(classDevices) {
		return false, err
	}
	return r.keepsDevices(who, container)
}

// keeps says whether somebody may write an attribute of an object as a keeper of
// devices: anything of a device but who else writes it, and of the registration service for them whose
// receipts it takes, which Entra Connect tells it.
func (r reader) keeps(who *Requester, o *object, attribute string) (bool, error) {
	switch {
	case attribute == attrDescriptor:
		return false, nil
	case o.is(classDevice):
		return r.keepsDevice(who, o.DN)
	case o.is(classRegistration) && attribute == cloudIssuers:
		name, err := ldapmsg.ParseDN(o.first("msDS-DeviceLocation"))
		if err != nil {
			return false, nil
		}
		container, err := r.atPath(pathOfDN(name))
		if errors.Is(err, errNotFound) {
			return false, nil
		}
		if err != nil || !container.is(classDevices) {
			return false, err
		}
		return r.keepsDevices(who, container)
	}
	return false, nil
}

// mayKeep refuses who may neither manage objects nor keep the devices that one of
// this name is, or would be, among.
func (d *Directory) mayKeep(r reader, who *Requester, dn, refusal string) error {
	if d.rights.mayManage(who) {
		return nil
	}
	may, err := r.keepsDevice(who, dn)
	if err == nil && !may {
		err = accessDenied("%s", refusal)
	}
	return err
}
