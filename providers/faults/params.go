package faults

import (
	"fmt"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

func duration(name, doc string, required bool) providers.Attr {
	return providers.Attr{Name: name, Doc: doc, Type: cty.String, Default: cty.NilVal, Required: required}
}

// check is what a fault's Check does with the text of one parameter.
func check(name string, fn func(text string) error) func(*providers.Registry, string, map[string]cty.Value) error {
	return func(_ *providers.Registry, _ string, params map[string]cty.Value) error {
		v, ok := params[name]
		if !ok || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
			return nil
		}
		return fn(v.AsString())
	}
}

func positive(name string) func(*providers.Registry, string, map[string]cty.Value) error {
	return check(name, func(text string) error {
		d, err := providers.ParseDuration(text)
		if err == nil && d <= 0 {
			err = fmt.Errorf("%s must be more than zero", name)
		}
		return err
	})
}

func someDuration(name string) func(*providers.Registry, string, map[string]cty.Value) error {
	return check(name, func(text string) error {
		d, err := signedDuration(text)
		if err == nil && d == 0 {
			err = fmt.Errorf("%s must not be zero", name)
		}
		return err
	})
}

// signedDuration reads a duration that may begin with a minus.
func signedDuration(text string) (time.Duration, error) {
	rest, behind := strings.CutPrefix(text, "-")
	d, err := providers.ParseDuration(rest)
	if behind {
		d = -d
	}
	return d, err
}
