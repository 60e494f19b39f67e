package directory

import (
	"slices"
	"strings"

	"hellolab/providers/adds/ldapfilter"
)

// Syntax is an attribute syntax (MS-ADTS 3.1.1.2.2.2).
type Syntax struct {
	OID   string // attributeSyntax
	OM    int    // oMSyntax
	LDAP  string // the syntax as subschema entries name it (RFC 4517)
	Match ldapfilter.Syntax
	bits  int // of a number
}

// Syntaxes of the schema.
var (
	DN         = &Syntax{"2.5.5.1", 127, "1.3.6.1.4.1.1466.115.121.1.12", ldapfilter.DistinguishedName, 0}
	OID        = &Syntax{"2.5.5.2", 6, "1.3.6.1.4.1.1466.115.121.1.38", ldapfilter.ObjectIdentifier, 0}
	IA5        = &Syntax{"2.5.5.5", 22, "1.3.6.1.4.1.1466.115.121.1.26", ldapfilter.CaseExactString, 0}
	DNBinary   = &Syntax{"2.5.5.7", 127, "1.2.840.113556.1.4.903", ldapfilter.DNBinary, 0}
	Boolean    = &Syntax{"2.5.5.8", 1, "1.3.6.1.4.1.1466.115.121.1.7", ldapfilter.Boolean, 0}
	Integer    = &Syntax{"2.5.5.9", 2, "1.3.6.1.4.1.1466.115.121.1.27", ldapfilter.Integer, 32}
	Octets     = &Syntax{"2.5.5.10", 4, "1.3.6.1.4.1.1466.115.121.1.40", ldapfilter.OctetString, 0}
	Time       = &Syntax{"2.5.5.11", 24, "1.3.6.1.4.1.1466.115.121.1.24", ldapfilter.Time, 0}
	Unicode    = &Syntax{"2.5.5.12", 64, "1.3.6.1.4.1.1466.115.121.1.15", ldapfilter.CaseIgnoreString, 0}
	LargeInt   = &Syntax{"2.5.5.16", 65, "1.2.840.113556.1.4.906", ldapfilter.Integer, 64}
	Descriptor = &Syntax{"2.5.5.15", 66, "1.2.840.113556.1.4.907", ldapfilter.SecurityDescriptor, 0}
	SIDSyntax  = &Syntax{"2.5.5.17", 4, "1.3.6.1.4.1.1466.115.121.1.40", ldapfilter.SID, 0}
)

// Attribute is one attributeSchema object, reduced to what is decided by it.
type Attribute struct {
	Name   string // lDAPDisplayName
	OID    string // attributeID
	Syntax *Syntax
	flags  attributeFlag
}

type attributeFlag uint16

const (
	single      attributeFlag = 1 << iota // at most one value
	system                                // only the directory itself writes it (systemOnly)
	backLink                              // computed from the forward links
	constructed                           // computed; returned only when it is asked for by name
	secret                                // never read
	unique                                // no two objects of the directory have one value
	operational                           // not among "*"
	link                                  // values refer to objects, and follow them
)

func (a *Attribute) has(f attributeFlag) bool { return a.flags&f != 0 }

// Class is one classSchema object: what an object of it must and may hold
// besides what its superclass does.
type Class struct {
	Name, OID string
	Super     string // "" for top
	Category  string // defaultObjectCategory's relative name; the class's own when empty
	Kind      classKind
	RDN       string // attribute that names objects of it
	Must, May []string
	Parents   []string // possSuperiors
}

type classKind uint8

const (
	structural classKind = iota + 1
	abstract
	auxiliary
)

// Schema answers questions about names. Names are compared without letter case.
type Schema struct {
	attributes map[string]*Attribute // by lower-case name and by OID
	classes    map[string]*Class
	indexed    []*Attribute                   // that objects are found by: those that are unique, and classes of mapping
	linked     []*Attribute                   // whose values are links to other objects
	held       map[*Class]map[*Attribute]bool // what a class itself has objects hold, or lets them
}

// NewSchema returns the schema of every domain of a lab.
func NewSchema() *Schema {
	s := &Schema{attributes: map[string]*Attribute{}, classes: map[string]*Class{}, held: map[*Class]map[*Attribute]bool{}}
	for i := range attributes {
		a := &attributes[i]
		s.attributes[strings.ToLower(a.Name)], s.attributes[a.OID] = a, a
		if a.has(unique) {
			s.indexed = append(s.indexed, a)
		}
		if a.has(link) {
			s.linked = append(s.linked, a)
		}
	}
	for i := range classes {
		c := &classes[i]
		s.classes[strings.ToLower(c.Name)], s.classes[c.OID] = c, c
		held := map[*Attribute]bool{}
		for _, name := range slices.Concat(c.Must, c.May) {
			held[s.Attribute(name)] = true
		}
		s.held[c] = held
	}
	return s
}

// Attribute returns what a name or an OID names, nil when nothing.
func (s *Schema) Attribute(name string) *Attribute { return s.attributes[strings.ToLower(name)] }

// Class returns what a name or an OID names, nil when nothing.
func (s *Schema) Class(name string) *Class { return s.classes[strings.ToLower(name)] }

// line returns a class and its superclasses, top first: the value of
// objectClass.
func (s *Schema) line(c *Class) []*Class {
	var line []*Class
	for ; c != nil; c = s.Class(c.Super) {
		line = append(line, c)
		if c.Super == "" {
			break
		}
	}
	slices.Reverse(line)
	return line
}

// allows returns what says whether an object of the classes may hold an
// attribute.
func (s *Schema) allows(classes []string) func(*Attribute) bool {
	all := s.expand(classes)
	return func(a *Attribute) bool {
		return slices.ContainsFunc(all, func(c *Class) bool { return s.held[c][a] })
	}
}

// missing says which attribute that an object of the classes must hold it does
// not, "" for none.
func (s *Schema) missing(classes []string, has func(string) bool) string {
	for _, c := range s.expand(classes) {
		for _, name := range c.Must {
			if !has(name) {
				return name
			}
		}
	}
	return ""
}

func (s *Schema) expand(classes []string) []*Class {
	var all []*Class
	for _, name := range classes {
		if c := s.Class(name); c != nil {
			all = append(all, c)
		}
	}
	return all
}

func containsFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}
