package hello

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// Intune's tenant-wide policy ("Windows enrollment > Windows Hello for
// Business") reaches a device of the tenant when it is enrolled in device
// management, which is here when it joins, and never again: a device keeps what
// it got ("Configure Windows Hello for Business"). What it got is part of what
// the device learned, so that planning knows it, too.

// EnrollmentPolicies returns the tenant-wide policies that a device gets when it
// is enrolled now, as it keeps them: JSON, "" for none.
func EnrollmentPolicies(objects providers.Objects) (string, error) {
	all, err := objects.List("policy")
	if err != nil {
		return "", err
	}
	kept := map[string]json.RawMessage{}
	for _, rec := range all {
		if attribute(rec, "source") != spec.SourceTenantWide {
			continue
		}
		if kept[rec.Addr], err = withoutNulls(rec.In); err != nil {
			return "", fmt.Errorf("%s: %w", rec.Addr, err)
		}
	}
	if len(kept) == 0 {
		return "", nil
	}
	text, err := json.Marshal(kept)
	return string(text), err
}

// withoutNulls is an object as JSON, without what is not set in it.
func withoutNulls(v cty.Value) (json.RawMessage, error) {
	set := map[string]any{}
	for name, a := range v.AsValueMap() {
		switch {
		case a.IsNull() || !a.IsWhollyKnown():
			continue
		case a.Type().IsObjectType():
			inner, err := withoutNulls(a)
			if err != nil {
				return nil, err
			}
			set[name] = inner
		default:
			set[name] = ctyjson.SimpleJSONValue{Value: a}
		}
	}
	return json.Marshal(set)
}

// enrolledPolicies reads what EnrollmentPolicies wrote.
func enrolledPolicies(text string) ([]*Policy, error) {
	if text == "" {
		return nil, nil
	}
	var kept map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return nil, err
	}
	empty, err := providers.Encode(spec.Policy{}, providers.KeepZero)
	if err != nil {
		return nil, err
	}
	var found []*Policy
	for _, addr := range sortedKeys(kept) {
		v, err := ctyjson.Unmarshal(kept[addr], empty.Type())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", addr, err)
		}
		p := &Policy{Object: providers.Object[spec.Policy, spec.PolicyOut]{Addr: addr}}
		if p.In, err = providers.Decode[spec.Policy](v); err != nil {
			return nil, fmt.Errorf("%s: %w", addr, err)
		}
		found = append(found, p)
	}
	return found, nil
}

// enrolledUnder returns the tenant-wide policies of a device: those it got when
// it was enrolled, or will get.
func (w *World) enrolledUnder(device string) []*Policy {
	d := w.Devices[device]
	switch {
	case d == nil || d.In.Tenant == "" || d.In.Join == string(DomainJoined):
		return nil
	case d.Exists():
		return d.enrolled
	}
	var reach []*Policy
	for _, p := range w.Policies {
		if p.In.Source == spec.SourceTenantWide {
			reach = append(reach, p)
		}
	}
	return reach
}

// samePolicy reports whether two policies set the same.
func samePolicy(a, b spec.Policy) bool {
	x, err := providers.Encode(a, providers.KeepZero)
	y, err2 := providers.Encode(b, providers.KeepZero)
	if err != nil || err2 != nil {
		return false
	}
	first, err := withoutNulls(x)
	second, err2 := withoutNulls(y)
	return err == nil && err2 == nil && string(first) == string(second)
}

// withForm returns a tenant-wide policy that turns Hello on with what Intune's
// form fills in where nobody changes it; others as they are.
func withForm(p *Policy) *Policy {
	if use, _ := deref(p.In.UsePassportForWork); p.In.Source != spec.SourceTenantWide || !use {
		return p
	}
	filled := *p
	fill(&filled.In.RequireSecurityDevice, true)
	c := spec.PINComplexity{}
	if p.In.PINComplexity != nil {
		c = *p.In.PINComplexity
	}
	fill(&c.MinimumPINLength, 6)
	fill(&c.MaximumPINLength, LongestPIN)
	fill(&c.History, 5)
	fill(&c.Expiration, 41)
	for _, class := range []*string{&c.UppercaseLetters, &c.LowercaseLetters, &c.SpecialCharacters} {
		if *class == "" {
			*class = string(Forbid)
		}
	}
	filled.In.PINComplexity = &c
	return &filled
}

// fill sets what is not set.
func fill[T any](p **T, v T) {
	if *p == nil {
		*p = &v
	}
}
