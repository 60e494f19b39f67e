// Package budget bounds what evaluating a configuration may cost. The HCL
// library has no limit of its own: 258 bytes of nested "for" take seconds and
// a gigabyte. Instrument wraps the few places of a syntax tree where a value
// can become larger than the text that wrote it; at evaluation the wrappers
// charge the Meter they find in their scope. A value exists only once its
// elements and bytes were paid for, so whatever walks values is bounded too.
//
// A meter that ran out tells so once; from then on everything that would be
// charged is unknown, so that evaluation ends quickly and quietly.
package budget

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"reflect"
)

// Limits of one evaluation. Zero fields mean the default.
type Limits struct {
	Elements int // elements of collections made, and iterations
	Bytes    int // bytes of strings made
}

// Defaults of Limits.
const (
	DefaultElements = 1_000_000
	DefaultBytes    = 48 << 20
	// maxWork bounds the elements that operations look at without making
	// anything: comparing two large values a million times. It grows with Elements.
	maxWork = 8 * DefaultElements
	// maxDigits bounds text that becomes a number, which is quadratic.
	maxDigits = 4096
	// callWork is what a call costs at least.
	callWork = 32
	// maxExponent bounds numbers: what is written in powers of two takes as
	// many digits as this allows, not a billion.
	maxExponent = 8192
)

// An Exceeded error says which limit an operation would break.
type Exceeded struct{ What string }

func (e *Exceeded) Error() string { return e.What }

// Meter counts what one evaluation costs. It may be shared by goroutines.
type Meter struct {
	limits Limits

	over atomic.Bool // a limit was reached: nothing further is worth evaluating

	mu                    sync.Mutex
	ctx                   context.Context
	elements, bytes, work int
	spent                 *Exceeded // the limit that was reached
	told                  *hcl.Diagnostic
	charges               int
}

// New returns a meter that allows limits and ends when ctx does.
func New(ctx context.Context, limits Limits) *Meter {
	if limits.Elements == 0 {
		limits.Elements = DefaultElements
	}
	if limits.Bytes == 0 {
		limits.Bytes = DefaultBytes
	}
	return &Meter{limits: limits, ctx: ctx}
}

// Elements pays for n elements about to be made.
func (m *Meter) Elements(n int) error { return m.charge(n, 0, 0) }

// Bytes pays for n bytes of string about to be made.
func (m *Meter) Bytes(n int) error { return m.charge(0, n, 0) }

// Work pays for looking at n elements.
func (m *Meter) Work(n int) error { return m.charge(0, 0, n) }

func (m *Meter) charge(elements, bytes, looked int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spent != nil {
		return m.spent
	}
	if m.charges++; m.charges%1024 == 0 && m.ctx != nil && m.ctx.Err() != nil {
		return m.end("The evaluation was interrupted.")
	}
	// Compare before adding: a claimed size may be near the largest integer.
	switch {
	case elements > m.limits.Elements-m.elements:
		return m.end(fmt.Sprintf("Evaluating the configuration makes more than %s elements.", group(m.limits.Elements)))
	case bytes > m.limits.Bytes-m.bytes:
		return m.end(fmt.Sprintf("Evaluating the configuration makes more than %s bytes of text.", group(m.limits.Bytes)))
	case looked > maxWork/DefaultElements*m.limits.Elements-m.work:
		return m.end("Evaluating the configuration takes too many operations, or operations on too large values.")
	}
	m.elements += elements
	m.bytes += bytes
	m.work += looked
	return nil
}

// end notes the limit that was reached. The caller holds the lock.
func (m *Meter) end(what string) error {
	m.over.Store(true)
	m.spent = &Exceeded{what}
	return m.spent
}

// Reset makes a meter new, for another evaluation that ends with ctx.
func (m *Meter) Reset(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ctx, m.elements, m.bytes, m.work, m.charges, m.spent, m.told = ctx, 0, 0, 0, 0, nil, nil
	m.over.Store(false)
}

// Spent reports whether a limit was reached.
func (m *Meter) Spent() bool { return m.over.Load() }

// Call pays for one call of a function, beside what its arguments and result cost.
func (m *Meter) Call() error { return m.charge(0, 0, callWork) }

// settle is what an expression whose meter ran out adds to the diagnostics: the
// limit, told where it was noticed first, and nothing that followed from it.
func (m *Meter) settle(diags hcl.Diagnostics, rng hcl.Range) hcl.Diagnostics {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told == nil {
		m.told = &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Evaluation limit reached",
			Detail:   m.spent.What + " It was stopped here.",
			Subject:  &rng,
		}
		return hcl.Diagnostics{m.told}
	}
	if slices.Contains(diags, m.told) {
		return hcl.Diagnostics{m.told}
	}
	return nil
}

// Diagnose turns an error of this meter into its diagnostic, told once.
func (m *Meter) Diagnose(rng hcl.Range) hcl.Diagnostics { return m.settle(nil, rng) }

// Finish adds the limit that was reached to the diagnostics of an evaluation
// when it is missing there: what a condition does not choose tells nothing.
func (m *Meter) Finish(diags hcl.Diagnostics) hcl.Diagnostics {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told != nil && !slices.Contains(diags, m.told) {
		return append(diags, m.told)
	}
	return diags
}

func group(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// key holds the meter in a scope. No configuration can write this name.
const key = "\x00meter"

var meterType = cty.Capsule("meter", reflect.TypeFor[Meter]())

// Scope returns a root scope in which expressions are charged to m.
func (m *Meter) Scope() *hcl.EvalContext {
	return &hcl.EvalContext{Variables: map[string]cty.Value{key: cty.CapsuleVal(meterType, m)}}
}

// of finds the meter of a scope, nil when nothing is counted.
func of(ctx *hcl.EvalContext) *Meter {
	for ; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[key]; ok {
			return v.EncapsulatedValue().(*Meter)
		}
	}
	return nil
}
