package providers

import (
	"context"

	"github.com/zclconf/go-cty/cty"
)

// Type is a Kind erased to cty. Values named in conform to Schema.InType, out
// to Schema.OutType; neither carries marks. A nil function means what the
// field of the same name means in Kind.
type Type struct {
	Name   string
	Doc    string
	After  []string
	Schema *Schema

	Home  func(in cty.Value) Ref // unknown parts of in are treated as absent
	Disk  func(in cty.Value) Ref
	Watch func(objects Objects, in cty.Value) []Ref
	Hosts func(Record) []string
	Key   func(in cty.Value) string // never nil

	// Predict returns an object of OutType: known where the kind predicts,
	// unknown elsewhere. It is never nil.
	Predict func(in cty.Value) cty.Value

	Find   func(ctx context.Context, env Env, key string) (Record, error) // never nil
	Create func(ctx context.Context, env Env, in cty.Value) (out cty.Value, err error)
	Read   func(ctx context.Context, env Env, rec Record) (Record, error)
	Update func(ctx context.Context, env Env, rec Record, in cty.Value) (out cty.Value, err error)
	Delete func(ctx context.Context, env Env, rec Record) error
	Open   func(ctx context.Context, env Env, rec Record) (Service, error)
	Due    func(ctx context.Context, env Env, rec Record) error
}

// Registry is the kinds of one program, by name, and the faults of its labs.
type Registry struct {
	types  map[string]*Type
	names  []string
	faults []Fault
}

// NewRegistry returns a registry of types. Two types of one name panic: it is
// a mistake of the program.
func NewRegistry(types ...Type) *Registry {
	r := &Registry{types: make(map[string]*Type, len(types))}
	for i := range types {
		t := &types[i]
		if _, dup := r.types[t.Name]; dup {
			panic("providers: kind " + t.Name + " is registered twice")
		}
		r.types[t.Name] = t
		r.names = append(r.names, t.Name)
	}
	return r
}

// Type returns the kind of that name, or nil.
func (r *Registry) Type(name string) *Type { return r.types[name] }

// Names returns the names of all kinds, in registration order.
func (r *Registry) Names() []string { return r.names }

// AddFaults adds ways to break what the kinds make, and returns the registry. It
// is called before the registry is used. Two of one name panic.
func (r *Registry) AddFaults(faults ...Fault) *Registry {
	for _, f := range faults {
		if r.Fault(f.Name) != nil {
			panic("providers: fault " + f.Name + " is registered twice")
		}
		r.faults = append(r.faults, f)
	}
	return r
}

// Fault returns the fault of that name, or nil.
func (r *Registry) Fault(name string) *Fault {
	for i := range r.faults {
		if r.faults[i].Name == name {
			return &r.faults[i]
		}
	}
	return nil
}

// Faults returns all faults, in registration order.
func (r *Registry) Faults() []Fault { return r.faults }
