package plan_test

import (
	"testing"

	"hellolab/engine/internal/rig"
)

const small = `
site "a" { name = "a" }
person "ann" {
  site = site.a
  name = "ann"
  secret = "s3cret"
}
machine "m" {
  site = site.a
  name = "m"
}
pass "p" {
  person = person.ann
  machine = machine.m
  pin = "1234"
}
value "v" { input = { id = pass.p.id, who = person.ann } }
output "id" { value = value.v.output }
`

func TestFirst(t *testing.T) {
	r := rig.New(t)
	p, e := r.MustPlan(t, small)
	for i, s := range p.Steps {
		t.Logf("%d %s %s %v eval=%v", i, s.Action, s.Addr, s.After, s.Evaluate)
	}
	res, diags := r.Apply(p, e)
	t.Log(res, rig.Diagnostics(diags))
	for _, ev := range r.Events {
		t.Log(ev.Message())
	}
	r.MustConverge(t, small)
}
