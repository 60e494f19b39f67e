package xmltree

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"
)

var limits = Limits{Bytes: 4096, Depth: 4, Elements: 8, Attributes: 3}

func TestParse(t *testing.T) {
	document := `<?xml version="1.0"?><!-- c --><a xmlns="n" xmlns:p="m" p:k="v"><b> x<!-- c -->y </b><p:c><d/></p:c></a>`
	root, err := Parse([]byte(document), limits)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := root.Word("n", "b"); err != nil || text != "xy" {
		t.Errorf("Word = %q, %v", text, err)
	}
	if _, err := root.Word("m", "c"); err == nil {
		t.Error("an element with elements has a word")
	}
	c, err := root.Path(xml.Name{Space: "m", Local: "c"}, xml.Name{Space: "n", Local: "d"})
	if err != nil || !c.Is("n", "d") || string(c.Raw) != "<d/>" {
		t.Errorf("Path = %+v, %v", c, err)
	}
	if c, err := root.Path(xml.Name{Space: "n", Local: "c"}); c != nil || err != nil || c.Is("n", "c") {
		t.Errorf("Path = %+v, %v", c, err)
	}
	if root.Attr("m", "k") != "v" || root.Attr("", "k") != "" || string(root.Children[0].Raw) != "<b> x<!-- c -->y </b>" || !strings.HasSuffix(document, string(root.Raw)) {
		t.Errorf("%+v", root)
	}
	n := 0
	root.All(func(*Element) { n++ })
	if n != 4 {
		t.Errorf("%d elements", n)
	}
}

func TestRefused(t *testing.T) {
	for name, document := range map[string]string{
		"nothing":        "",
		"text":           "<a/>x",
		"two":            "<a/><a/>",
		"open":           "<a>",
		"wrong end":      "<a></b>",
		"doctype":        "<!DOCTYPE a><a/>",
		"entity":         "<a>&b;</a>",
		"instruction":    "<a><?x?></a>",
		"instruction 1":  "<?x?><a/>",
		"charset":        `<?xml version="1.0" encoding="utf-16"?><a/>`,
		"attribute":      `<a b="1" b="2"/>`,
		"same attribute": `<a xmlns:p="n" xmlns:q="n" p:b="1" q:b="2"/>`,
		"attributes":     `<a b="1" c="2" d="3" e="4"/>`,
		"depth":          "<a><a><a><a><a/></a></a></a></a>",
		"elements":       "<a>" + strings.Repeat("<b/>", 8) + "</a>",
		"bytes":          "<a>" + strings.Repeat(" ", 4096) + "</a>",
	} {
		if e, err := Parse([]byte(document), limits); !errors.Is(err, ErrXML) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	strict := limits
	strict.NoComments = true
	if e, err := Parse([]byte("<a><!----></a>"), strict); !errors.Is(err, ErrXML) {
		t.Errorf("comment: %+v, %v", e, err)
	}
	root, err := Parse([]byte("<a><b/><b/></a>"), limits)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.Word("", "b"); !errors.Is(err, ErrXML) {
		t.Errorf("one of two: %v", err)
	}
}

func TestWriter(t *testing.T) {
	w := &Writer{}
	w.Put(`<a b="%s">%s</a>`, `"<`, "&>")
	root, err := Parse([]byte(w.String()), limits)
	if err != nil || root.Attr("", "b") != `"<` || root.Text != "&>" {
		t.Errorf("%s: %+v, %v", w.String(), root, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`<a xmlns="n"><b>x</b><!-- --></a>`, `<?xml version="1.0"?><a/>`, "<!DOCTYPE a><a/>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		root, err := Parse(b, limits)
		if err != nil {
			if !errors.Is(err, ErrXML) {
				t.Errorf("untyped: %v", err)
			}
			return
		}
		n := 0
		root.All(func(e *Element) {
			if n++; !strings.HasPrefix(string(e.Raw), "<") || !strings.HasSuffix(string(e.Raw), ">") {
				t.Errorf("raw %q", e.Raw)
			}
		})
		if n > limits.Elements {
			t.Errorf("%d elements", n)
		}
	})
}
