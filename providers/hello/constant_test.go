package hello

import (
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
)

// The numbers of the documents are the defaults of the language.
func TestConstantsOfTheDocuments(t *testing.T) {
	seed.Proves(t, "CONST-01")
	seed.Proves(t, "CONST-02")
	life, err := providers.Decode[spec.TenantLifetimes](cty.EmptyObjectVal)
	if err != nil {
		t.Fatal(err)
	}
	if life.MFA != 10*time.Minute || life.Nonce != 5*time.Minute || life.PRTRenewal != 4*time.Hour {
		t.Errorf("%+v", life)
	}
}

// Every lifetime says where it comes from, "ours" included.
func TestConstantsNameTheirSource(t *testing.T) {
	seed.Proves(t, "MOD-17")
	seed.Proves(t, "CONST-08")
	source := regexp.MustCompile(`\((seeds? 00[0-4]|ours|[^)]*documentation)`)
	life := reflect.TypeFor[spec.TenantLifetimes]()
	for i := range life.NumField() {
		if doc := life.Field(i).Tag.Get("doc"); !source.MatchString(doc) {
			t.Errorf("%s: %q names no source", life.Field(i).Name, doc)
		}
	}
}
