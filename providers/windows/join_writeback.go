package windows

import (
	"context"
	"fmt"

	"hellolab/providers/event"
	"hellolab/providers/wire/connect"
)

// writeBack has Connect write a computer that registered through AD FS back to the
// domain now, where it writes devices at all: AD FS gives an enterprise token to
// devices that it finds there, and certificate trust asks for certificates with
// one. In the field that comes with a later cycle, before the user is offered
// Hello; in an apply nobody would wait for it. A write-back that fails is the next
// cycle's to make good.
func (r *registering) writeBack(ctx context.Context) error {
	if r.sts == nil {
		return nil
	}
	server, err := syncBetween(r.desk, r.in.Tenant, r.in.Domain)
	if err != nil || !server.In.DeviceWriteback || server.In.Staging {
		return nil //nolint:nilerr // without Connect nothing is written back
	}
	report, err := connect.Cycle(ctx, r.desk, connect.Server{Host: server.Out.Host, Secret: server.Out.Admin},
		connect.Request{Parts: []connect.Part{connect.DeviceWriteback}, Reason: "registration of " + r.rec.Name, Own: true})
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		r.trace.refused(event.Connect, event.ActiveDirectory, "LDAP", "device_not_written_back", "Connect does not write the device to the domain now; its next cycle may.", fmt.Errorf("%s: %w", server.Addr, err))
	}
	return nil
}
