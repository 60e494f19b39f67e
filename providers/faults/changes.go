package faults

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"hellolab/providers"
)

// changes are faults by an object that is otherwise than declared: what apply
// would make of changed files.
func changes() []providers.Fault {
	device := func(name, doc string, attrs map[string]cty.Value) providers.Fault {
		return declared(name, doc, "device", attrs)
	}
	sync := func(name, doc string, attrs map[string]cty.Value) providers.Fault {
		return declared(name, doc, "sync", attrs)
	}
	one := func(name string, v cty.Value) map[string]cty.Value { return map[string]cty.Value{name: v} }
	return []providers.Fault{
		device("offline", "It is on no network.", one("network", cty.StringVal("none"))),
		device("away", "It is on the internet, without a tunnel to the domain's network.", one("network", cty.StringVal("internet"))),
		device("captive_portal", "It is on the internet behind a captive portal, at which nobody has signed in: names are answered, and connections time out.", one("network", cty.StringVal("captive"))),
		device("remote_session", "Its user is connected by Remote Desktop.", one("session", cty.StringVal("remote"))),
		device("root_missing", "It trusts no root but those of a domain that it is joined to.", one("trusted_roots", cty.ListValEmpty(cty.String))),

		sync("sync_paused", "No cycle runs by itself: its scheduler is off.", one("enabled", cty.False)),
		sync("sync_staging", "It imports and synchronizes, and exports nothing.", one("staging", cty.True)),
		sync("sync_without_key_right", "Its account may not write keys: it is no member of Key Admins.", one("key_writeback_right", cty.False)),
		sync("devices_not_written_back", "Registered devices are not written to the domain any more; those that were stay.", one("device_writeback", cty.False)),
		sync("keys_not_exported", "Registered keys wait in the tenant: they are not written to the domain.", one("key_export", cty.False)),

		misconfigured(),
	}
}

// declared is a fault by attributes of one kind.
func declared(name, doc, kind string, attrs map[string]cty.Value) providers.Fault {
	return providers.Fault{Name: name, Doc: doc, Targets: []string{kind},
		Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
			return b.Change(ctx, is.Target.Addr, attrs)
		}}
}

// misconfigured is any change of what a kind lets be changed.
func misconfigured() providers.Fault {
	return providers.Fault{
		Name: "misconfigured", Doc: "The attributes in `set` are otherwise than declared: whatever an apply could change in place.",
		Params: []providers.Attr{{Name: "set", Doc: "attributes and what they are instead, as in { strict_kdc_validation = true }.", Type: cty.DynamicPseudoType, Default: cty.NilVal, Required: true}},
		Check: func(r *providers.Registry, kind string, params map[string]cty.Value) error {
			_, err := settings(r.Type(kind), params["set"])
			return err
		},
		Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
			attrs := map[string]cty.Value{}
			for name, v := range is.Params["set"].AsValueMap() {
				ty := is.Target.In.Type().AttributeType(name)
				v, err := convert.Convert(v, ty)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				attrs[name] = v
			}
			return b.Change(ctx, is.Target.Addr, attrs)
		},
	}
}

// settings are the attributes in set, or why a kind does not take them.
func settings(t *providers.Type, set cty.Value) (map[string]cty.Value, error) {
	if t == nil || set == cty.NilVal || !set.IsKnown() {
		return nil, nil
	}
	if set.IsNull() || !set.Type().IsObjectType() || set.LengthInt() == 0 {
		return nil, fmt.Errorf("write the attributes and their values in braces, as in set = { network = \"none\" }")
	}
	if t.Update == nil {
		return nil, fmt.Errorf("a %s is never changed in place: every change replaces it", t.Name)
	}
	values := set.AsValueMap()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.IndexFunc(t.Schema.In.Attrs, func(a providers.Attr) bool { return a.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("a %s has no attribute %q; those that can be changed are %s", t.Name, name, strings.Join(changeable(t), ", "))
		case t.Schema.In.Attrs[i].Replace:
			return nil, fmt.Errorf("the attribute %s of a %s cannot be changed in place: a change replaces it", name, t.Name)
		case t.Schema.In.Attrs[i].WriteOnly:
			return nil, fmt.Errorf("the attribute %s of a %s is a secret, which a fault does not set", name, t.Name)
		case t.Schema.In.Attrs[i].Ref != nil:
			return nil, fmt.Errorf("the attribute %s of a %s is a reference, which a fault does not set", name, t.Name)
		}
		a := &t.Schema.In.Attrs[i]
		v, err := convert.Convert(values[name], a.Type)
		if err != nil {
			return nil, fmt.Errorf("the attribute %s of a %s is a %s: %w", name, t.Name, a.Type.FriendlyName(), err)
		}
		if a.Enum != nil && v.Type() == cty.String && v.IsKnown() && !v.IsNull() && !slices.Contains(a.Enum, v.AsString()) {
			return nil, fmt.Errorf("the attribute %s of a %s is one of %s", name, t.Name, strings.Join(a.Enum, ", "))
		}
		values[name] = v
	}
	return values, nil
}

// changeable are the attributes of a kind that misconfigured sets.
func changeable(t *providers.Type) (names []string) {
	for _, a := range t.Schema.In.Attrs {
		if !a.Replace && !a.WriteOnly && a.Ref == nil {
			names = append(names, a.Name)
		}
	}
	slices.Sort(names)
	return names
}
