package funcs

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

func notNull(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() }

// text makes a function of strings to a value of a type.
func text(ret cty.Type, fn func(args ...string) (cty.Value, error), params ...string) function.Function {
	spec := &function.Spec{
		Type:         function.StaticReturnType(ret),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s := make([]string, len(args))
			for i, a := range args {
				s[i] = a.AsString()
			}
			return fn(s...)
		},
	}
	for _, p := range params {
		spec.Params = append(spec.Params, function.Parameter{Name: p, Type: cty.String})
	}
	return function.New(spec)
}

func toText(fn func(string) string) function.Function {
	return text(cty.String, func(a ...string) (cty.Value, error) { return cty.StringVal(fn(a[0])), nil }, "str")
}

func test(fn func(s, part string) bool) function.Function {
	return text(cty.Bool, func(a ...string) (cty.Value, error) { return cty.BoolVal(fn(a[0], a[1])), nil }, "str", "part")
}

var (
	startsWith   = test(strings.HasPrefix)
	endsWith     = test(strings.HasSuffix)
	strContains  = test(strings.Contains)
	baseName     = toText(path.Base)
	dirName      = toText(path.Dir)
	urlEncode    = toText(url.QueryEscape)
	base64Encode = toText(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })
	base64Decode = text(cty.String, func(a ...string) (cty.Value, error) {
		b, err := base64.StdEncoding.DecodeString(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "the string is not Base64")
		}
		if !utf8.Valid(b) {
			return cty.NilVal, function.NewArgErrorf(0, "the decoded bytes are not UTF-8 text")
		}
		return cty.StringVal(string(b)), nil
	}, "str")
	timeCmp = text(cty.Number, func(a ...string) (cty.Value, error) {
		var at [2]time.Time
		for i, s := range a {
			t, err := time.Parse(time.RFC3339, s)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(i, "not a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
			}
			at[i] = t
		}
		return cty.NumberIntVal(int64(at[0].Compare(at[1]))), nil
	}, "a", "b")
	uuidV5 = text(cty.String, func(a ...string) (cty.Value, error) {
		space, ok := map[string]uuid.UUID{
			"dns": uuid.NameSpaceDNS, "url": uuid.NameSpaceURL, "oid": uuid.NameSpaceOID, "x500": uuid.NameSpaceX500,
		}[a[0]]
		if !ok {
			var err error
			if space, err = uuid.Parse(a[0]); err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "a namespace is dns, url, oid, x500 or a UUID")
			}
		}
		return cty.StringVal(uuid.NewSHA1(space, []byte(a[1])).String()), nil
	}, "namespace", "name")
)

// sum returns the digest of b by name.
func sumOf(name string, b []byte) []byte {
	switch name {
	case "md5":
		d := md5.Sum(b)
		return d[:]
	case "sha1":
		d := sha1.Sum(b)
		return d[:]
	case "sha256":
		d := sha256.Sum256(b)
		return d[:]
	}
	d := sha512.Sum512(b)
	return d[:]
}

func digest(name string, inBase64 bool) function.Function {
	return toText(func(s string) string {
		d := sumOf(name, []byte(s))
		if inBase64 {
			return base64.StdEncoding.EncodeToString(d)
		}
		return hex.EncodeToString(d)
	})
}

// checked runs f after charge has found its result affordable. Arguments that
// charge sees are known; with unknown ones there is no text yet.
func (e *env) checked(f function.Function, charge func(args []cty.Value) int) function.Function {
	spec := &function.Spec{
		// Any: some find the type by making the value.
		Type: function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if e.Meter != nil {
				plain := make([]cty.Value, len(args))
				for i, a := range args {
					plain[i], _ = a.UnmarkDeep()
				}
				if err := e.Meter.Bytes(charge(plain)); err != nil {
					return cty.DynamicVal, err
				}
			}
			return f.Call(args)
		},
	}
	for _, p := range f.Params() {
		spec.Params = append(spec.Params, open(p))
	}
	if p := f.VarParam(); p != nil {
		p := open(*p)
		spec.VarParam = &p
	}
	return function.New(spec)
}

// textSize bounds the length of a value written as text.
func textSize(v cty.Value) int {
	if !v.IsKnown() || v.IsNull() {
		return 4
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		return 6*len(v.AsString()) + 2 // each byte may be escaped
	case ty == cty.Number:
		exp := v.AsBigFloat().MantExp(nil)
		return 160 + max(exp, -exp)/3
	case ty.IsPrimitiveType(), !v.CanIterateElements():
		return 5
	}
	n := 2
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		n += textSize(e) + 2
		if k.Type() == cty.String {
			n += textSize(k)
		}
	}
	return n
}

var verb = regexp.MustCompile(`%[-+# 0]*([0-9]*)(?:\.([0-9]*))?`)

// formatSize bounds what a format makes of arguments.
func formatSize(format cty.Value, args []cty.Value) int {
	if !format.IsKnown() || format.IsNull() || format.Type() != cty.String {
		return 0
	}
	largest := 0
	for _, a := range args {
		largest = max(largest, textSize(a))
	}
	n := len(format.AsString())
	for _, m := range verb.FindAllStringSubmatch(format.AsString(), -1) {
		n += largest
		for _, digits := range m[1:] {
			if len(digits) > 9 {
				digits = "999999999"
			}
			width := 0
			fmt.Sscan(digits, &width)
			n += 4 * width
		}
		if n > 1<<40 {
			break
		}
	}
	return n
}

func formatFunc(e *env) function.Function {
	return e.checked(stdlib.FormatFunc, func(a []cty.Value) int { return formatSize(a[0], a[1:]) })
}

func formatListFunc(e *env) function.Function {
	return e.checked(stdlib.FormatListFunc, func(a []cty.Value) int {
		n := 1
		for _, v := range a[1:] {
			if v.IsKnown() && !v.IsNull() && v.CanIterateElements() {
				n = max(n, v.LengthInt())
			}
		}
		return n * min(formatSize(a[0], a[1:]), 1<<40)
	})
}

func indentFunc(e *env) function.Function {
	return e.checked(stdlib.IndentFunc, func(a []cty.Value) int {
		spaces, s := whole(a[0]), plain(a[1])
		return len(s) + strings.Count(s, "\n")*spaces
	})
}

func joinFunc(e *env) function.Function {
	return e.checked(stdlib.JoinFunc, func(a []cty.Value) int {
		n, sep := 0, len(plain(a[0]))
		for _, list := range a[1:] {
			if !list.IsKnown() || list.IsNull() || !list.CanIterateElements() {
				continue
			}
			for it := list.ElementIterator(); it.Next(); {
				_, v := it.Element()
				n += sep + len(plain(v))
			}
		}
		return n
	})
}

// replaceFunc is Terraform's: a part between slashes is a regular expression.
func replaceFunc(e *env) function.Function {
	both := function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "str", Type: cty.String}, {Name: "part", Type: cty.String}, {Name: "replacement", Type: cty.String},
		},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(a []cty.Value, _ cty.Type) (cty.Value, error) {
			if expr, ok := slashed(a[1].AsString()); ok {
				return stdlib.RegexReplaceFunc.Call([]cty.Value{a[0], cty.StringVal(expr), a[2]})
			}
			return stdlib.ReplaceFunc.Call(a)
		},
	})
	return e.checked(both, func(a []cty.Value) int {
		s, part, with := plain(a[0]), plain(a[1]), plain(a[2])
		if expr, ok := slashed(part); ok {
			re, err := regexp.Compile(expr)
			if err != nil {
				return 0
			}
			// Each match may insert the replacement with groups of all its text.
			matches, n := 0, len(s)
			groups := 1 + strings.Count(with, "$")
			for _, m := range re.FindAllStringIndex(s, -1) {
				matches++
				n += groups * (m[1] - m[0])
			}
			return n + matches*len(with)
		}
		return len(s) + strings.Count(s, part)*len(with)
	})
}

func slashed(s string) (string, bool) {
	if len(s) > 2 && s[0] == '/' && s[len(s)-1] == '/' {
		return s[1 : len(s)-1], true
	}
	return "", false
}

// An anchor and an alias of YAML, as far as these can be told without parsing.
var (
	yamlAnchor = regexp.MustCompile(`(?:^|[\s\[{,:-])&\w`)
	yamlAlias  = regexp.MustCompile(`(?:^|[\s\[{,:-])\*\w`)
)

// The YAML decoder recurses, and is quadratic in what it nests.
const (
	maxYAML      = 1 << 20
	maxYAMLDepth = 100
)

// nested finds many block collections begun on one line.
var nested = regexp.MustCompile(`(?:[-?:][ \t]+){100}`)

// flowDepth bounds how deep [ and { nest.
func flowDepth(s string) int {
	depth, most := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '[', '{':
			depth++
			most = max(most, depth)
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return most
}

// parseInt refuses texts that take long.
func parseInt(*env) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "number", Type: cty.String}, {Name: "base", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args[0].AsString()) > 4096 {
				return cty.NilVal, function.NewArgErrorf(0, "the text is too long to be a number")
			}
			return stdlib.ParseIntFunc.Call(args)
		},
	})
}

// yamlDecode refuses texts whose aliases of aliases could make much of little:
// the decoder writes them out.
func yamlDecode(e *env) function.Function {
	return e.checked(yaml.YAMLDecodeFunc, func(a []cty.Value) int {
		s := plain(a[0])
		if len(s) > maxYAML || nested.MatchString(s) || flowDepth(s) > maxYAMLDepth {
			return math.MaxInt
		}
		anchors, aliases := len(yamlAnchor.FindAllStringIndex(s, -1)), len(yamlAlias.FindAllStringIndex(s, -1))
		if anchors == 0 || aliases == 0 {
			return len(s)
		}
		return int(min(float64(len(s))*math.Pow(1+float64(aliases)/float64(anchors), float64(anchors)), 1<<40))
	})
}

// plain is a string's text, "" when it is none or not known.
func plain(v cty.Value) string {
	if v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
		return ""
	}
	return v.AsString()
}

// whole is a number that fits, else a very large one.
func whole(v cty.Value) int {
	if v.Type() != cty.Number || !v.IsKnown() || v.IsNull() {
		return 0
	}
	n, _ := v.AsBigFloat().Int64()
	return int(min(max(n, 0), 1<<32))
}
