package connect

import (
	"context"
	"fmt"

	"hellolab/providers/event"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/ldapmsg"
)

// collectionIssuers are the certificates of a tenant's registration service.
const collectionIssuers = "deviceRegistrationIssuers"

// cloudIssuers tells the forest with which certificates the tenant's registration
// service signs key receipts: those that the tenant names, and no others. AD FS
// then takes a receipt for a key that Connect has yet to write (P5, phase E;
// reading R5). It goes with the devices, whose keeper may write both, and needs no
// export of keys. A forest without device registration is told nothing.
func (c *cycle) cloudIssuers(ctx context.Context) error {
	dn := edrs.ServiceDN(c.domain.Base)
	e, err := c.domain.Read(dn, edrs.AttributeCloudIssuers)
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil
	}
	if err != nil {
		return &stop{stageWriteBack, dn, err}
	}
	var want []string
	for i, err := range graph.List[graph.DeviceIssuer](ctx, c.tenant, "", collectionIssuers) {
		if err != nil {
			return c.written(ctx, dn, fmt.Errorf("certificates of the registration service: %w", err))
		}
		want = append(want, string(i.Certificate))
	}
	if same(e.Values(edrs.AttributeCloudIssuers), want) {
		return nil
	}
	if err := c.domain.Replace(dn, adldap.Attributes{edrs.AttributeCloudIssuers: want}); err != nil {
		return c.written(ctx, dn, err)
	}
	c.tell(ctx, event.Event{Peer: event.ActiveDirectory, Protocol: "LDAP", Step: "cloud_issuers_written", Text: "Connect tells the forest with which certificates the tenant signs key receipts.",
		Message: map[string]any{"object": dn, "attribute": edrs.AttributeCloudIssuers, "certificates": len(want)}})
	return nil
}
