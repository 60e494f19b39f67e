package reference

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hellolab/hcl/budget"
	"hellolab/hcl/funcs"
	"hellolab/providers/hello"
	"hellolab/providers/wire/krb"
)

// groups are the functions by what they are about. Every function of the
// language is in one of them.
var groups = []struct{ title, names string }{
	{"Numbers", "abs ceil floor log max min parseint pow signum sum"},
	{"Text", "chomp endswith format formatlist indent join lower regex regexall replace split startswith strcontains strrev substr title trim trimprefix trimspace trimsuffix upper"},
	{"Lists, sets and maps", "alltrue anytrue chunklist coalesce coalescelist compact concat contains distinct element flatten index keys length lookup matchkeys merge one range reverse setintersection setproduct setsubtract setunion slice sort transpose values zipmap"},
	{"Types and mistakes", "can issensitive nonsensitive sensitive tobool tolist tomap tonumber toset tostring try"},
	{"Encodings", "base64decode base64encode csvdecode jsondecode jsonencode urlencode yamldecode yamlencode"},
	{"Digests and identifiers", "base64sha256 base64sha512 md5 sha1 sha256 sha512 uuidv5"},
	{"Time", "formatdate plantimestamp timeadd timecmp"},
	{"Files of the lab", "basename dirname file filebase64 fileexists filesha256"},
}

// Functions renders the function table, and those of Terraform that it leaves
// out.
func Functions(all []funcs.Function, refused map[string]string) (string, error) {
	docs := make(map[string]string, len(all))
	for _, f := range all {
		docs[f.Name] = f.Doc
	}
	table := funcs.Table(funcs.Options{})
	var p page
	for _, g := range groups {
		p.line("\n### %s", g.title)
		var rows [][]string
		for _, name := range strings.Fields(g.names) {
			doc, ok := docs[name]
			if !ok {
				return "", fmt.Errorf("the group %q lists %s, which is no function or in two groups", g.title, name)
			}
			delete(docs, name)
			f := table[name]
			var params []string
			for _, v := range f.Params() {
				params = append(params, v.Name)
			}
			if v := f.VarParam(); v != nil {
				params = append(params, v.Name+"...")
			}
			rows = append(rows, []string{code(name + "(" + strings.Join(params, ", ") + ")"), doc})
		}
		p.table([]string{"Function", "Result"}, rows)
	}
	for _, f := range all {
		if _, left := docs[f.Name]; left {
			return "", fmt.Errorf("the function %s is in no group: add it to one in cmd/hellolab/internal/reference", f.Name)
		}
	}
	p.line("\n### Left out")
	var rows [][]string
	for name, instead := range refused {
		rows = append(rows, []string{code(name), instead})
	}
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	p.table([]string{"Function of Terraform", "Why, and what to do"}, rows)
	return p.String(), nil
}

// Bounds renders the limits of the language.
func Bounds(bounds []budget.Bound) string {
	var p page
	var rows [][]string
	for _, b := range bounds {
		limit := number(b.Limit)
		switch {
		case b.Bytes && b.Limit%(1<<20) == 0:
			limit = number(b.Limit>>20) + " MiB"
		case b.Bytes:
			limit += " bytes"
		}
		rows = append(rows, []string{b.What, limit})
	}
	p.table([]string{"What", "At most"}, rows)
	return p.String()
}

// number writes 1000000 as 1,000,000.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Reasons renders what a check may expect.
func Reasons(reasons []hello.Reason) string {
	var p page
	var rows [][]string
	for _, r := range reasons {
		status := ""
		if r.Status != "" {
			status = code(strings.TrimSpace(r.Status + " " + r.Name))
		}
		if n, ok := r.Kerberos(); ok {
			status = strings.TrimPrefix(fmt.Sprintf("%s, Kerberos error %d `%s`", status, n, krb.Code(n).Name()), ", ")
		}
		rows = append(rows, []string{code(r.Code), r.Sentence, status})
	}
	p.table([]string{"Code", "Meaning", "Shown by the protocol or Windows as"}, rows)
	return p.String()
}
