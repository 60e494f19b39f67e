package directory_test

import (
	"testing"

	"hellolab/providers/wire/ldapmsg"
)

// Whom the container of devices names keeps the devices in it, and nothing else;
// so does a member of the group that it names.
func TestKeeperOfDevices(t *testing.T) {
	l := newLab(t)
	keeper := l.person("keeper")
	const (
		container = "CN=RegisteredDevices,DC=corp,DC=contoso,DC=com"
		device    = "CN=b7bd8e2b-0000-4000-8000-000000000001," + container
		users     = "CN=Users,DC=corp,DC=contoso,DC=com"
	)
	attributes := func(class string) []ldapmsg.Attribute {
		a := []ldapmsg.Attribute{{Description: "objectClass", Values: [][]byte{[]byte(class)}}}
		for name, value := range map[string]string{"displayName": "PC", "msDS-DeviceID": "0123456789abcdef", "msDS-IsEnabled": "TRUE", "altSecurityIdentities": "X509:<SHA1-TP-PUBKEY>AB"} {
			if class == "msDS-Device" {
				a = append(a, ldapmsg.Attribute{Description: name, Values: [][]byte{[]byte(value)}})
			}
		}
		return a
	}
	add := func(dn, class string) error {
		return l.Add(t.Context(), l.as("keeper"), &ldapmsg.Add{DN: dn, Attributes: attributes(class)})
	}
	refused(t, "before it keeps", add(device, "msDS-Device"), ldapmsg.InsufficientAccessRights)
	if err := l.modify(l.admin, container, ldapmsg.ReplaceValues, "managedBy", keeper); err != nil {
		t.Fatal(err)
	}
	if err := add(device, "msDS-Device"); err != nil {
		t.Fatal(err)
	}
	if err := l.modify(l.as("keeper"), device, ldapmsg.ReplaceValues, "msDS-IsEnabled", "FALSE"); err != nil {
		t.Error(err)
	}
	list, err := l.list(device).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "who else writes the device", l.modify(l.as("keeper"), device, ldapmsg.ReplaceValues, "nTSecurityDescriptor", string(list)), ldapmsg.InsufficientAccessRights)
	refused(t, "a group among the users", add("CN=Mine,"+users, "group"), ldapmsg.InsufficientAccessRights)
	refused(t, "a device among the users", add("CN=PC,"+users, "msDS-Device"), ldapmsg.InsufficientAccessRights)
	refused(t, "a container among the devices", add("CN=Mine,"+container, "container"), ldapmsg.NamingViolation)
	refused(t, "the container", l.modify(l.as("keeper"), container, ldapmsg.ReplaceValues, "managedBy", keeper), ldapmsg.InsufficientAccessRights)
	refused(t, "a device of no device id", l.modify(l.as("keeper"), device, ldapmsg.ReplaceValues, "msDS-DeviceID"), ldapmsg.ObjectClassViolation)
	refused(t, "a person", l.Delete(t.Context(), l.as("keeper"), &ldapmsg.Delete{DN: keeper}, false), ldapmsg.InsufficientAccessRights)
	refused(t, "the container itself", l.Delete(t.Context(), l.as("keeper"), &ldapmsg.Delete{DN: container}, true), ldapmsg.InsufficientAccessRights)
	refused(t, "another's word", l.modify(l.as("Guest"), device, ldapmsg.ReplaceValues, "displayName", "Mine"), ldapmsg.InsufficientAccessRights)

	group := "CN=Keepers," + users
	if err := l.Add(t.Context(), l.admin, &ldapmsg.Add{DN: group, Attributes: attributes("group")}); err != nil {
		t.Fatal(err)
	}
	if err := l.modify(l.admin, container, ldapmsg.ReplaceValues, "managedBy", group); err != nil {
		t.Fatal(err)
	}
	refused(t, "no member", l.Delete(t.Context(), l.as("keeper"), &ldapmsg.Delete{DN: device}, false), ldapmsg.InsufficientAccessRights)
	if err := l.modify(l.admin, group, ldapmsg.AddValues, "member", keeper); err != nil {
		t.Fatal(err)
	}
	if err := l.Delete(t.Context(), l.as("keeper"), &ldapmsg.Delete{DN: device}, false); err != nil {
		t.Error(err)
	}
}

// The keeper of devices tells their registration service whose receipts it takes,
// and nothing else of it.
func TestKeeperOfRegistration(t *testing.T) {
	l := newLab(t)
	keeper := l.person("keeper")
	const (
		container = "CN=RegisteredDevices,DC=corp,DC=contoso,DC=com"
		services  = "CN=Device Registration Services,CN=Device Registration Configuration,CN=Services,CN=Configuration,DC=corp,DC=contoso,DC=com"
		service   = "CN=DeviceRegistrationService," + services
	)
	add := func(dn, class string, values ...string) {
		t.Helper()
		a := []ldapmsg.Attribute{{Description: "objectClass", Values: [][]byte{[]byte(class)}}}
		for i := 0; i < len(values); i += 2 {
			a = append(a, ldapmsg.Attribute{Description: values[i], Values: [][]byte{[]byte(values[i+1])}})
		}
		if err := l.Add(t.Context(), l.admin, &ldapmsg.Add{DN: dn, Attributes: a}); err != nil {
			t.Fatal(err)
		}
	}
	add(services, "msDS-DeviceRegistrationServiceContainer")
	add(service, "msDS-DeviceRegistrationService", "msDS-DeviceLocation", container, "msDS-IsEnabled", "TRUE")
	write := func(attribute, value string) error {
		return l.modify(l.as("keeper"), service, ldapmsg.AddValues, attribute, value)
	}
	refused(t, "before it keeps", write("msDS-CloudIssuerPublicCertificates", "der"), ldapmsg.InsufficientAccessRights)
	if err := l.modify(l.admin, container, ldapmsg.ReplaceValues, "managedBy", keeper); err != nil {
		t.Fatal(err)
	}
	if err := write("msDS-CloudIssuerPublicCertificates", "der"); err != nil {
		t.Error(err)
	}
	refused(t, "the service's own certificates", write("msDS-IssuerPublicCertificates", "der"), ldapmsg.InsufficientAccessRights)
	refused(t, "another's word", l.modify(l.as("Guest"), service, ldapmsg.AddValues, "msDS-CloudIssuerPublicCertificates", "forged"), ldapmsg.InsufficientAccessRights)
}
