// Package addr is the vocabulary of addresses: user.alice, device.kiosk[3],
// module.corp.user.all["bo"]. An address names one declared thing in plans,
// state, traces and references; it is a comparable value, so it keys maps.
//
// The package imports nothing of the project.
package addr

import (
	"cmp"
	"strconv"
)

// KeyKind tells what follows the name of an instance.
type KeyKind uint8

const (
	NoKey     KeyKind = iota // user.alice
	IntKey                   // user.alice[0], from count
	StringKey                // user.alice["bo"], from for_each
)

// Key is the instance key of a repeated block; the zero Key is none.
type Key struct {
	Kind KeyKind
	Str  string
	Int  int
}

// Str returns the key of a for_each instance.
func Str(s string) Key { return Key{Kind: StringKey, Str: s} }

// Int returns the key of a count instance.
func Int(n int) Key { return Key{Kind: IntKey, Int: n} }

// String writes the key with its brackets, or nothing for no key.
func (k Key) String() string {
	switch k.Kind {
	case IntKey:
		return "[" + strconv.Itoa(k.Int) + "]"
	case StringKey:
		return "[" + quote(k.Str) + "]"
	}
	return ""
}

// Block names one block of the configuration, before repetition: user.alice.
// Module is the printed path of the module call, "" for the root module.
type Block struct {
	Module string
	Kind   string
	Name   string
}

// Instance names one declared thing.
type Instance struct {
	Block
	Key Key
}

// Instance returns the instance of b with key k.
func (b Block) Instance(k Key) Instance { return Instance{Block: b, Key: k} }

func (b Block) String() string {
	s := b.Kind + "." + b.Name
	if b.Module != "" {
		return b.Module + "." + s
	}
	return s
}

func (i Instance) String() string { return i.Block.String() + i.Key.String() }

// Compare orders addresses: root module first, then by module, kind, name and
// key, numbers before strings and by value. It is the order of every listing.
func Compare(a, b Instance) int {
	return cmp.Or(
		cmp.Compare(a.Module, b.Module),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Key.Kind, b.Key.Kind),
		cmp.Compare(a.Key.Int, b.Key.Int),
		cmp.Compare(a.Key.Str, b.Key.Str),
	)
}
