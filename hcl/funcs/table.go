// Package funcs is the functions of the language, in one table: those of
// Terraform that make sense for a lab, with their names and meanings.
//
// Functions are pure: equal arguments give equal results, so that a plan made
// again is the same plan. What Terraform's timestamp, uuid and bcrypt would
// give is different each time; they are left out. plantimestamp is the time
// the plan is made, which an applier of a saved plan passes in again.
//
// Every call is charged to a budget.Meter, before work that could grow beyond
// its arguments; and no error quotes a sensitive argument.
package funcs

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"hellolab/hcl/budget"
)

// Options are what functions may reach.
type Options struct {
	// Meter is charged; nil charges nothing, for a table that is only listed.
	Meter *budget.Meter
	// ReadFile reads a file of the lab folder. Nil: there is none.
	ReadFile func(name string) ([]byte, error)
	// Now is plantimestamp's. Zero: the function is refused.
	Now time.Time
	// Sensitive is the mark of sensitive values.
	Sensitive any
}

// Function is one entry of the table.
type Function struct {
	Name string
	Doc  string // one sentence
	make func(*env) function.Function
	cost cost
}

// cost is how a call is charged, besides what its own code charges.
type cost int

const (
	picks cost = iota // looks at its arguments; the result is small, or a part of them
	makes             // looks at its arguments, and makes a new value
)

// env is what the functions of one table share.
type env struct {
	Options
}

func std(f function.Function) func(*env) function.Function {
	return func(*env) function.Function { return f }
}

// Functions is the table, by name.
var functions = []Function{
	{"abs", "The absolute value of a number.", std(stdlib.AbsoluteFunc), picks},
	{"alltrue", "Whether all elements of a list are true.", std(allTrue), picks},
	{"anytrue", "Whether any element of a list is true.", std(anyTrue), picks},
	{"base64decode", "The text that a Base64 string encodes; it must be UTF-8.", std(base64Decode), makes},
	{"base64encode", "The Base64 encoding of a string's UTF-8 bytes.", std(base64Encode), makes},
	{"base64sha256", "The SHA-256 digest of a string, in Base64.", std(digest("sha256", true)), picks},
	{"base64sha512", "The SHA-512 digest of a string, in Base64.", std(digest("sha512", true)), picks},
	{"basename", "The last part of a path.", std(baseName), picks},
	{"can", "Whether an expression has a value without error.", std(tryfunc.CanFunc), picks},
	{"ceil", "The least whole number that is not less.", std(stdlib.CeilFunc), picks},
	{"chomp", "A string without newlines at its end.", std(stdlib.ChompFunc), makes},
	{"chunklist", "A list split into lists of a given length.", std(stdlib.ChunklistFunc), makes},
	{"coalesce", "The first argument that is neither null nor an empty string.", std(coalesce), picks},
	{"coalescelist", "The first list that is not empty.", std(stdlib.CoalesceListFunc), picks},
	{"compact", "A list of strings without nulls and empty ones.", std(stdlib.CompactFunc), makes},
	{"concat", "The elements of several lists in one.", std(stdlib.ConcatFunc), makes},
	{"contains", "Whether a list or set holds a value.", contains, picks},
	{"csvdecode", "A list of objects of a CSV text with a header.", std(stdlib.CSVDecodeFunc), makes},
	{"dirname", "A path without its last part.", std(dirName), picks},
	{"distinct", "A list without repetitions.", distinct, makes},
	{"element", "The element of a list at an index, which wraps around.", std(stdlib.ElementFunc), picks},
	{"endswith", "Whether a string ends in another.", std(endsWith), picks},
	{"file", "The content of a file of the lab folder.", fileFunc, makes},
	{"filebase64", "The content of a file of the lab folder, in Base64.", fileBase64, makes},
	{"fileexists", "Whether the lab folder has a file.", fileExists, picks},
	{"filesha256", "The SHA-256 digest of a file of the lab folder, in hexadecimal.", fileSHA256, picks},
	{"flatten", "A list with the elements of the lists inside it.", std(stdlib.FlattenFunc), makes},
	{"floor", "The greatest whole number that is not greater.", std(stdlib.FloorFunc), picks},
	{"format", "A text with values filled in, as in C's printf.", formatFunc, makes},
	{"formatdate", "A time in another format.", std(stdlib.FormatDateFunc), makes},
	{"formatlist", "A list of texts, with the elements of lists filled in.", formatListFunc, makes},
	{"indent", "A text whose lines, but the first, begin with spaces.", indentFunc, makes},
	{"index", "The index of a value in a list.", indexOf, picks},
	{"issensitive", "Whether a value is sensitive.", isSensitive, picks},
	{"join", "A text of the strings of lists with a separator between.", joinFunc, makes},
	{"jsondecode", "The value that a JSON text describes.", std(stdlib.JSONDecodeFunc), makes},
	{"jsonencode", "A value as JSON text.", std(stdlib.JSONEncodeFunc), makes},
	{"keys", "The keys of a map, in order.", std(stdlib.KeysFunc), makes},
	{"length", "The number of elements, or of a string's characters.", std(length), picks},
	{"log", "The logarithm of a number to a base.", std(stdlib.LogFunc), picks},
	{"lookup", "The element of a map at a key, or a default.", std(stdlib.LookupFunc), picks},
	{"lower", "A string in lower case.", std(stdlib.LowerFunc), makes},
	{"matchkeys", "The values whose keys are among those searched for.", matchKeys, makes},
	{"max", "The greatest of numbers.", std(stdlib.MaxFunc), picks},
	{"md5", "The MD5 digest of a string, in hexadecimal.", std(digest("md5", false)), picks},
	{"merge", "Several maps or objects in one; later ones win.", std(stdlib.MergeFunc), makes},
	{"min", "The least of numbers.", std(stdlib.MinFunc), picks},
	{"nonsensitive", "A sensitive value as one that may be shown.", nonSensitive, picks},
	{"one", "The only element of a list of at most one, or null.", std(one), picks},
	{"parseint", "The number that a text writes in a base.", parseInt, makes},
	{"plantimestamp", "The time the plan is made, RFC 3339.", planTimestamp, picks},
	{"pow", "A number raised to a power.", std(stdlib.PowFunc), makes},
	{"range", "A list of numbers from a start to before a limit.", rangeFunc, picks},
	{"regex", "What a regular expression (RE2) matches.", std(stdlib.RegexFunc), makes},
	{"regexall", "All that a regular expression (RE2) matches.", std(stdlib.RegexAllFunc), makes},
	{"replace", "A text with a part replaced; between slashes the part is a regular expression.", replaceFunc, makes},
	{"reverse", "A list in reverse order.", std(stdlib.ReverseListFunc), makes},
	{"sensitive", "A value that is never shown.", sensitive, picks},
	{"setintersection", "The elements that are in all sets.", std(stdlib.SetIntersectionFunc), makes},
	{"setproduct", "All combinations of the elements of several sets or lists.", setProduct, makes},
	{"setsubtract", "The elements of one set that are not in another.", std(stdlib.SetSubtractFunc), makes},
	{"setunion", "The elements that are in any of several sets.", std(stdlib.SetUnionFunc), makes},
	{"sha1", "The SHA-1 digest of a string, in hexadecimal.", std(digest("sha1", false)), picks},
	{"sha256", "The SHA-256 digest of a string, in hexadecimal.", std(digest("sha256", false)), picks},
	{"sha512", "The SHA-512 digest of a string, in hexadecimal.", std(digest("sha512", false)), picks},
	{"signum", "-1, 0 or 1: the sign of a number.", std(stdlib.SignumFunc), picks},
	{"slice", "The elements of a list from one index to before another.", std(stdlib.SliceFunc), makes},
	{"sort", "A list of strings in order.", std(stdlib.SortFunc), makes},
	{"split", "A list of the parts of a string between separators.", std(stdlib.SplitFunc), makes},
	{"startswith", "Whether a string begins with another.", std(startsWith), picks},
	{"strcontains", "Whether a string holds another.", std(strContains), picks},
	{"strrev", "A string with its characters in reverse order.", std(stdlib.ReverseFunc), makes},
	{"substr", "A part of a string.", std(stdlib.SubstrFunc), makes},
	{"sum", "The sum of a list of numbers.", sum, picks},
	{"timeadd", "A time some duration later.", std(stdlib.TimeAddFunc), picks},
	{"timecmp", "-1, 0 or 1: whether a time is before, at or after another.", std(timeCmp), picks},
	{"title", "A string whose words begin with capitals.", std(stdlib.TitleFunc), makes},
	{"tobool", "A value as true or false.", std(stdlib.MakeToFunc(cty.Bool)), picks},
	{"tolist", "A value as a list.", collect(cty.List(cty.DynamicPseudoType)), makes},
	{"tomap", "A value as a map.", collect(cty.Map(cty.DynamicPseudoType)), makes},
	{"tonumber", "A value as a number.", toNumber, makes},
	{"toset", "A value as a set.", collect(cty.Set(cty.DynamicPseudoType)), makes},
	{"tostring", "A value as a string.", std(stdlib.MakeToFunc(cty.String)), makes},
	{"transpose", "A map of lists of strings with keys and elements exchanged.", std(transpose), makes},
	{"trim", "A string without given characters at both ends.", std(stdlib.TrimFunc), makes},
	{"trimprefix", "A string without a beginning.", std(stdlib.TrimPrefixFunc), makes},
	{"trimspace", "A string without space at both ends.", std(stdlib.TrimSpaceFunc), makes},
	{"trimsuffix", "A string without an ending.", std(stdlib.TrimSuffixFunc), makes},
	{"try", "The value of the first expression that has one without error.", std(tryfunc.TryFunc), picks},
	{"upper", "A string in upper case.", std(stdlib.UpperFunc), makes},
	{"urlencode", "A string as part of a URL's query.", std(urlEncode), makes},
	{"uuidv5", "The name-based UUID (RFC 9562, version 5) of a name in a namespace: dns, url, oid, x500 or a UUID.", std(uuidV5), picks},
	{"values", "The values of a map, in the order of its keys.", std(stdlib.ValuesFunc), makes},
	{"yamldecode", "The value that a YAML text describes.", yamlDecode, makes},
	{"yamlencode", "A value as YAML text.", std(yaml.YAMLEncodeFunc), makes},
	{"zipmap", "A map of a list of keys and a list of values.", std(stdlib.ZipmapFunc), makes},
}

// All returns the table in name order, for the reference.
func All() []Function { return slices.Clone(functions) }

// Refused are functions of Terraform that the language leaves out, with what
// to do instead.
var Refused = map[string]string{
	"timestamp":    "Its value differs each time, so no plan would be empty. Use plantimestamp where that is meant, or a variable.",
	"uuid":         "Its value differs each time, so no plan would be empty. Use uuidv5.",
	"bcrypt":       "Its value differs each time, so no plan would be empty.",
	"templatefile": "Write the template in the configuration, as a heredoc.",
	"fileset":      "Name the files one by one.",
	"pathexpand":   "Files are read from the lab folder alone.",
	"abspath":      "Files are read from the lab folder alone.",
}

// Table returns the functions by name.
func Table(o Options) map[string]function.Function {
	e := &env{o}
	t := make(map[string]function.Function, len(functions))
	for i := range functions {
		f := &functions[i]
		t[f.Name] = e.guard(f)
	}
	return t
}
