package entra

import (
	"net/http"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/web"
)

// graphDevices answers /devices.
func (s *server) graphDevices(w http.ResponseWriter, q graphRequest) error {
	switch {
	case len(q.path) == 1 && q.Method == http.MethodGet:
		name, value, err := filterOf(q, "deviceId", "displayName")
		if err != nil {
			return err
		}
		keep := func(d *device) bool {
			return value == nil || name == "deviceId" && strings.EqualFold(d.DeviceID, *value) || name == "displayName" && d.DisplayName == *value
		}
		return list(s, w, q, tableDevices, keep, func(_ providers.Reader, d *device) (graph.Device, error) { return showDevice(d), nil })
	case len(q.path) == 2:
		id := strings.ToLower(q.path[1])
		return s.graphDevice(w, q, func(r providers.Reader) (*device, error) { return get[device](r, tableDevices, id) })
	}
	return graphNotFound(strings.Join(q.path, "/"))
}

func showDevice(d *device) graph.Device {
	return graph.Device{ID: d.ID, DeviceID: d.DeviceID, DisplayName: d.DisplayName, AccountEnabled: &d.Enabled, OperatingSystem: d.OS, OSVersion: d.OSVersion,
		TrustType: d.TrustType, IsManaged: &d.Managed, IsCompliant: &d.Compliant, Registered: graph.Time(d.Registered), AlternativeSecurityID: []string{alternativeSecurityID(d)}, TransportKey: d.TransportKey, RegisteredOwner: d.Owner}
}

// graphDevice answers one device.
func (s *server) graphDevice(w http.ResponseWriter, q graphRequest, find func(providers.Reader) (*device, error)) error {
	what := q.path[len(q.path)-1]
	switch q.Method {
	case http.MethodGet:
		var d *device
		err := s.env.Section.View(func(r providers.Reader) (err error) {
			d, err = find(r)
			return orGraphNotFound(err, what)
		})
		if err != nil {
			return err
		}
		web.WriteJSON(w, http.StatusOK, showDevice(d))
		return nil
	case http.MethodPatch:
		in, err := readGraph[graph.Device](q)
		if err != nil {
			return err
		}
		if !validName(in.DisplayName) {
			return graphBad("Invalid value specified for property 'displayName'.")
		}
		var d *device
		err = s.env.Section.Update(q.Context(), func(w providers.Writer) (err error) {
			if d, err = find(w); err != nil {
				return orGraphNotFound(err, what)
			}
			if in.AccountEnabled != nil {
				d.Enabled = *in.AccountEnabled
			}
			if in.DisplayName != "" {
				d.DisplayName = in.DisplayName
			}
			if in.IsManaged != nil {
				d.Managed = *in.IsManaged
			}
			if in.IsCompliant != nil {
				d.Compliant = *in.IsCompliant
			}
			return putDevice(w, d)
		})
		if err != nil {
			return err
		}
		s.changed(q, "device_updated", "The administrator changes a device.", map[string]any{"device_id": d.DeviceID, "enabled": d.Enabled, "compliant": d.Compliant})
		noContent(w)
		return nil
	case http.MethodDelete:
		var d *device
		err := s.env.Section.Update(q.Context(), func(w providers.Writer) (err error) {
			if d, err = find(w); err != nil {
				return orGraphNotFound(err, what)
			}
			return deleteDevice(w, d)
		})
		if err != nil {
			return err
		}
		s.changed(q, "device_deleted", "The administrator deletes a device.", map[string]any{"device_id": d.DeviceID})
		noContent(w)
		return nil
	}
	return graphBad("The method is not supported here.")
}
