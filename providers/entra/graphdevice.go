package entra

import (
	"crypto/x509"
	"errors"
	"net/http"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
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
	case len(q.path) == 1 && q.Method == http.MethodPost:
		return s.createDevice(w, q)
	case len(q.path) == 2 && strings.EqualFold(q.path[1], "delta") && q.Method == http.MethodGet:
		return delta(s, w, q, tableDevices, showDevice)
	case len(q.path) == 2:
		id := strings.ToLower(q.path[1])
		return s.graphDevice(w, q, func(r providers.Reader) (*device, error) { return get[device](r, tableDevices, id) })
	}
	return graphNotFound(strings.Join(q.path, "/"))
}

func showDevice(d *device) graph.Device {
	g := graph.Device{ID: d.ID, DeviceID: d.DeviceID, DisplayName: d.DisplayName, AccountEnabled: &d.Enabled, OperatingSystem: d.OS, OSVersion: d.OSVersion,
		TrustType: d.TrustType, IsManaged: &d.Managed, IsCompliant: &d.Compliant, Registered: graph.Time(d.Registered), TransportKey: d.TransportKey, RegisteredOwner: d.Owner,
		OnPremSID: d.OnPremSID, OnPremises: d.OnPrem.show(), UserCertificates: d.UserCertificates}
	if !d.pending() {
		g.AlternativeSecurityID = []string{drs.AlternativeSecurityID(d.Thumbprint, d.SPKI)}
	}
	return g
}

// createDevice makes a computer of a domain known, which then is pending.
func (s *server) createDevice(w http.ResponseWriter, q graphRequest) error {
	in, err := readGraph[graph.Device](q)
	if err != nil {
		return err
	}
	if !q.sync {
		return graphBad("Devices are made by registration, or synchronized from a domain.")
	}
	deviceID, err := guid.Parse(in.DeviceID)
	if err != nil {
		return graphBad("Invalid value specified for property 'deviceId'.")
	}
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return err
	}
	if in.DisplayName == "" || in.OnPremSID == "" {
		return graphBad("A value is required for properties 'displayName' and 'onPremisesSecurityIdentifier'.")
	}
	if in.TrustType != graph.TrustHybrid {
		return graphBad("Invalid value specified for property 'trustType': a synchronized device is of a domain.")
	}
	d := &device{ID: id.String(), DeviceID: deviceID.String(), TrustType: graph.TrustHybrid, Enabled: true}
	if err := s.applyDevice(q, d, in); err != nil {
		return err
	}
	err = s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		if _, err := deviceByDeviceID(w, d.DeviceID); err == nil {
			return conflict("deviceId")
		} else if !errors.Is(err, errNotFound) {
			return err
		}
		return putDevice(w, d)
	})
	if err != nil {
		return err
	}
	s.changed(q, "device_created", "The administrator makes a computer known, which is pending until it registers.",
		map[string]any{"device_id": d.DeviceID, "name": d.DisplayName, "sid": d.OnPremSID, "certificates": len(d.UserCertificates)})
	web.WriteJSON(w, http.StatusCreated, showDevice(d))
	return nil
}

// Bounds of what Connect says of a device.
const (
	maxUserCertificates = 5 // those that Connect synchronizes
	maxCertificate      = 16 << 10
)

// applyDevice writes what a request sets into a device.
func (s *server) applyDevice(q graphRequest, d *device, in *graph.Device) error {
	if err := mayChange(q, d.OnPrem, in.OnPremises, in.DisplayName != ""); err != nil {
		return err
	}
	if !validName(in.DisplayName) || !validName(in.OperatingSystem) || !validName(in.OSVersion) {
		return graphBad("Invalid value specified for property 'displayName', 'operatingSystem' or 'operatingSystemVersion'.")
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
	if !q.sync {
		return nil
	}
	if in.OnPremSID != "" {
		if !domainSID.MatchString(in.OnPremSID) {
			return graphBad("Invalid value specified for property 'onPremisesSecurityIdentifier'.")
		}
		d.OnPremSID = in.OnPremSID
	}
	if in.OperatingSystem != "" {
		d.OS = in.OperatingSystem
	}
	if in.OSVersion != "" {
		d.OSVersion = in.OSVersion
	}
	if in.UserCertificates != nil {
		if err := checkUserCertificates(in.UserCertificates); err != nil {
			return err
		}
		d.UserCertificates = in.UserCertificates
	}
	on, err := s.synced(d.OnPrem, in.OnPremises, false)
	d.OnPrem = on
	return err
}

func checkUserCertificates(list [][]byte) error {
	if len(list) > maxUserCertificates {
		return graphBad("A device has at most %d certificates.", maxUserCertificates)
	}
	for _, der := range list {
		if len(der) > maxCertificate {
			return graphBad("A certificate is longer than %d bytes.", maxCertificate)
		}
		if _, err := x509.ParseCertificate(der); err != nil {
			return graphBad("Invalid value specified for property 'userCertificate'.")
		}
	}
	return nil
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
		var d *device
		err = s.env.Section.Update(q.Context(), func(w providers.Writer) (err error) {
			if d, err = find(w); err != nil {
				return orGraphNotFound(err, what)
			}
			if err := s.applyDevice(q, d, in); err != nil {
				return err
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
			if q.sync && d.OnPrem == nil {
				return errNotSynced
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
