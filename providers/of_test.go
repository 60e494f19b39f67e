package providers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/spec"
)

func TestSpecsAreReadable(t *testing.T) {
	for name, schema := range map[string]*providers.Schema{
		"tenant":     schemaOf[spec.Tenant, spec.TenantOut](),
		"group":      schemaOf[spec.Group, spec.GroupOut](),
		"user":       schemaOf[spec.User, spec.UserOut](),
		"device":     schemaOf[spec.Device, spec.DeviceOut](),
		"policy":     schemaOf[spec.Policy, spec.PolicyOut](),
		"enrollment": schemaOf[spec.Enrollment, spec.EnrollmentOut](),
	} {
		if !schema.InType.IsObjectType() || !schema.OutType.IsObjectType() {
			t.Errorf("%s: types are %#v and %#v", name, schema.InType, schema.OutType)
		}
	}
}

func schemaOf[In, Out any]() *providers.Schema { return kindOf[In, Out](nil).Schema }

func kindOf[In, Out any](change func(*providers.Kind[In, Out])) providers.Type {
	k := providers.Kind[In, Out]{
		Name:   "sample",
		Key:    func(In) string { return "key" },
		Create: func(context.Context, providers.Env, In) (Out, error) { var o Out; return o, nil },
		Update: func(context.Context, providers.Env, providers.Object[In, Out], In) (Out, error) {
			var o Out
			return o, nil
		},
	}
	if change != nil {
		change(&k)
	}
	return providers.Of(k)
}

func TestTenantSchema(t *testing.T) {
	s := schemaOf[spec.Tenant, spec.TenantOut]()
	in, err := s.Complete(cty.ObjectVal(map[string]cty.Value{
		"domains": cty.TupleVal([]cty.Value{cty.StringVal("contoso.com")}),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if !in.Type().Equals(s.InType) {
		t.Errorf("completed value is %#v, want %#v", in.Type(), s.InType)
	}
	if p := s.CheckValue(in); len(p) > 0 {
		t.Errorf("a good tenant is refused: %v", p)
	}
	tenant, err := providers.Decode[spec.Tenant](in)
	if err != nil {
		t.Fatal(err)
	}
	want := spec.TenantLifetimes{Nonce: 5 * time.Minute, MFA: 10 * time.Minute, AccessToken: time.Hour, PRT: 14 * 24 * time.Hour, PRTRenewal: 4 * time.Hour}
	if tenant.Lifetimes == nil || *tenant.Lifetimes != want {
		t.Errorf("lifetimes = %+v, want the defaults %+v", tenant.Lifetimes, want)
	}
	if tenant.Authentication != "managed" || tenant.Attestation != "preferred" {
		t.Errorf("defaults not filled in: %+v", tenant)
	}
}

func TestWrongTagsPanic(t *testing.T) {
	type out struct{}
	cases := map[string]struct {
		of   func()
		says string
	}{
		"option": {func() {
			schemaOf[struct {
				A string `lab:"a,requird"`
			}, out]()
		}, "requird"},
		"name": {func() {
			schemaOf[struct {
				A string `lab:"A"`
			}, out]()
		}, "snake case"},
		"no tag": {func() { schemaOf[struct{ A string }, out]() }, "lab tag"},
		"type": {func() {
			schemaOf[struct {
				A chan int `lab:"a"`
			}, out]()
		}, "chan int"},
		"twice": {func() {
			schemaOf[struct {
				A, B string `lab:"a"`
			}, out]()
		}, "another field"},
		"ref": {func() {
			schemaOf[struct {
				A providers.Ref `lab:"a"`
			}, out]()
		}, "ref tag"},
		"secret": {func() {
			schemaOf[struct {
				A providers.Secret `lab:"a"`
			}, out]()
		}, "writeonly"},
		"enum": {func() {
			schemaOf[struct {
				A int `lab:"a" enum:"1"`
			}, out]()
		}, "enum"},
		"default": {func() {
			schemaOf[struct {
				A time.Duration `lab:"a" default:"5x"`
			}, out]()
		}, "5x"},
		"default enum": {func() {
			schemaOf[struct {
				A string `lab:"a" default:"c" enum:"a,b"`
			}, out]()
		}, `"c"`},
		"required": {func() {
			schemaOf[struct {
				A string `lab:"a,required" default:"x"`
			}, out]()
		}, "no default"},
		"block": {func() {
			schemaOf[struct {
				A string `lab:"a,block"`
			}, out]()
		}, "pointer to a struct"},
		"later, of no reference": {func() {
			schemaOf[struct {
				A string `lab:"a,later"`
			}, out]()
		}, "that may be absent"},
		"later, and required": {func() {
			schemaOf[struct {
				A providers.Ref `lab:"a,later,required" ref:"user"`
			}, out]()
		}, "that may be absent"},
		"later, in a block": {func() {
			schemaOf[struct {
				A *struct {
					B providers.Ref `lab:"b,later" ref:"user"`
				} `lab:"a,block"`
			}, out]()
		}, "do not belong in a block"},
		"later, without Update": {func() {
			kindOf(func(k *providers.Kind[struct {
				A providers.Ref `lab:"a,later" ref:"user"`
			}, out]) {
				k.Update = nil
			})
		}, "there is no Update"},
		"blocks": {func() {
			schemaOf[struct {
				A *pet `lab:"a,blocks"`
			}, out]()
		}, "by string"},
		"blocks of any": {func() {
			schemaOf[struct {
				A map[string]*anything `lab:"a,blocks"`
			}, out]()
		}, "of one type"},
		"both sorts of block": {func() {
			schemaOf[struct {
				A *pet `lab:"a,block,blocks"`
			}, out]()
		}, "it has none"},
		"blocks of values": {func() {
			schemaOf[struct {
				A map[string]pet `lab:"a,blocks"`
			}, out]()
		}, "pointer to a struct"},
		"recursive": {func() { schemaOf[recursive, out]() }, "contains itself"},
		"address": {func() {
			schemaOf[struct {
				A string `lab:"address"`
			}, out]()
		}, "belongs to the language"},
		"id in In": {func() {
			schemaOf[struct {
				A string `lab:"a,id"`
			}, out]()
		}, "for Out"},
		"out required": {func() {
			schemaOf[out, struct {
				A string `lab:"a,required"`
			}]()
		}, "for In"},
		"both": {func() {
			schemaOf[struct {
				A string `lab:"a"`
			}, struct {
				A string `lab:"a"`
			}]()
		}, "In has"},
		"two ids": {func() {
			schemaOf[out, struct {
				A string `lab:"a,id"`
				B string `lab:"b,id"`
			}]()
		}, "second id"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			defer func() {
				msg, _ := recover().(string)
				if !strings.Contains(msg, c.says) || !strings.Contains(msg, "kind sample") {
					t.Errorf("panic says %q, want the kind and %q", msg, c.says)
				}
			}()
			c.of()
		})
	}
}

type recursive struct {
	Again *recursive `lab:"again,block"`
}

type pet struct {
	Name   string           `lab:"name,required"`
	Note   string           `lab:"note"`
	Walk   time.Duration    `lab:"walk" default:"30m"`
	Secret providers.Secret `lab:"secret,writeonly"`
}

type anything struct {
	Any cty.Value `lab:"any"`
}

type petOut struct {
	Tag string    `lab:"tag,id"`
	Any cty.Value `lab:"any"`
}

func petIn(t *testing.T, s *providers.Schema, attrs map[string]cty.Value) cty.Value {
	t.Helper()
	v, err := s.Complete(cty.ObjectVal(attrs))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestContractIsEnforced(t *testing.T) {
	result := petOut{Tag: "1"}
	var err error
	var kept providers.Secret
	typ := kindOf(func(k *providers.Kind[pet, petOut]) {
		k.Create = func(_ context.Context, _ providers.Env, in pet) (petOut, error) {
			kept = in.Secret
			return result, err
		}
		k.Update = func(context.Context, providers.Env, providers.Object[pet, petOut], pet) (petOut, error) {
			return result, err
		}
		k.Read = func(_ context.Context, _ providers.Env, o providers.Object[pet, petOut]) (providers.Object[pet, petOut], error) {
			return providers.Object[pet, petOut]{In: pet{Name: o.In.Name, Walk: time.Hour, Secret: providers.Secret("pin")}, Out: result}, err
		}
	})
	ctx, env := t.Context(), providers.Env{Addr: "sample.a"}
	in := petIn(t, typ.Schema, map[string]cty.Value{
		"name": cty.StringVal("rex"), "note": cty.StringVal(""), "walk": cty.StringVal("60m"), "secret": cty.StringVal("hunter2"),
	})
	out, e := typ.Create(ctx, env, in)
	if e != nil || !out.GetAttr("tag").RawEquals(cty.StringVal("1")) {
		t.Fatalf("Create = %#v, %v", out, e)
	}
	if string(kept) != strings.Repeat("\x00", 7) {
		t.Errorf("the secret was not wiped after Create: %q", []byte(kept))
	}

	rec := providers.Record{Addr: "sample.a", Kind: "sample", ID: "1", In: in, Out: out}
	got, e := typ.Read(ctx, env, rec)
	if e != nil {
		t.Fatal(e)
	}
	if want := typ.Schema.WithoutWriteOnly(in); !got.In.RawEquals(want) {
		t.Errorf("Read.In = %#v, want as written without the secret: %#v", got.In, want)
	}

	for name, bad := range map[string]struct {
		out  petOut
		in   cty.Value
		says string
	}{
		"no id":      {petOut{}, in, "id empty"},
		"unknown":    {petOut{Tag: "1", Any: cty.UnknownVal(cty.String)}, in, "not wholly known"},
		"marked":     {petOut{Tag: "1", Any: cty.StringVal("x").Mark("m")}, in, "marks"},
		"unknown in": {petOut{Tag: "1"}, petIn(t, typ.Schema, map[string]cty.Value{"name": cty.UnknownVal(cty.String)}), "not wholly known"},
	} {
		result = bad.out
		if _, e := typ.Create(ctx, env, bad.in); e == nil || !strings.Contains(e.Error(), bad.says) || !strings.Contains(e.Error(), "kind sample") {
			t.Errorf("%s: Create says %v, want the kind and %q", name, e, bad.says)
		}
	}
	result = petOut{Tag: "2"}
	if _, e := typ.Update(ctx, env, rec, in); e == nil || !strings.Contains(e.Error(), "changed the id") {
		t.Errorf("Update to another id: %v", e)
	}
	if _, e := typ.Read(ctx, env, rec); e == nil || !strings.Contains(e.Error(), "another object") {
		t.Errorf("Read of another object: %v", e)
	}
	err = providers.ErrGone
	if _, e := typ.Read(ctx, env, rec); !errors.Is(e, providers.ErrGone) {
		t.Errorf("Read of a gone object: %v", e)
	}
	if _, e := typ.Find(ctx, env, "k"); !errors.Is(e, providers.ErrGone) {
		t.Errorf("a kind without Find finds %v, want ErrGone", e)
	}
}

func TestPredict(t *testing.T) {
	typ := kindOf(func(k *providers.Kind[pet, petOut]) {
		k.Predict = func(in pet) petOut { return petOut{Any: cty.StringVal(in.Name)} }
	})
	got := typ.Predict(petIn(t, typ.Schema, map[string]cty.Value{"name": cty.StringVal("rex")}))
	want := cty.ObjectVal(map[string]cty.Value{"tag": cty.UnknownVal(cty.String), "any": cty.StringVal("rex")})
	if !got.RawEquals(want) {
		t.Errorf("Predict = %#v, want %#v", got, want)
	}
	none := kindOf[pet, petOut](nil).Predict(cty.UnknownVal(typ.Schema.InType))
	if none.IsWhollyKnown() || !none.Type().HasAttribute("tag") {
		t.Errorf("a kind that predicts nothing predicts %#v", none)
	}
}
