package main

import (
	"encoding/json"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

// A tool learns from the schema which blocks have labels, at every depth.
func TestSchemaTellsLabels(t *testing.T) {
	deep := providers.Block{Attrs: []providers.Attr{{Name: "size", Type: cty.Number}}}
	got, err := json.Marshal(blockToJSON(&providers.Block{Blocks: []providers.NestedBlock{
		{Name: "controller", Labelled: true, Required: true, Block: providers.Block{Blocks: []providers.NestedBlock{{Name: "disk", Labelled: true, Block: deep}}}},
		{Name: "policy", Block: deep},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	size := `"block":{"attributes":{"size":{"type":"number"}}}`
	want := `{"attributes":{},"blocks":{` +
		`"controller":{"required":true,"labelled":true,"block":{"attributes":{},"blocks":{"disk":{"labelled":true,` + size + `}}}},` +
		`"policy":{` + size + `}}}`
	if string(got) != want {
		t.Errorf("schema is\n%s, want\n%s", got, want)
	}
}
