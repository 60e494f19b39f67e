package soap

import (
	"encoding/xml"
	"errors"
	"reflect"
	"strings"
	"testing"

	"hellolab/providers/wire/xmltree"
)

func example() []byte {
	return Write("urn:do", func(w *xmltree.Writer) {
		w.WriteString(`<a:MessageID>urn:uuid:1</a:MessageID><a:To s:mustUnderstand="1">https://x</a:To>`)
		PutRelatesTo(w, "urn:uuid:0")
	}, func(w *xmltree.Writer) { w.Put("<x>%s</x>", "1<2") })
}

func TestMessage(t *testing.T) {
	m, err := Read(example())
	if err != nil || m.Action != "urn:do" || m.MessageID != "urn:uuid:1" || m.RelatesTo != "urn:uuid:0" || m.To != "https://x" || m.Content.Text != "1<2" {
		t.Errorf("%+v, %v", m, err)
	}
	if f, err := m.Fault(); f != nil || err != nil {
		t.Errorf("%v, %v", f, err)
	}
}

func TestFault(t *testing.T) {
	for _, sent := range []Fault{
		{RelatesTo: "urn:uuid:1", Sender: true, Subcode: xml.Name{Space: Security, Local: "FailedAuthentication"}, Reason: "No <such> user."},
		{Reason: "It broke."},
	} {
		m, err := Read(sent.Marshal("urn:fault"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := m.Fault()
		sent.Subcode.Space = ""
		if err != nil || !reflect.DeepEqual(*f, sent) || !strings.Contains(f.Error(), sent.Reason) {
			t.Errorf("%+v, %v", f, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, document := range map[string]string{
		"nothing":    "",
		"SOAP 1.1":   `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><x/></Body></Envelope>`,
		"no body":    `<Envelope xmlns="` + Namespace + `"/>`,
		"empty body": `<Envelope xmlns="` + Namespace + `"><Body/></Envelope>`,
		"two":        `<Envelope xmlns="` + Namespace + `"><Body><x/><y/></Body></Envelope>`,
		"two ids":    strings.Replace(string(example()), "<a:MessageID>", "<a:MessageID/><a:MessageID>", 1),
		"doctype":    "<!DOCTYPE x>" + string(example()),
	} {
		if m, err := Read([]byte(document)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	var f *Fault
	unknown := strings.Replace(string(example()), "</s:Header>", `<x s:mustUnderstand="1"/></s:Header>`, 1)
	if m, err := Read([]byte(unknown)); !errors.As(err, &f) || f.Subcode.Local != "MustUnderstand" || f.RelatesTo != "urn:uuid:1" {
		t.Errorf("%+v, %v", m, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(example())
	f.Add((&Fault{Reason: "x"}).Marshal("urn:fault"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Read(b)
		if err != nil {
			if !errors.Is(err, ErrMessage) && !errors.As(err, new(*Fault)) {
				t.Errorf("untyped: %v", err)
			}
			return
		}
		if _, err := m.Fault(); err != nil && !errors.Is(err, ErrMessage) {
			t.Errorf("untyped: %v", err)
		}
	})
}
