package connect_test

import (
	"crypto/x509"
	"slices"
	"testing"

	"hellolab/providers/spec"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adldap"
	wire "hellolab/providers/wire/connect"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/graph"
)

// registration gives the forest what a federation service sets device registration
// up with.
func (l *lab) registration() {
	l.t.Helper()
	base := l.domain.Base
	l.must(l.domain.Add(edrs.ServicesDN(base), adldap.Attributes{"objectClass": {edrs.ClassContainer}}))
	l.must(l.domain.Add(edrs.ServiceDN(base), adldap.Attributes{"objectClass": {edrs.ClassService}, "msDS-DeviceLocation": {addevice.ContainerDN(base)}, "msDS-IsEnabled": {"TRUE"}}))
}

// The forest knows with which certificates the tenant signs receipts: as soon as it
// has device registration, with keys not exported at all, and no others.
func TestCloudIssuers(t *testing.T) {
	l := newLab(t, writingBack, func(s *spec.Sync) { s.KeySchedule = &spec.SyncSchedule{Enabled: new(bool)} })
	if r := l.cycle(); len(r.Errors)+len(r.Warnings) > 0 {
		t.Errorf("a forest without device registration: %+v", r)
	}
	l.registration()
	r := l.cycle()
	if slices.Contains(r.Parts, wire.KeyExport) {
		t.Fatalf("keys are written: %v", r.Parts)
	}
	known, err := edrs.CloudIssuers(l.domain)
	l.must(err)
	page, err := graph.Get[graph.Page[graph.DeviceIssuer]](t.Context(), l.tenant, "deviceRegistrationIssuers")
	l.must(err)
	if len(page.Value) == 0 || len(known) != len(page.Value) || !slices.ContainsFunc(known, func(c *x509.Certificate) bool { return string(c.Raw) == string(page.Value[0].Certificate) }) {
		t.Errorf("%d in the forest, %d in the tenant", len(known), len(page.Value))
	}

	// One that is not the tenant's goes; the right is the keeper's of devices.
	l.must(l.domain.AddValue(edrs.ServiceDN(l.domain.Base), edrs.AttributeCloudIssuers, "forged"))
	l.cycle()
	e, err := l.domain.Read(edrs.ServiceDN(l.domain.Base), edrs.AttributeCloudIssuers)
	l.must(err)
	if n := len(e.Values(edrs.AttributeCloudIssuers)); n != len(known) {
		t.Errorf("%d values", n)
	}
	l.must(l.domain.Replace(addevice.ContainerDN(l.domain.Base), adldap.Attributes{"managedBy": nil}))
	l.must(l.domain.Replace(edrs.ServiceDN(l.domain.Base), adldap.Attributes{edrs.AttributeCloudIssuers: nil}))
	if r := l.ask(wire.Request{}); r.Result != wire.CompletedErrors || len(r.Errors) != 1 || r.Errors[0].Code != "insufficientAccessRights (50)" {
		t.Errorf("without the right: %+v", r)
	}
}
