package record

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/state"
)

type rules struct {
	Digits string `lab:"digits" default:"allowed" doc:"Digits."`
}

type drive struct {
	Size int `lab:"size" doc:"Size."`
}

type oldIn struct {
	Name   string            `lab:"name" doc:"Name."`
	Export bool              `lab:"export" default:"true" doc:"Export."`
	Gone   string            `lab:"gone" doc:"Of then."`
	Rules  *rules            `lab:"rules,block" doc:"Rules."`
	Drives map[string]*drive `lab:"drive,blocks" doc:"Drives."`
}

type oldOut struct {
	ID   string `lab:"id,id" doc:"Identity."`
	Word string `lab:"word" doc:"Of then."`
}

type newRules struct {
	Digits string        `lab:"digits" default:"allowed" doc:"Digits."`
	Length int           `lab:"length" default:"6" doc:"Length."`
	Wait   time.Duration `lab:"wait" doc:"Wait."`
}

type newDrive struct {
	Size int  `lab:"size" doc:"Size."`
	Fast bool `lab:"fast" default:"true" doc:"Fast."`
}

type newIn struct {
	Name     string               `lab:"name" doc:"Name."`
	Export   bool                 `lab:"export" default:"true" doc:"Export."`
	Schedule *drive               `lab:"schedule,block" doc:"Without defaults."`
	Life     *newRules            `lab:"life,block" doc:"With defaults."`
	Interval time.Duration        `lab:"interval" default:"30m" doc:"Interval."`
	List     []string             `lab:"list" doc:"List."`
	Rules    *newRules            `lab:"rules,block" doc:"Rules."`
	Drives   map[string]*newDrive `lab:"drive,blocks" doc:"Drives."`
}

type newOut struct {
	ID   string `lab:"id,id" doc:"Identity."`
	Next string `lab:"next,volatile" doc:"Of now."`
}

// blockIn has a block where oldIn has an attribute.
type blockIn struct {
	Name   string `lab:"name" doc:"Name."`
	Export *drive `lab:"export,block" doc:"Export."`
}

func kind[In, Out any]() *providers.Type {
	t := providers.Of(providers.Kind[In, Out]{Name: "thing", Doc: "A thing.",
		Create: func(context.Context, providers.Env, In) (o Out, err error) { return o, nil }})
	return &t
}

// stored is a thing as a version with the schema of old stored it.
func stored(t *testing.T) state.Object {
	t.Helper()
	old := kind[oldIn, oldOut]()
	in, err := providers.Encode(oldIn{Name: "a", Export: false, Gone: "x", Rules: &rules{Digits: "required"}, Drives: map[string]*drive{"c": {Size: 7}}}, providers.KeepZero)
	if err != nil {
		t.Fatal(err)
	}
	out, err := providers.Encode(oldOut{ID: "7", Word: "then"}, providers.KeepZero)
	if err != nil {
		t.Fatal(err)
	}
	o := state.Object{Addr: "thing.a", Kind: "thing", ID: "7"}
	if o.In, o.Out, err = Encode(old, in, out); err != nil {
		t.Fatal(err)
	}
	return o
}

// What an earlier version stored is read as the kind is now.
func TestAdapt(t *testing.T) {
	o := stored(t)
	if _, adapted, err := DecodeAdapted(kind[oldIn, oldOut](), o); err != nil || adapted {
		t.Fatalf("by the same version: %v, %v", adapted, err)
	}
	now := kind[newIn, newOut]()
	rec, adapted, err := DecodeAdapted(now, o)
	if err != nil || !adapted || rec.ID != "7" {
		t.Fatalf("%v, %v", adapted, err)
	}
	in, err := providers.Decode[newIn](rec.In)
	if err != nil {
		t.Fatal(err)
	}
	if in.Name != "a" || in.Export || in.Schedule != nil || in.Interval != 30*time.Minute || in.List != nil ||
		in.Life == nil || in.Life.Length != 6 || in.Rules.Digits != "required" || in.Rules.Length != 6 || in.Drives["c"].Size != 7 || !in.Drives["c"].Fast {
		t.Errorf("%+v %+v", in, in.Rules)
	}
	if out := rec.Out; out.GetAttr("id").AsString() != "7" || !out.GetAttr("next").IsNull() || out.Type().HasAttribute("word") {
		t.Errorf("%#v", out)
	}
	// It is stored again as of now.
	if o.In, o.Out, err = Encode(now, rec.In, rec.Out); err != nil {
		t.Fatal(err)
	}
	if again, adapted, err := DecodeAdapted(now, o); err != nil || adapted || !again.In.RawEquals(rec.In) {
		t.Errorf("stored again: %v, %v", adapted, err)
	}
}

// An object that was not created has learned nothing.
func TestAdaptUncreated(t *testing.T) {
	o := stored(t)
	var err error
	if _, o.Out, err = Encode(kind[oldIn, oldOut](), cty.NullVal(kind[oldIn, oldOut]().Schema.InType), cty.NullVal(kind[oldIn, oldOut]().Schema.OutType)); err != nil {
		t.Fatal(err)
	}
	if rec, err := Decode(kind[newIn, newOut](), o); err != nil || !rec.Out.IsNull() || !rec.Out.Type().Equals(kind[newIn, newOut]().Schema.OutType) {
		t.Errorf("%#v, %v", rec.Out, err)
	}
}

// What became something else is named, and damage is no panic.
func TestAdaptRefuses(t *testing.T) {
	_, err := Decode(kind[blockIn, oldOut](), stored(t))
	if err == nil || !strings.Contains(err.Error(), "thing.a") || !strings.Contains(err.Error(), "bool where an object is needed") {
		t.Errorf("%v", err)
	}
	good := stored(t)
	for i := range good.In {
		for _, b := range []byte{0, 0x7f, 0xc0, 0xdf, 0xff} {
			o := good
			o.In = append([]byte(nil), good.In...)
			o.In[i] = b
			_, _ = Decode(kind[newIn, newOut](), o)
		}
		o := good
		o.In = good.In[:i]
		if _, err := Decode(kind[newIn, newOut](), o); err == nil {
			t.Errorf("cut at %d: no error", i)
		}
	}
}
