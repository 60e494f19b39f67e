package directory

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/adds/ldapfilter"
	"hellolab/providers/wire/ldapmsg"
)

// RootDSE returns the entry that anybody may read (MS-ADTS 3.1.1.3.2), as the
// controller named computer shows it. What the protocol's server supports is
// the server's to add.
func (d *Directory) RootDSE(computer string) (Entry, error) {
	usn, err := d.HighestUSN()
	if err != nil {
		return Entry{}, err
	}
	var last time.Time
	err = d.view(func(r reader) (err error) {
		last, err = r.lastProtection()
		return err
	})
	if err != nil {
		return Entry{}, err
	}
	cfg := &d.cfg
	var at Controller
	for _, c := range cfg.Controllers {
		if strings.EqualFold(c.Name, computer) {
			at = c
		}
	}
	server := (&provision{d: d}).server(at)
	level := strconv.Itoa(cfg.Level)
	values := map[string][]string{
		"currentTime":                   {formatTime(d.now())},
		"subschemaSubentry":             {"CN=Aggregate," + cfg.schemaDN()},
		"dsServiceName":                 {"CN=NTDS Settings," + server},
		"namingContexts":                {cfg.DN(), cfg.configuration(), cfg.schemaDN()},
		"defaultNamingContext":          {cfg.DN()},
		"schemaNamingContext":           {cfg.schemaDN()},
		"configurationNamingContext":    {cfg.configuration()},
		"rootDomainNamingContext":       {cfg.DN()},
		"supportedCapabilities":         {"1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670", "1.2.840.113556.1.4.1791", "1.2.840.113556.1.4.1935", "1.2.840.113556.1.4.2080"},
		"dnsHostName":                   {cfg.Host(at.Name)},
		"ldapServiceName":               {cfg.DNSName + ":" + strings.ToLower(at.Name) + "$@" + cfg.Realm()},
		"serverName":                    {server},
		"highestCommittedUSN":           {strconv.FormatUint(usn, 10)},
		"isSynchronized":                {"TRUE"},
		"isGlobalCatalogReady":          {"TRUE"},
		"domainFunctionality":           {level},
		"forestFunctionality":           {level},
		"domainControllerFunctionality": {level},
	}
	e := Entry{}
	for name, v := range values {
		e.Attributes = append(e.Attributes, Shown{Name: name, Values: texts(v...)})
	}
	e.Attributes = append(e.Attributes, Shown{Name: lastProtection, Values: texts(formatTime(last)), Operational: true})
	sort.Slice(e.Attributes, func(i, j int) bool { return e.Attributes[i].Name < e.Attributes[j].Name })
	return e, nil
}

// subschema returns the entry by which tools learn the schema (RFC 4512 4.2).
func (d *Directory) subschema() Entry {
	var types, classesOf []string
	for i := range attributes {
		a := &attributes[i]
		text := fmt.Sprintf("( %s NAME '%s' SYNTAX '%s'", a.OID, a.Name, a.Syntax.LDAP)
		if a.has(single) {
			text += " SINGLE-VALUE"
		}
		if a.has(system | constructed | backLink) {
			text += " NO-USER-MODIFICATION"
		}
		types = append(types, text+" )")
	}
	for i := range classes {
		c := &classes[i]
		text := fmt.Sprintf("( %s NAME '%s'", c.OID, c.Name)
		if c.Super != "" {
			text += " SUP " + c.Super
		}
		text += map[classKind]string{structural: " STRUCTURAL", abstract: " ABSTRACT", auxiliary: " AUXILIARY"}[c.Kind]
		for _, list := range []struct {
			word  string
			names []string
		}{{" MUST (", c.Must}, {" MAY (", c.May}} {
			if len(list.names) > 0 {
				text += list.word + strings.Join(list.names, " $ ") + " )"
			}
		}
		classesOf = append(classesOf, text+" )")
	}
	return Entry{DN: "CN=Aggregate," + d.cfg.schemaDN(), Attributes: []Shown{
		{Name: "attributeTypes", Values: texts(types...), Operational: true},
		{Name: "objectClass", Values: texts("top", "subSchema")},
		{Name: "objectClasses", Values: texts(classesOf...), Operational: true},
	}}
}

// searchSubschema is a search at the subschema entry, which is at no other
// search's reach.
func (d *Directory) searchSubschema(op *ldapmsg.Search, found func(Entry) error) error {
	e := d.subschema()
	matcher := ldapfilter.Compile(op.Filter, subschemaNames{})
	values := func(name string) [][]byte {
		for _, a := range e.Attributes {
			if a.Name == name {
				return a.Values
			}
		}
		return nil
	}
	if op.Scope == ldapmsg.SingleLevel || matcher.Match(ldapfilter.Attributes(values)) != ldapfilter.True {
		return nil
	}
	return found(e)
}

// subschemaNames is the schema of the subschema entry.
type subschemaNames struct{}

func (subschemaNames) Attribute(name string) (ldapfilter.Attribute, bool) {
	for _, known := range []string{"attributeTypes", "objectClass", "objectClasses"} {
		if strings.EqualFold(known, name) {
			return ldapfilter.Attribute{Name: known, Syntax: ldapfilter.CaseIgnoreString}, true
		}
	}
	return ldapfilter.Attribute{}, false
}
