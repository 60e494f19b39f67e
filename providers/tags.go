package providers

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// structure is a struct of tags, read once: its schema and how each field
// travels between cty and Go.
type structure struct {
	goType reflect.Type
	ctyTyp cty.Type
	block  Block
	fields []field
	id     int // index of the field tagged "id" in the struct, -1 when there is none
}

// field is one attribute or one nested block of a structure.
type field struct {
	index int
	name  string
	attr  *Attr        // nil for a block
	codec codec        // of an attribute
	sub   *structure   // of a block
	block *NestedBlock // of a block
}

// structures remembers what was read off a type: a pure function of the type,
// so that Resolve need not reflect on tags again.
var structures sync.Map // reflect.Type -> *structure

func structureOf(t reflect.Type) (*structure, error) {
	if known, ok := structures.Load(t); ok {
		return known.(*structure), nil
	}
	st, err := readStruct(t, nil)
	if err != nil {
		return nil, err
	}
	structures.Store(t, st)
	return st, nil
}

var attrName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func readStruct(t reflect.Type, within []reflect.Type) (*structure, error) {
	if t.Kind() != reflect.Struct || t == ctyValueType {
		return nil, fmt.Errorf("%s is not a struct of tags", t)
	}
	if slices.Contains(within, t) {
		return nil, fmt.Errorf("block %s contains itself", t)
	}
	st := &structure{goType: t, id: -1}
	types := make(map[string]cty.Type, t.NumField())
	for i := range t.NumField() {
		f, err := readField(t.Field(i), append(slices.Clip(within), t))
		if err != nil {
			return nil, fmt.Errorf("field %s.%s: %w", t.Name(), t.Field(i).Name, err)
		}
		f.index = i
		if _, dup := types[f.name]; dup {
			return nil, fmt.Errorf("field %s.%s: %q is the name of another field, too", t.Name(), t.Field(i).Name, f.name)
		}
		if f.sub != nil {
			types[f.name] = f.block.Type()
		} else {
			types[f.name] = f.attr.Type
			if f.attr.ID {
				if st.id >= 0 {
					return nil, fmt.Errorf("field %s.%s: a second id", t.Name(), t.Field(i).Name)
				}
				st.id = i
			}
		}
		st.fields = append(st.fields, f)
	}
	for _, f := range st.fields {
		if f.sub == nil {
			st.block.Attrs = append(st.block.Attrs, *f.attr)
		} else {
			st.block.Blocks = append(st.block.Blocks, *f.block)
		}
	}
	st.ctyTyp = cty.Object(types)
	return st, nil
}

func readField(sf reflect.StructField, within []reflect.Type) (field, error) {
	tag, ok := sf.Tag.Lookup("lab")
	if !ok || !sf.IsExported() || sf.Anonymous {
		return field{}, fmt.Errorf("not an exported field with a lab tag")
	}
	name, options, _ := strings.Cut(tag, ",")
	f := field{name: name}
	if !attrName.MatchString(name) {
		return f, fmt.Errorf("tag %q: the name is not lower-case snake case", tag)
	}
	attr := &Attr{Name: name, Doc: sf.Tag.Get("doc")}
	opts, err := readOptions(attr, tag, options)
	if err != nil {
		return f, err
	}
	if opts.block || opts.blocks {
		return readBlock(f, sf, attr, opts, within)
	}

	f.attr = attr
	if f.codec, err = codecOf(sf.Type); err != nil {
		return f, err
	}
	attr.Type = f.codec.typ
	attr.Format = f.codec.format
	attr.Nullable = !f.codec.scalar() || f.codec.goType == secretType
	if err := readConstraints(&f, sf.Tag); err != nil {
		return f, err
	}
	if len(within) > 1 && (attr.ID || attr.Volatile || attr.Later) {
		return f, fmt.Errorf("tag %q: id, volatile and later do not belong in a block", tag)
	}
	return f, nil
}

// readBlock reads a field tagged block or blocks.
func readBlock(f field, sf reflect.StructField, attr *Attr, opts blockOptions, within []reflect.Type) (field, error) {
	ptr, tag := sf.Type, sf.Tag.Get("lab")
	switch {
	case f.name == "dynamic":
		return f, fmt.Errorf("tag %q: the name belongs to the language", tag)
	case opts.block && opts.blocks:
		return f, fmt.Errorf("tag %q: a block has labels or it has none", tag)
	case opts.blocks && (ptr.Kind() != reflect.Map || ptr.Key().Kind() != reflect.String):
		return f, fmt.Errorf("tag %q: blocks are a map of pointers to a struct, by string", tag)
	case opts.blocks:
		ptr = ptr.Elem()
	}
	if ptr.Kind() != reflect.Pointer || ptr.Elem().Kind() != reflect.Struct {
		return f, fmt.Errorf("tag %q: a block is a pointer to a struct", tag)
	}
	for _, key := range []string{"default", "enum", "ref", "follows"} {
		if _, ok := sf.Tag.Lookup(key); ok {
			return f, fmt.Errorf("tag %q: a block takes no %s", tag, key)
		}
	}
	if attr.Replace || attr.Later || attr.Sensitive || attr.WriteOnly || attr.Volatile || attr.ID {
		return f, fmt.Errorf("tag %q: a block may only be required; other options belong to its attributes", tag)
	}
	var err error
	if f.sub, err = readStruct(ptr.Elem(), within); err != nil {
		return f, err
	}
	if opts.blocks && f.sub.ctyTyp.HasDynamicTypes() {
		return f, fmt.Errorf("tag %q: labelled blocks are of one type, so they hold no attribute of any type", tag)
	}
	f.block = &NestedBlock{Name: f.name, Doc: attr.Doc, Required: attr.Required, Labelled: opts.blocks, Block: f.sub.block}
	return f, nil
}

// blockOptions are the options that make a field a block.
type blockOptions struct{ block, blocks bool }

// readOptions reads what follows the name in a lab tag.
func readOptions(attr *Attr, tag, options string) (blockOptions, error) {
	var opts blockOptions
	if options == "" {
		return opts, nil
	}
	for opt := range strings.SplitSeq(options, ",") {
		switch opt {
		case "required":
			attr.Required = true
		case "replace":
			attr.Replace = true
		case "later":
			attr.Later = true
		case "sensitive":
			attr.Sensitive = true
		case "writeonly":
			attr.WriteOnly, attr.Sensitive = true, true
		case "volatile":
			attr.Volatile = true
		case "id":
			attr.ID = true
		case "block":
			opts.block = true
		case "blocks":
			opts.blocks = true
		default:
			return opts, fmt.Errorf("tag %q: there is no option %q", tag, opt)
		}
	}
	return opts, nil
}

// readConstraints reads the ref, enum and default tags and checks that all
// tags of the field agree with each other and with its Go type.
func readConstraints(f *field, tag reflect.StructTag) error {
	attr := f.attr
	isRef, isSecret := f.codec.leaf == refType, f.codec.leaf == secretType

	if ref, ok := tag.Lookup("ref"); ok {
		attr.Ref = strings.Split(ref, ",")
	}
	if isRef != (attr.Ref != nil) {
		return fmt.Errorf("attribute %q: a Ref and its ref tag come together", attr.Name)
	}
	if attr.Later && (!isRef || attr.Required || attr.Replace) {
		return fmt.Errorf("attribute %q: later is for references that may be absent and change in place", attr.Name)
	}
	if isSecret != attr.WriteOnly {
		return fmt.Errorf("attribute %q: a Secret and the option writeonly come together", attr.Name)
	}
	if attr.WriteOnly && attr.Replace {
		return fmt.Errorf("attribute %q: what is never compared cannot ask for replacement", attr.Name)
	}
	if attr.ID && f.codec.goType.Kind() != reflect.String {
		return fmt.Errorf("attribute %q: an id is a string", attr.Name)
	}

	if follows, ok := tag.Lookup("follows"); ok {
		attr.Follows = strings.Split(follows, ",")
	}

	enum, hasEnum := tag.Lookup("enum")
	def, hasDefault := tag.Lookup("default")
	if hasEnum {
		if f.codec.leaf.Kind() != reflect.String || isRef || attr.Type.IsMapType() {
			return fmt.Errorf("attribute %q: enum needs a string or a list of strings", attr.Name)
		}
		attr.Enum = strings.Split(enum, ",")
	}
	if !hasDefault {
		return nil
	}
	if attr.Required || isRef || isSecret {
		return fmt.Errorf("attribute %q: required attributes, references and secrets have no default", attr.Name)
	}
	v, err := parseDefault(attr, def)
	if err != nil {
		return fmt.Errorf("attribute %q: default %q: %w", attr.Name, def, err)
	}
	attr.Default = v
	return nil
}

func parseDefault(attr *Attr, s string) (cty.Value, error) {
	var v cty.Value
	var err error
	switch attr.Type {
	case cty.String:
		v = cty.StringVal(s)
	case cty.Number:
		v, err = cty.ParseNumberVal(s)
	case cty.Bool:
		if s != "true" && s != "false" {
			return cty.NilVal, fmt.Errorf("neither true nor false")
		}
		v = cty.BoolVal(s == "true")
	default:
		return cty.NilVal, fmt.Errorf("%s attributes have no default", attr.Type.FriendlyName())
	}
	if err != nil {
		return cty.NilVal, err
	}
	return v, attr.checkLeaf(v, false)
}

// checkSides refuses what makes no sense in the struct it stands in: an author
// cannot write what only an object learns, and the other way round.
func checkSides(in, out *structure) error {
	for _, f := range in.fields {
		if f.attr != nil && (f.attr.ID || f.attr.Volatile || f.attr.Follows != nil) {
			return f.wrong(in, "id, volatile and follows are for Out")
		}
	}
	names := make(map[string]bool)
	for _, f := range in.fields {
		names[f.name] = true
	}
	for _, f := range out.fields {
		a := f.attr
		switch {
		case a == nil:
			return f.wrong(out, "Out has no blocks")
		case a.Required || a.Replace || a.Later || a.WriteOnly || a.Enum != nil || a.Default != cty.NilVal:
			return f.wrong(out, "required, replace, later, writeonly, enum and default are for In")
		case names[f.name]:
			return f.wrong(out, "In has an attribute of that name")
		}
		for _, name := range a.Follows {
			if !names[name] {
				return f.wrong(out, fmt.Sprintf("it follows %q, which In does not have", name))
			}
		}
	}
	for _, reserved := range []string{"address", "for_each", "count", "depends_on", "lifecycle", "provider"} {
		if _, taken := out.ctyTyp.AttributeTypes()[reserved]; names[reserved] || taken {
			return fmt.Errorf("attribute %q: the name belongs to the language", reserved)
		}
	}
	return nil
}

func (f field) wrong(st *structure, why string) error {
	return fmt.Errorf("field %s.%s, attribute %q: %s", st.goType.Name(), st.goType.Field(f.index).Name, f.name, why)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	refType      = reflect.TypeFor[Ref]()
	secretType   = reflect.TypeFor[Secret]()
	ctyValueType = reflect.TypeFor[cty.Value]()
)
