package ldapfilter

import (
	"bytes"
	"strings"
	"testing"

	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

var syntaxes = map[string]Attribute{
	"cn": {Name: "cn", Syntax: CaseIgnoreString}, "mail": {Name: "mail", Syntax: CaseExactString}, "objectguid": {Name: "objectGUID", Syntax: OctetString},
	"objectclass": {Name: "objectClass", Syntax: ObjectIdentifier}, "isdeleted": {Name: "isDeleted", Syntax: Boolean},
	"useraccountcontrol": {Name: "userAccountControl", Syntax: Integer}, "grouptype": {Name: "groupType", Syntax: Integer},
	"whencreated": {Name: "whenCreated", Syntax: Time}, "memberof": {Name: "memberOf", Syntax: DistinguishedName},
	"msds-keycredentiallink": {Name: "msDS-KeyCredentialLink", Syntax: DNBinary}, "objectsid": {Name: "objectSid", Syntax: SID},
	"ntsecuritydescriptor": {Name: "nTSecurityDescriptor", Syntax: SecurityDescriptor}, "absent": {Name: "absent", Syntax: CaseIgnoreString},
	"objectcategory": {Name: "objectCategory", Syntax: DistinguishedName, Rewrite: func(v []byte) ([]byte, bool) {
		if strings.Contains(string(v), "=") {
			return v, true
		}
		return []byte("CN=" + string(v) + ",CN=Schema"), !bytes.Equal(v, []byte("nothing"))
	}},
}

type schema struct{}

func (schema) Attribute(name string) (Attribute, bool) {
	a, ok := syntaxes[strings.ToLower(name)]
	return a, ok
}

// linking follows one link: group A is in group B.
type linking struct{ schema }

func (linking) Linked(attribute string, values [][]byte, target []byte) bool {
	key, _ := DistinguishedName.Key(target)
	for _, v := range values {
		if k, _ := DistinguishedName.Key(v); k == key || (k == "cn=a,dc=x" && key == "cn=b,dc=x") {
			return attribute == "memberOf"
		}
	}
	return false
}

var entry = Attributes(func(name string) [][]byte {
	values := map[string][]string{
		"cn": {"Alice  Liddell", "Jürgen"}, "mail": {"Alice@Example"}, "objectGUID": {"\x00\xff*("}, "objectClass": {"top", "user"}, "isDeleted": {"TRUE"},
		"userAccountControl": {"514"}, "groupType": {"-2147483646"}, "whenCreated": {"20250102030405.0Z"}, "memberOf": {"CN=A,DC=x"},
		"msDS-KeyCredentialLink": {"B:4:0AFF:CN=Alice,DC=x"}, "objectSid": {string(sid.New(5, 21, 1, 2, 3, 1104).Bytes())},
		"nTSecurityDescriptor": {"x"}, "objectCategory": {"CN=Person,CN=Schema"},
	}[name]
	var out [][]byte
	for _, v := range values {
		out = append(out, []byte(v))
	}
	return out
})

func TestMatch(t *testing.T) {
	const t1, f0, u2 = True, False, Undefined
	for text, want := range map[string]Truth{
		"(cn=alice liddell)": t1, "(CN= ALICE   LIDDELL )": t1, "(cn=JÜRGEN)": t1, "(cn=alice)": f0, "(cn~=alice liddell)": t1, `(cn=\ff)`: u2,
		"(cn=ali*)": t1, "(cn=*DELL)": t1, "(cn=a*i*l)": t1, "(cn=*ce  li*)": t1, "(cn=alice*alice*)": f0, "(cn=alice  liddell*l)": f0, "(cn=*ü*)": t1,
		"(cn>=alice)": t1, "(cn<=alice)": f0, "(cn>=z)": f0,
		"(mail=Alice@Example)": t1, "(mail=alice@example)": f0, "(mail=Alice*)": t1, "(mail=alice*)": f0,
		`(objectGUID=\00\ff\2a\28)`: t1, `(objectGUID=\00\fe\2a\28)`: f0, `(objectGUID=\00*)`: t1, `(objectGUID>=\00)`: t1, "(objectGUID;binary=*)": t1,
		"(objectClass=USER)": t1, "(objectClass=*)": t1, "(objectClass=computer)": f0,
		"(isDeleted=TRUE)": t1, "(isDeleted=true)": t1, "(isDeleted=FALSE)": f0, "(isDeleted=yes)": u2, "(isDeleted>=TRUE)": u2, "(isDeleted=T*)": u2,
		"(userAccountControl=514)": t1, "(userAccountControl=0514)": t1, "(userAccountControl>=513)": t1, "(userAccountControl<=513)": f0, "(userAccountControl=x)": u2, "(userAccountControl>=x)": u2, "(userAccountControl=5*)": u2, "(userAccountControl=+514)": u2, "(userAccountControl=)": u2,
		"(userAccountControl:1.2.840.113556.1.4.803:=2)": t1, "(userAccountControl:1.2.840.113556.1.4.803:=3)": f0, "(userAccountControl:1.2.840.113556.1.4.804:=3)": t1, "(userAccountControl:1.2.840.113556.1.4.804:=1)": f0, "(userAccountControl:1.2.840.113556.1.4.803:=x)": u2, "(cn:1.2.840.113556.1.4.803:=2)": u2,
		"(groupType:1.2.840.113556.1.4.803:=2147483648)": t1, "(groupType=-2147483646)": t1,
		"(whenCreated=20250102030405Z)": t1, "(whenCreated>=20250101000000.0Z)": t1, "(whenCreated<=250101000000Z)": f0, "(whenCreated=250102030405Z)": t1, "(whenCreated=20250102040405+0100)": t1, "(whenCreated=now)": u2,
		"(memberOf=cn=a, dc=X)": t1, "(memberOf=CN=B,DC=x)": f0, "(memberOf=nonsense)": u2, "(memberOf=)": u2, "(memberOf=CN=A*)": u2, "(memberOf:1.2.840.113556.1.4.1941:=CN=B,DC=x)": u2,
		"(msDS-KeyCredentialLink=B:4:0aff:cn=alice,dc=x)": t1, "(msDS-KeyCredentialLink=B:4:0afe:cn=alice,dc=x)": f0, "(msDS-KeyCredentialLink=CN=Alice,DC=x)": u2,
		"(objectSid=S-1-5-21-1-2-3-1104)": t1, "(objectSid=S-1-5-21-1-2-3-1105)": f0, `(objectSid=\01\05\00\00\00\00\00\05\15\00\00\00\01\00\00\00\02\00\00\00\03\00\00\00\50\04\00\00)`: t1,
		"(nTSecurityDescriptor=x)": u2, "(nTSecurityDescriptor=*)": t1,
		"(objectCategory=person)": t1, "(objectCategory=CN=person,CN=schema)": t1, "(objectCategory=computer)": f0, "(objectCategory=nothing)": f0,
		// Absent is false, unknown is undefined, and so is their negation.
		"(absent=x)": f0, "(!(absent=x))": t1, "(absent=*)": f0, "(absent<=x)": f0,
		"(unknown=x)": u2, "(!(unknown=x))": u2, "(unknown=*)": u2, "(unknown=x*)": u2, "(unknown<=x)": u2, "(unknown:=x)": u2, "(unknown:1.2.840.113556.1.4.803:=1)": u2, "(cn;lang-de=x)": u2,
		"(cn:=alice liddell)": t1, "(cn:dn:=alice liddell)": t1, "(cn:1.2.3:=x)": u2, "(:1.2.3:=x)": u2,
		"(&)": t1, "(|)": f0, "(&(cn=*)(unknown=x))": u2, "(&(cn=x)(unknown=x))": f0, "(|(cn=*)(unknown=x))": t1, "(|(cn=x)(unknown=x))": u2, "(!(&(cn=x)(unknown=x)))": t1,
	} {
		f, err := ldapmsg.ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := Compile(f, schema{}).Match(entry); got != want {
			t.Errorf("%s: %d, not %d", text, got, want)
		}
	}
	for text, want := range map[string]Truth{
		"(memberOf:1.2.840.113556.1.4.1941:=cn=b,DC=X)": True, "(memberOf:1.2.840.113556.1.4.1941:=CN=C,DC=x)": False, "(memberOf:1.2.840.113556.1.4.1941:=x)": Undefined, "(cn:1.2.840.113556.1.4.1941:=CN=B,DC=x)": Undefined,
	} {
		f, _ := ldapmsg.ParseFilter(text)
		if got := Compile(f, linking{}).Match(entry); got != want {
			t.Errorf("%s: %d, not %d", text, got, want)
		}
	}
}

// Compiling and matching whatever the parser takes ends, and nothing panics.
func FuzzMatch(f *testing.F) {
	for _, text := range []string{"(cn=a*b)", "(userAccountControl:1.2.840.113556.1.4.803:=2)", "(whenCreated>=20250101000000.0Z)", `(msDS-KeyCredentialLink=B:4:0aff:cn=alice,dc=x)`, "(!(|(objectSid=S-1-1-0)(&)))"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ldapmsg.ParseFilter(text)
		if err != nil {
			return
		}
		yes, no := Compile(filter, linking{}).Match(entry), Compile(ldapmsg.Not{Filter: filter}, linking{}).Match(entry)
		if (yes == Undefined) != (no == Undefined) || (yes != Undefined && yes == no) {
			t.Errorf("%s: %d, and its negation %d", text, yes, no)
		}
	})
}
