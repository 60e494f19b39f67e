package windows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/windows/sensor"
)

// sensorDatabase is the database of one of the device's sensors, made when it is
// first used.
func (m *machine) sensorDatabase(ctx context.Context, kind string) (sensor.Database, error) {
	d, ok, err := view[sensor.Database](m.env.Section, tableSensorDB, kind)
	if ok || err != nil {
		return d, err
	}
	fresh, err := sensor.NewDatabase(ctx, m.ksp, m.env.Rand, kind)
	if err != nil {
		return d, err
	}
	made := false
	err = m.env.Section.Record(ctx, func(w providers.Writer) error {
		d, ok, err = load[sensor.Database](w, tableSensorDB, kind)
		if made = !ok; ok || err != nil { // somebody else was faster
			return err
		}
		d = fresh
		return put(w, tableSensorDB, kind, fresh)
	})
	if err == nil && made {
		m.note(event.Sensor, keyHolder(m), tpm20, "sensor_database_created", "The sensor gets a database with a key of its own, which is encrypted to the system.", message{"sensor": kind, "storage": string(fresh.Key.Storage)})
	}
	return d, err
}

// templateRecords are templates as they go into their sensors' databases.
func (m *machine) templateRecords(ctx context.Context, templates []sensor.Template) ([]sensor.Record, error) {
	var all []sensor.Record
	for _, t := range templates {
		d, err := m.sensorDatabase(ctx, t.Kind)
		if err != nil {
			return nil, err
		}
		r, err := d.Encrypt(ctx, m.ksp, m.env.Rand, t)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func putTemplate(w providers.Writer, r sensor.Record) error {
	return put(w, tableSensor, r.Kind+"|"+r.SID, r)
}

// template reads what a sensor has of a person. One of an earlier version, which
// lies outside of any database, is taken into it.
func (m *machine) template(ctx context.Context, kind, holder string) (t sensor.Template, ok bool, err error) {
	key := kind + "|" + holder
	r, ok, err := view[sensor.Record](m.env.Section, tableSensor, key)
	if err != nil || !ok {
		return t, false, err
	}
	if len(r.Data) > 0 {
		d, err := m.sensorDatabase(ctx, kind)
		if err != nil {
			return t, false, err
		}
		t, err = d.Decrypt(ctx, m.ksp, r)
		return t, err == nil, err
	}
	if t, ok, err = view[sensor.Template](m.env.Section, tableSensor, key); err != nil || !ok {
		return t, ok, err
	}
	all, err := m.templateRecords(ctx, []sensor.Template{t})
	if err != nil {
		return t, false, err
	}
	err = m.env.Section.Record(ctx, func(w providers.Writer) error {
		now, ok, err := w.Get(tableSensor, key)
		if err != nil || !ok {
			return err
		}
		var still sensor.Template
		if err := json.Unmarshal(now, &still); err != nil {
			return fmt.Errorf("sensor %q of the device: %w", key, err)
		}
		if string(still.Wrapped) != string(t.Wrapped) {
			return errors.New("the template was replaced meanwhile")
		}
		return putTemplate(w, all[0])
	})
	return t, err == nil, err
}
