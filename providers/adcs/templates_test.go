package adcs_test

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// An authority that an earlier program set up publishes its templates anew, with
// their rights.
func TestTemplatesPublishedAnew(t *testing.T) {
	e := newDomain(t)
	e.Create(issuing, spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	c := admin(t, e)
	dn := "CN=User,CN=Certificate Templates,CN=Public Key Services,CN=Services,CN=Configuration," + c.Base
	if err := c.Replace(dn, adldap.Attributes{"nTSecurityDescriptor": nil}); err != nil {
		t.Fatal(err)
	}
	if _, err := enroll.RightsOf(c, ca.User); !enroll.Missing(err) {
		t.Fatalf("rights of a template without: %v", err)
	}
	err := e.For(issuing).Section.Update(t.Context(), func(w providers.Writer) error {
		raw, _, err := w.Get("server", "settings")
		if err != nil {
			return err
		}
		return w.Put("server", "settings", bytes.Replace(raw, []byte(`"published":1`), []byte(`"published":0`), 1))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Due(t.Context(), issuing); err != nil {
		t.Fatal(err)
	}
	if d, err := enroll.RightsOf(c, ca.User); err != nil || len(d.Entries) == 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// The templates that may be declared are those that there are.
func TestTemplateNames(t *testing.T) {
	var names []string
	for _, b := range ca.Builtin(sid.Administrators, guid.GUID{}) {
		names = append(names, b.Name)
	}
	if declared := hello.Templates(); !slices.Equal(names, declared) {
		t.Errorf("there are %q, and declared may be %q", names, declared)
	}
}

// What an authority's template blocks say of names, and of whom agents may ask for.
func TestTemplateBlocks(t *testing.T) {
	e := newDomain(t)
	authority := func(block *spec.AuthorityTemplate) spec.Authority {
		a := spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true}
		if block != nil {
			block.Enabled = true
			a.Templates = map[string]*spec.AuthorityTemplate{"whfbauthentication": block}
		}
		return a
	}
	e.Create(issuing, authority(nil))
	e.Create("user.alice", spec.User{UPN: "alice@corp.contoso.com", Domain: corp, Password: providers.Secret("Correct-Horse-7"), Groups: []providers.Ref{"group.staff"}, EnabledInDomain: true, PasswordVersion: 1})
	e.Create("group.others", spec.Group{Domain: corp, Name: "Others"})
	c := admin(t, e)
	sts := newServer(t, e, c, "sts.corp.contoso.com")
	if err := enroll.Grant(c, ca.HelloEnrollmentAgent, sts.sid); err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	chain, err := sts.client.Enroll(t.Context(), sts.service, ca.HelloEnrollmentAgent, csr(t, key))
	if err != nil {
		t.Fatal(err)
	}
	request, err := (&enroll.Agent{Key: key, Certificate: chain[0]}).Sign(rand.Reader, `CORP\alice`, ca.HelloAuthentication, csr(t, newKey(t)))
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	for name, c := range map[string]struct {
		block        *spec.AuthorityTemplate
		subject, upn bool
		nobody       bool // no security identifier
		refused      ca.Code
	}{
		"as Windows has it":   {nil, true, true, false, 0},
		"both, said":          {&spec.AuthorityTemplate{Subject: &yes, UPN: &yes}, true, true, false, 0},
		"the subject alone":   {&spec.AuthorityTemplate{UPN: &no}, true, false, false, 0},
		"the UPN alone":       {&spec.AuthorityTemplate{Subject: &no}, false, true, false, 0},
		"neither":             {&spec.AuthorityTemplate{Subject: &no, UPN: &no}, false, false, false, 0},
		"for a group of hers": {&spec.AuthorityTemplate{For: []providers.Ref{"group.staff"}}, true, true, false, 0},
		"for herself":         {&spec.AuthorityTemplate{For: []providers.Ref{"user.alice"}}, true, true, false, 0},
		"for others":          {&spec.AuthorityTemplate{For: []providers.Ref{"group.others"}}, false, false, false, ca.CodeRestricted},
		"for nobody":          {&spec.AuthorityTemplate{For: []providers.Ref{}}, false, false, false, ca.CodeRestricted},
		"no identifier":       {&spec.AuthorityTemplate{SID: &no}, true, true, true, 0},
		"an identifier, said": {&spec.AuthorityTemplate{SID: &yes}, true, true, false, 0},
	} {
		e.Update(issuing, authority(c.block))
		issued, err := sts.client.Submit(t.Context(), sts.service, request)
		if c.refused != 0 {
			if !refused(err, c.refused) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		names, err := adcert.Names(issued.Chain[0])
		if err != nil || (issued.Chain[0].Subject.CommonName == "alice") != c.subject || (len(names.UPNs) == 1) != c.upn {
			t.Errorf("%s: %s, %+v, %v", name, issued.Chain[0].Subject, names, err)
		}
		if _, found, err := adcert.SID(issued.Chain[0]); err != nil || found == c.nobody {
			t.Errorf("%s: identifier %v, %v", name, found, err)
		}
	}
}
