package inspect

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Node is one thing that was recognised.
type Node struct {
	Type  string // name of its decoder
	Title string
	Fields
}

// Fields are what a thing is made of, in its own order.
type Fields []Field

// Field is one part. Value is a string, bool, number (int, int64, uint64,
// json.Number) or nil; Fields; a *Node; or a []any of these. Note explains the
// value to a person.
type Field struct {
	Name  string
	Value any
	Note  string
}

func (f *Fields) add(name string, value any) { *f = append(*f, Field{Name: name, Value: value}) }
func (f *Fields) noted(name string, value any, note string) {
	*f = append(*f, Field{name, value, note})
}
func (f *Fields) addf(name, format string, args ...any) { f.add(name, fmt.Sprintf(format, args...)) }
func (f *Fields) bytes(name string, b []byte) {
	if len(b) == 0 {
		f.add(name, "(empty)")
		return
	}
	f.noted(name, hex.EncodeToString(b), size(b))
}
func (f *Fields) time(name string, at time.Time, now time.Time) {
	f.noted(name, at.UTC().Format(time.RFC3339), relative(at, now))
}

// text adds a text if there is one.
func (f *Fields) text(name, value string) {
	if value != "" {
		f.add(name, value)
	}
}

func size(b []byte) string {
	if len(b) == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", len(b))
}

// concealed stands for a secret.
func concealed(text string) string {
	if n := len([]rune(text)); n != 1 {
		return fmt.Sprintf("(%d characters)", n)
	}
	return "(1 character)"
}

// relative says how far at lies from now: "in 3 days", "2 hours ago".
func relative(at, now time.Time) string {
	d := now.Sub(at)
	form := "%s ago"
	if d < 0 {
		d, form = -d, "in %s"
	}
	units := []struct {
		of   time.Duration
		name string
	}{{365 * 24 * time.Hour, "year"}, {24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}}
	for _, u := range units {
		if n := d / u.of; n > 0 {
			s := fmt.Sprintf("%d %s", n, u.name)
			if n > 1 {
				s += "s"
			}
			return fmt.Sprintf(form, s)
		}
	}
	return "now"
}

// MarshalJSON writes {"type", "title", "fields", "notes"}. Fields keep their
// order; notes are by the path of their field.
func (n *Node) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	notes := Fields{}
	collect(&notes, "", n.Fields)
	fields, err := n.Fields.MarshalJSON()
	if err != nil {
		return nil, err
	}
	head, err := json.Marshal(struct {
		Type  string `json:"type"`
		Title string `json:"title"`
	}{n.Type, n.Title})
	if err != nil {
		return nil, err
	}
	b.Write(bytes.TrimSuffix(head, []byte("}")))
	b.WriteString(`,"fields":`)
	b.Write(fields)
	if len(notes) > 0 {
		data, err := notes.MarshalJSON()
		if err != nil {
			return nil, err
		}
		b.WriteString(`,"notes":`)
		b.Write(data)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// MarshalJSON writes an object, names with "_" for blanks.
func (f Fields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, field := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(jsonName(field.Name))
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(field.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func jsonName(name string) string { return strings.ReplaceAll(name, " ", "_") }

// collect gathers the notes of fields; a node inside keeps its own.
func collect(notes *Fields, path string, f Fields) {
	for _, field := range f {
		name := path + jsonName(field.Name)
		if field.Note != "" {
			notes.add(name, field.Note)
		}
		if inner, ok := field.Value.(Fields); ok {
			collect(notes, name+".", inner)
		}
	}
}
