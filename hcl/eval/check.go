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

// Pseudo kinds under which the decoders of blocks that are of no kind are kept;
// no configuration can write the names.
const (
	signInKind    = "sign_in block of check"
	provisionKind = "provision block of check"
	revokeKind    = "revoke block of run"
	faultKind     = "fault block"
)

// decoderOf returns the decoder of a block that is of no kind, made once.
func (e *Evaluator) decoderOf(kind, name string, block func() providers.Block) *decoder {
	d, ok := e.kinds[kind]
	if !ok {
		d = newDecoder(name, block())
		e.kinds[kind] = d
	}
	return d
}

func text1(name, doc string) providers.Attr {
	return providers.Attr{Name: name, Doc: doc, Type: cty.String, Default: cty.NilVal}
}

func refTo(name, doc string, kinds ...string) providers.Attr {
	a := text1(name, doc)
	a.Ref, a.Required = kinds, true
	return a
}

// gestures are the biometric gestures there are.
var gestures = []string{"face", "fingerprint"}

// SignInBlock is the schema of sign_in. The kinds a sign-in can be to are those
// of the ones named here that the program has.
func SignInBlock(r *providers.Registry) providers.Block {
	var to []string
	for _, kind := range []string{"tenant", "domain", "application", "service"} {
		if r.Type(kind) != nil {
			to = append(to, kind)
		}
	}
	if to == nil {
		to = []string{"tenant"}
	}
	pin, password, gesture := text1("pin", "the PIN typed."), text1("password", "the password typed."), text1("gesture", "the gesture made.")
	pin.WriteOnly, password.WriteOnly = true, true
	gesture.Enum = gestures
	targets := providers.Attr{Name: "to", Doc: "what is reached with it.", Type: cty.List(cty.String), Default: cty.NilVal, Ref: to}
	return providers.Block{Attrs: []providers.Attr{refTo("user", "who signs in.", "user"), refTo("device", "on which device.", "device"), pin, password, gesture, targets}}
}

// ProvisionBlock is the schema of provision.
func ProvisionBlock() providers.Block {
	reset := providers.Attr{Name: "reset", Doc: "whether the user has Hello there, forgot its PIN, and resets it at the lock screen; a session of the user is locked first.", Type: cty.Bool, Default: cty.False}
	pin := text1("pin", "the PIN that the user chooses.")
	pin.WriteOnly, pin.Required = true, true
	enrolled := providers.Attr{Name: "gestures", Doc: "biometric gestures enrolled besides the PIN.", Type: cty.List(cty.String), Default: cty.NilVal, Enum: gestures}
	return providers.Block{Attrs: []providers.Attr{refTo("user", "who provisions.", "user"), refTo("device", "on which device.", "device"), pin, enrolled, reset}}
}

// RevokeBlock is the schema of revoke.
func RevokeBlock() providers.Block {
	device := refTo("device", "the device whose key of the user is revoked.", "device")
	device.Required = false
	what, from := text1("what", "\"key\", that of the user on the device, or \"sessions\", all that the tenant gave the user until now."), text1("from", "the directory that a key is removed from: \"entra\", \"ad\" or \"both\".")
	what.Enum, what.Default = []string{"key", "sessions"}, cty.StringVal("key")
	from.Enum, from.Default = []string{"entra", "ad", "both"}, cty.StringVal("both")
	return providers.Block{Attrs: []providers.Attr{refTo("user", "whose.", "user"), device, what, from}}
}

func (e *Evaluator) signInDecoder() *decoder {
	return e.decoderOf(signInKind, "sign_in", func() providers.Block { return SignInBlock(e.registry) })
}

func (e *Evaluator) provisionDecoder() *decoder {
	return e.decoderOf(provisionKind, "provision", ProvisionBlock)
}

func (e *Evaluator) revokeDecoder() *decoder { return e.decoderOf(revokeKind, "revoke", RevokeBlock) }

func (e *Evaluator) linkCheck(c *config.Check) (*checkNode, hcl.Diagnostics) {
	n := &checkNode{Check: c, ranges: map[string]hcl.Range{}}
	at := site{}
	diags := e.collect(&n.unit, at, c.After, c.Expect)
	for _, a := range c.Asserts {
		diags = append(diags, e.collect(&n.unit, at, a.Condition, a.ErrorMessage)...)
	}
	diags = append(diags, e.knownFaults(c.Faults)...)
	if c.SignIn != nil {
		diags = append(diags, e.linkAttempt(n, e.signInDecoder(), c.SignIn, c.SignInRange)...)
		ways := slices.DeleteFunc([]string{"pin", "password", "gesture"}, func(name string) bool {
			_, written := c.SignIn.Attributes[name]
			return !written
		})
		if len(ways) != 1 && !slices.Equal(ways, []string{"pin", "gesture"}) {
			diags = append(diags, errorf(&c.SignInRange, "Wrong sign-in", "A sign_in block has exactly one of pin, gesture and password; pin and gesture where policy demands two factors."))
		}
	}
	if c.Provision != nil {
		diags = append(diags, e.linkAttempt(n, e.provisionDecoder(), c.Provision, c.ProvisionRange)...)
	}
	if c.Revoke != nil {
		diags = append(diags, e.linkAttempt(n, e.revokeDecoder(), c.Revoke, c.RevokeRange)...)
	}
	n.invalid = diags.HasErrors()
	return n, diags
}

// linkAttempt finds out what a block of a check refers to.
func (e *Evaluator) linkAttempt(n *checkNode, d *decoder, body *hclsyntax.Body, rng hcl.Range) hcl.Diagnostics {
	diags := d.checkBody(body, n.ranges)
	diags = append(diags, e.collectBody(&n.unit, site{}, body)...)
	told := e.secrets(d.block, &config.Object{Body: body, Range: rng})
	if !expectsRefusal(n.Expect) { // a secret that is to be refused is none
		diags = append(diags, told...)
	}
	return diags
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
	for _, t := range n.Check.Faults {
		name, _ := config.FaultName(t)
		c.Faults = append(c.Faults, name)
	}
	if c.After = text(n.After, sc, "after", diags); c.After != "" {
		if _, err := providers.ParseDuration(c.After); err != nil {
			rng := n.After.Range()
			*diags = append(*diags, errorf(&rng, "Invalid duration", "%s.", sentence(err.Error())))
		}
	}
	c.Expect = text(n.Expect, sc, "expect", diags)
	if (n.Check.SignIn != nil || n.Check.Provision != nil) && c.Expect == "" {
		c.Expect = "success"
	}
	read := func(d *decoder, body *hclsyntax.Body, use func(cty.Value)) {
		if body == nil {
			return
		}
		dec, more := d.decode(body, sc.ctx, n.ranges, s.meter, r.known)
		*diags = append(*diags, more...)
		if !more.HasErrors() {
			use(dec.value)
		}
	}
	if n.Check.SignIn != nil {
		read(r.e.signInDecoder(), n.Check.SignIn, func(v cty.Value) { c.SignIn = signIn(v, n.SignInRange) })
	}
	if n.Check.Provision != nil {
		read(r.e.provisionDecoder(), n.Check.Provision, func(v cty.Value) {
			c.Provision = &Provision{User: textOf(v, "user"), Device: textOf(v, "device"), PIN: v.GetAttr("pin"), Gestures: textsOf(v, "gestures"), Reset: boolOf(v, "reset"), Range: n.ProvisionRange}
		})
	}
	if n.Check.Revoke != nil {
		read(r.e.revokeDecoder(), n.Check.Revoke, func(v cty.Value) {
			c.Revoke = &Revoke{User: textOf(v, "user"), Device: textOf(v, "device"), What: textOf(v, "what"), From: textOf(v, "from"), Range: n.RevokeRange}
		})
	}
	for _, a := range n.Asserts {
		if one, ok := assert(a, sc, diags); ok {
			c.Asserts = append(c.Asserts, one)
		}
	}
	return c
}

func assert(a config.Assert, sc *scope, diags *hcl.Diagnostics) (Assert, bool) {
	v, more := a.Condition.Value(sc.ctx)
	*diags = append(*diags, more...)
	v, _ = v.Unmark()
	cond, err := convert.Convert(v, cty.Bool)
	if err != nil || cond.IsKnown() && cond.IsNull() {
		if !more.HasErrors() {
			rng := a.Condition.Range()
			*diags = append(*diags, errorf(&rng, "Invalid condition", "A condition is true or false."))
		}
		return Assert{}, false
	}
	return Assert{Condition: cond, Message: message(a.ErrorMessage, sc.ctx, diags), Range: a.Range}, true
}

func signIn(v cty.Value, rng hcl.Range) *SignIn {
	return &SignIn{
		User: textOf(v, "user"), Device: textOf(v, "device"), Gesture: textOf(v, "gesture"),
		PIN: v.GetAttr("pin"), Password: v.GetAttr("password"), To: textsOf(v, "to"), Range: rng,
	}
}

// textOf is an attribute of an object as text, "" when it is not known.
func textOf(v cty.Value, name string) string {
	s, _ := v.GetAttr(name).Unmark()
	if s.IsNull() || !s.IsKnown() {
		return ""
	}
	return s.AsString()
}

func boolOf(v cty.Value, name string) bool {
	b, _ := v.GetAttr(name).Unmark()
	return b.IsKnown() && !b.IsNull() && b.True()
}

func textsOf(v cty.Value, name string) (list []string) {
	if all, _ := v.GetAttr(name).UnmarkDeep(); !all.IsNull() && all.IsWhollyKnown() {
		for it := all.ElementIterator(); it.Next(); {
			_, e := it.Element()
			list = append(list, e.AsString())
		}
	}
	return list
}
