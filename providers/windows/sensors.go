package windows

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/sensor"
	"hellolab/providers/windows/winbio"
)

// errNoTemplate is a sensor that knows nothing of a person.
var errNoTemplate = fmt.Errorf("%w: no template of the user", winbio.ErrDamaged)

// taken is a gesture that a sensor has taken in, until the device keeps it.
type taken struct {
	at       hello.Sensor
	template sensor.Template
}

// entry is one that is ready to be kept: in the sensor's database, or on the module
// of a sensor that matches by itself.
type entry struct {
	taken
	database winbio.Database // without records
	record   winbio.Record
}

func databaseKey(s hello.Sensor) string { return s.Kind + "|" + s.Name }

func moduleKey(s hello.Sensor, holder string) string { return databaseKey(s) + "|" + holder }

// openDatabase opens the database of a sensor for what is to be kept there. One
// that is not there is made. One that is damaged is made anew, under another name
// and key: what it had is lost, and its people enroll again.
func (m *machine) openDatabase(ctx context.Context, s hello.Sensor) (*winbio.Database, *winbio.Key, error) {
	for range 3 { // somebody else may be faster
		file, _, err := viewFile(m.env.Section, databaseKey(s))
		if err != nil {
			return nil, nil, err
		}
		if file != nil {
			d, err := winbio.Parse(file)
			if err == nil {
				key, openErr := d.Open(ctx, m.ksp)
				if openErr == nil {
					return d, key, nil
				}
				err = openErr
			}
			if !errors.Is(err, winbio.ErrDamaged) {
				return nil, nil, err
			}
		}
		if err := m.makeDatabase(ctx, s, file); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("the database of %s is being replaced again and again", s.Name)
}

// makeDatabase gives a sensor a database in the place of the file that it has.
func (m *machine) makeDatabase(ctx context.Context, s hello.Sensor, file []byte) error {
	fresh, err := winbio.New(ctx, m.ksp, m.env.Rand)
	if err != nil {
		return err
	}
	made := false
	err = m.env.Section.Record(ctx, func(w providers.Writer) error {
		now, _, err := w.Get(tableWinBio, databaseKey(s))
		if made = err == nil && bytes.Equal(now, file); !made {
			return err
		}
		return w.Put(tableWinBio, databaseKey(s), fresh.Bytes())
	})
	if err != nil || !made {
		return err
	}
	step, text := "sensor_database_created", "The sensor gets a database with a key of its own, which is encrypted to the system."
	if file != nil {
		step, text = "sensor_database_replaced", "The sensor's database is damaged. It gets a new one; whoever was in the old one enrolls again."
	}
	m.note(event.Sensor, keyHolder(m), tpm20, step, text, message{"sensor": s.Name, "kind": s.Kind, "file": fresh.Path(), "storage": string(fresh.Key.Storage)})
	return nil
}

func viewFile(s providers.Section, key string) (file []byte, ok bool, err error) {
	err = s.View(func(r providers.Reader) error {
		file, ok, err = r.Get(tableWinBio, key)
		file = bytes.Clone(file)
		return err
	})
	return file, ok, err
}

// entries makes templates ready to be kept.
func (m *machine) entries(ctx context.Context, all []taken) ([]entry, error) {
	var out []entry
	for _, t := range all {
		d, key, err := m.openDatabase(ctx, t.at)
		if err != nil {
			return nil, err
		}
		e := entry{taken: t, database: winbio.Database{ID: d.ID, Key: d.Key}}
		if !t.at.MatchOnChip {
			e.record, err = key.Encrypt(m.env.Rand, t.template.SID, t.template.Bytes())
		}
		key.Close()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// putTemplate keeps what a sensor has taken in, in the place of all that sensors
// have of the person's same gesture.
func putTemplate(w providers.Writer, e entry) error {
	if err := dropTemplates(w, e.at.Kind, e.template.SID); err != nil {
		return err
	}
	if e.at.MatchOnChip {
		return put(w, tableModule, moduleKey(e.at, e.template.SID), e.template)
	}
	file, _, err := w.Get(tableWinBio, databaseKey(e.at))
	if err != nil {
		return err
	}
	d, err := winbio.Parse(file)
	if err != nil {
		return err
	}
	if d.ID != e.database.ID || !bytes.Equal(d.Key.Blob, e.database.Key.Blob) {
		return fmt.Errorf("the database of %s was replaced meanwhile", e.at.Name)
	}
	if err := d.Put(e.record); err != nil {
		return err
	}
	return w.Put(tableWinBio, databaseKey(e.at), d.Bytes())
}

// dropTemplates removes what the sensors have of a person's gesture. A damaged
// database stays as it is: the next enrollment makes it anew.
func dropTemplates(w providers.Writer, gesture, holder string) error {
	err := w.Delete(tableSensor, gesture+"|"+holder)
	modules, scanErr := keysOf(w, tableModule, gesture+"|")
	files, filesErr := keysOf(w, tableWinBio, gesture+"|")
	err = errors.Join(err, scanErr, filesErr)
	for _, key := range modules {
		if strings.HasSuffix(key, "|"+holder) {
			err = errors.Join(err, w.Delete(tableModule, key))
		}
	}
	for _, key := range files {
		err = errors.Join(err, changeDatabase(w, key, func(d *winbio.Database) { d.Remove(holder) }))
	}
	return err
}

// forgetTemplates removes what the sensors have of anybody.
func forgetTemplates(w providers.Writer) error {
	files, err := keysOf(w, tableWinBio, "")
	for _, key := range files {
		err = errors.Join(err, changeDatabase(w, key, func(d *winbio.Database) { d.Records = nil }))
	}
	return err
}

func changeDatabase(w providers.Writer, key string, change func(*winbio.Database)) error {
	file, _, err := w.Get(tableWinBio, key)
	if err != nil {
		return err
	}
	d, err := winbio.Parse(file)
	if err != nil {
		return nil //nolint:nilerr // damaged: nothing in it can be used
	}
	change(d)
	return w.Put(tableWinBio, key, d.Bytes())
}

func keysOf(r providers.Reader, table, prefix string) (keys []string, err error) {
	err = r.Scan(table, prefix, func(key string, _ []byte) error {
		keys = append(keys, key)
		return nil
	})
	return keys, err
}

// sensedAt names, by gesture, the sensors that have a template of a person, as
// package hello names them. A damaged database has none.
func sensedAt(r providers.Reader, holder string) (map[string][]string, error) {
	at := map[string][]string{}
	add := func(key string) {
		gesture, name, _ := strings.Cut(key, "|")
		at[gesture] = append(at[gesture], name)
	}
	err := r.Scan(tableWinBio, "", func(key string, file []byte) error {
		if d, err := winbio.Parse(file); err == nil {
			if _, ok := d.Record(holder); ok {
				add(key)
			}
		}
		return nil
	})
	return at, errors.Join(err,
		r.Scan(tableModule, "", func(key string, _ []byte) error {
			if key, own := strings.CutSuffix(key, "|"+holder); own {
				add(key)
			}
			return nil
		}),
		r.Scan(tableSensor, "", func(key string, _ []byte) error {
			if gesture, own := strings.CutSuffix(key, "|"+holder); own {
				add(gesture + "|" + hello.AnySensor)
			}
			return nil
		}))
}

// sensed is sensedAt, by itself.
func (m *machine) sensed(holder string) (at map[string][]string, err error) {
	err = m.env.Section.View(func(r providers.Reader) error {
		at, err = sensedAt(r, holder)
		return err
	})
	return at, err
}

// sensorFor finds the sensor at which a user makes a gesture to open the
// container, under a policy.
func (m *machine) sensorFor(policy hello.InForce, user person, c *container.Container, gesture string) (hello.Sensor, error) {
	at, err := m.sensed(m.holder(user))
	if err != nil {
		return hello.Sensor{}, err
	}
	s, code := policy.ForSignIn(m.in, gesture, c.Has(container.Gesture(gesture)), at[gesture])
	if code != "" {
		return s, refuse(code, nil)
	}
	return s, nil
}

// template reads what a sensor has of a person.
func (m *machine) template(ctx context.Context, s hello.Sensor, holder string) (sensor.Template, error) {
	if t, ok, err := view[sensor.Template](m.env.Section, tableModule, moduleKey(s, holder)); ok || err != nil {
		return t, err
	}
	file, ok, err := viewFile(m.env.Section, databaseKey(s))
	if err != nil || !ok {
		return sensor.Template{}, errors.Join(err, errNoTemplate)
	}
	d, err := winbio.Parse(file)
	if err != nil {
		return sensor.Template{}, err
	}
	r, ok := d.Record(holder)
	if !ok {
		return sensor.Template{}, errNoTemplate
	}
	key, err := d.Open(ctx, m.ksp)
	if err != nil {
		return sensor.Template{}, err
	}
	defer key.Close()
	b, err := key.Decrypt(r)
	if err != nil {
		return sensor.Template{}, err
	}
	return sensor.ParseTemplate(s.Kind, holder, b)
}

// earlierTemplate finds a template that lies where versions kept it before each
// sensor had a file: in a database of its kind, or before that in clear.
func (m *machine) earlierTemplate(ctx context.Context, gesture, holder string) (t sensor.Template, ok bool, err error) {
	kept, ok, err := view[json.RawMessage](m.env.Section, tableSensor, gesture+"|"+holder)
	if err != nil || !ok {
		return t, false, err
	}
	var r sensor.EarlierRecord
	if err := json.Unmarshal(kept, &r); err != nil {
		return t, false, fmt.Errorf("%w: %w", sensor.ErrEarlier, err)
	}
	if len(r.Data) == 0 {
		err = json.Unmarshal(kept, &t)
		return t, err == nil, err
	}
	d, _, err := view[sensor.Earlier](m.env.Section, tableEarlier, gesture)
	if err != nil {
		return t, false, err
	}
	t, err = d.Decrypt(ctx, m.ksp, r)
	return t, err == nil, err
}

// takeIn moves a template of an earlier version to the sensor at which it was just
// used: of what the sensor sees of the person now, for the secret that it gave.
func (m *machine) takeIn(ctx context.Context, s hello.Sensor, user person, secret []byte) error {
	holder := m.holder(user)
	t, err := sensor.EnrollFor(m.env.Rand, s.Kind, holder, sensor.Sample(s.Kind, m.face(user)), secret)
	if err != nil {
		return err
	}
	all, err := m.entries(ctx, []taken{{s, t}})
	if err != nil {
		return err
	}
	return m.env.Section.Record(ctx, func(w providers.Writer) error {
		if _, ok, err := w.Get(tableSensor, s.Kind+"|"+holder); err != nil || !ok { // somebody else was faster
			return err
		}
		return putTemplate(w, all[0])
	})
}
