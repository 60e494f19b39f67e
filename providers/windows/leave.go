package windows

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/web"
)

// settle brings what earlier joins left to an end: a join that was cut off is
// undone; a registration that the tenant does not know any more is forgotten,
// and with it what users had on it.
func (m *machine) settle(ctx context.Context, tenant spec.TenantOut) error {
	if m.rec.Joining != "" {
		return m.abandonJoin(ctx, tenant)
	}
	if m.rec.Registration == nil {
		return nil
	}
	if m.rec.Registration.TenantID == tenant.TenantID {
		a, err := m.w.newAdmin(ctx, m.desk, tenant)
		if err != nil {
			return err
		}
		defer a.Close()
		if _, err = a.device(ctx, m.rec.Registration.DeviceID); !graph.IsNotFound(err) {
			return err
		}
	}
	return m.unregister(ctx)
}

// unregister forgets a registration that is gone.
func (m *machine) unregister(ctx context.Context) error {
	if m.personal() {
		return m.forgetAccount(ctx)
	}
	m.rec.Registration, m.rec.Enterprise, m.rec.AIKChain = nil, nil, nil
	return m.env.Section.Update(ctx, func(w providers.Writer) error {
		err := put(w, tableMachine, "record", m.rec)
		err = errors.Join(err, forgetTemplates(w))
		for _, table := range []string{tableContainer, tableSensor, tableModule, tableEnrollment, tableSession, tablePRT, tableEnterprise, tableWAM, tableKerberos, tableCloud, tableCached, tableCloudCache, tablePersonal} {
			var keys []string
			err = errors.Join(err, w.Scan(table, "", func(key string, _ []byte) error {
				keys = append(keys, key)
				return nil
			}))
			for _, key := range keys {
				err = errors.Join(err, w.Delete(table, key))
			}
		}
		return err
	})
}

func (m *machine) leave(ctx context.Context, tenant spec.TenantOut) error {
	client, err := m.client(ctx, true)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	target := "https://" + tenant.RegistrationHost + drs.PathDevice + url.PathEscape(m.rec.Registration.DeviceID) + "?api-version=2.0"
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, target, nil)
	if err != nil {
		return err
	}
	reply, err := web.Do(client, req)
	if err != nil {
		return err
	}
	if reply.Status/100 != 2 && reply.Status != http.StatusNotFound {
		return drs.ParseError(reply.Status, reply.Body)
	}
	return nil
}

// abandonJoin removes the device object of a join whose reply was never kept:
// nobody has its certificate.
func (m *machine) abandonJoin(ctx context.Context, tenant spec.TenantOut) error {
	a, err := m.w.newAdmin(ctx, m.desk, tenant)
	if err != nil {
		return err
	}
	defer a.Close()
	blob, err := m.transportBlob()
	if err != nil {
		return err
	}
	d, err := a.deviceWithTransportKey(ctx, blob)
	if err != nil {
		return err
	}
	if d != nil {
		if err := a.Delete(ctx, "devices", d.ID); err != nil {
			return err
		}
	}
	m.rec.Joining = ""
	return m.save(ctx)
}
