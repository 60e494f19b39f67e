package eval

import (
	"context"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"hellolab/hcl/budget"
	"hellolab/hcl/config"
	"hellolab/providers"
)

func (r *run) outputs(src source, s *session, diags *hcl.Diagnostics) []Output {
	var out []Output
	for _, o := range r.e.outputs {
		if o.invalid {
			continue
		}
		if one, ok := r.output(o, src, s, diags); ok {
			out = append(out, one)
		}
	}
	return out
}

func (r *run) output(o *outputNode, src source, s *session, diags *hcl.Diagnostics) (Output, bool) {
	defer survive(o.Range, diags)
	sc := r.scope(&o.unit, src, s.root)
	v, more := o.Expr.Value(sc.ctx)
	more = append(sc.diags, more...)
	*diags = append(*diags, more...)
	if more.HasErrors() || sc.failed {
		return Output{}, false
	}
	v, marks := v.UnmarkDeep()
	if _, secret := marks[Sensitive]; secret && !o.Sensitive {
		rng := o.Expr.Range()
		*diags = append(*diags, errorf(&rng, "Sensitive output", "The output %q is made of sensitive values, so it would show them. Add sensitive = true to it.", o.Name))
		return Output{}, false
	}
	return Output{Name: o.Name, Value: v, Sensitive: o.Sensitive, Range: o.Range}, true
}

// signInBlock is the schema of sign_in. The kinds a sign-in can be to are
// those of the ones named here that the program has.
func (e *Evaluator) signInBlock() providers.Block {
	var to []string
	for _, kind := range []string{"tenant", "domain", "application", "service"} {
		if e.registry.Type(kind) != nil {
			to = append(to, kind)
		}
	}
	if to == nil {
		to = []string{"tenant"}
	}
	str := func(name, doc string) providers.Attr {
		return providers.Attr{Name: name, Doc: doc, Type: cty.String, Default: cty.NilVal}
	}
	user, device := str("user", "who signs in."), str("device", "on which device.")
	user.Ref, user.Required = []string{"user"}, true
	device.Ref, device.Required = []string{"device"}, true
	pin, password, gesture := str("pin", "the PIN typed."), str("password", "the password typed."), str("gesture", "the gesture made.")
	pin.WriteOnly, password.WriteOnly = true, true
	gesture.Enum = []string{"face", "fingerprint"}
	targets := providers.Attr{Name: "to", Doc: "what is reached with it.", Type: cty.List(cty.String), Default: cty.NilVal, Ref: to}
	return providers.Block{Attrs: []providers.Attr{user, device, pin, password, gesture, targets}}
}

// signInKind is the pseudo kind under which the decoder of sign_in is kept; no
// configuration can write the name.
const signInKind = "sign_in block of check"

func (e *Evaluator) signInDecoder() *decoder {
	d, ok := e.kinds[signInKind]
	if !ok {
		d = newDecoder("sign_in", e.signInBlock())
		e.kinds[signInKind] = d
	}
	return d
}

func (e *Evaluator) linkCheck(c *config.Check) (*checkNode, hcl.Diagnostics) {
	n := &checkNode{Check: c, ranges: map[string]hcl.Range{}}
	at := site{}
	diags := e.collect(&n.unit, at, c.After, c.Expect)
	for _, a := range c.Asserts {
		diags = append(diags, e.collect(&n.unit, at, a.Condition, a.ErrorMessage)...)
	}
	if c.SignIn != nil {
		d := e.signInDecoder()
		diags = append(diags, d.checkBody(c.SignIn, n.ranges)...)
		diags = append(diags, e.collectBody(&n.unit, at, c.SignIn)...)
		told := e.secrets(d.block, &config.Object{Body: c.SignIn, Range: c.SignInRange})
		if !expectsRefusal(c.Expect) { // a secret that is to be refused is none
			diags = append(diags, told...)
		}
		ways := slices.DeleteFunc([]string{"pin", "password", "gesture"}, func(name string) bool {
			_, written := c.SignIn.Attributes[name]
			return !written
		})
		if len(ways) != 1 && !slices.Equal(ways, []string{"pin", "gesture"}) {
			diags = append(diags, errorf(&c.SignInRange, "Wrong sign-in", "A sign_in block has exactly one of pin, gesture and password; pin and gesture where policy demands two factors."))
		}
	}
	n.invalid = diags.HasErrors()
	return n, diags
}

// expectsRefusal reports whether expect is, word for word, a reason to refuse.
func expectsRefusal(expect hclsyntax.Expression) bool {
	if expect == nil || len(expect.Variables()) > 0 {
		return false
	}
	v, diags := expect.Value(budget.New(context.Background(), budget.Limits{}).Scope())
	return !diags.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() && v.AsString() != "success"
}

func (r *run) checks(src source, s *session, diags *hcl.Diagnostics) []Check {
	var out []Check
	for _, n := range r.e.checks {
		if n.invalid {
			continue
		}
		sc := r.scope(&n.unit, src, s.root)
		before := len(*diags)
		*diags = append(*diags, sc.diags...)
		if sc.failed || sc.diags.HasErrors() {
			continue
		}
		c := r.check(n, sc, s, diags)
		if !(*diags)[before:].HasErrors() {
			out = append(out, c)
		}
	}
	return out
}

func (r *run) check(n *checkNode, sc *scope, s *session, diags *hcl.Diagnostics) Check {
	defer survive(n.Range, diags)
	c := Check{Name: n.Name, Range: n.Range}
	if c.After = text(n.After, sc, "after", diags); c.After != "" {
		if _, err := providers.ParseDuration(c.After); err != nil {
			rng := n.After.Range()
			*diags = append(*diags, errorf(&rng, "Invalid duration", "%s.", sentence(err.Error())))
		}
	}
	c.Expect = text(n.Expect, sc, "expect", diags)
	if n.Check.SignIn != nil {
		if c.Expect == "" {
			c.Expect = "success"
		}
		dec, more := r.e.signInDecoder().decode(n.Check.SignIn, sc.ctx, n.ranges, s.meter, r.known)
		*diags = append(*diags, more...)
		if !more.HasErrors() {
			c.SignIn = signIn(dec.value, n.SignInRange)
		}
	}
	for _, a := range n.Asserts {
		v, more := a.Condition.Value(sc.ctx)
		*diags = append(*diags, more...)
		v, _ = v.Unmark()
		cond, err := convert.Convert(v, cty.Bool)
		if err != nil || cond.IsKnown() && cond.IsNull() {
			if !more.HasErrors() {
				rng := a.Condition.Range()
				*diags = append(*diags, errorf(&rng, "Invalid condition", "A condition is true or false."))
			}
			continue
		}
		c.Asserts = append(c.Asserts, Assert{Condition: cond, Message: message(a.ErrorMessage, sc.ctx, diags), Range: a.Range})
	}
	return c
}

func signIn(v cty.Value, rng hcl.Range) *SignIn {
	str := func(name string) string {
		s, _ := v.GetAttr(name).Unmark()
		if s.IsNull() || !s.IsKnown() {
			return ""
		}
		return s.AsString()
	}
	s := &SignIn{
		User: str("user"), Device: str("device"), Gesture: str("gesture"),
		PIN: v.GetAttr("pin"), Password: v.GetAttr("password"), Range: rng,
	}
	if to, _ := v.GetAttr("to").Unmark(); !to.IsNull() && to.IsKnown() {
		for it := to.ElementIterator(); it.Next(); {
			_, e := it.Element()
			s.To = append(s.To, e.AsString())
		}
	}
	return s
}

// text evaluates an expression to a known, plain string; "" when absent or wrong.
func text(e hclsyntax.Expression, sc *scope, what string, diags *hcl.Diagnostics) string {
	if e == nil {
		return ""
	}
	v, more := e.Value(sc.ctx)
	*diags = append(*diags, more...)
	v, marks := v.Unmark()
	s, err := convert.Convert(v, cty.String)
	if more.HasErrors() {
		return ""
	}
	if err != nil || !s.IsKnown() || s.IsNull() || len(marks) > 0 {
		rng := e.Range()
		*diags = append(*diags, errorf(&rng, "Invalid "+what, "The argument %s is a string that is known when the plan is made and not sensitive.", what))
		return ""
	}
	return s.AsString()
}

// message evaluates an error_message. A sensitive one is not shown.
func message(e hclsyntax.Expression, ctx *hcl.EvalContext, diags *hcl.Diagnostics) string {
	v, more := e.Value(ctx)
	*diags = append(*diags, more...)
	v, marks := v.UnmarkDeep()
	s, err := convert.Convert(v, cty.String)
	switch {
	case len(marks) > 0:
		return "The message holds sensitive values, so it is not shown."
	case more.HasErrors() || err != nil || !s.IsKnown() || s.IsNull():
		return "The message could not be evaluated."
	}
	return s.AsString()
}
