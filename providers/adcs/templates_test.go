package adcs_test

import (
	"crypto/rand"
	"testing"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/enroll"
)

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
		refused      ca.Code
	}{
		"as Windows has it":   {nil, true, true, 0},
		"both, said":          {&spec.AuthorityTemplate{Subject: &yes, UPN: &yes}, true, true, 0},
		"the subject alone":   {&spec.AuthorityTemplate{UPN: &no}, true, false, 0},
		"the UPN alone":       {&spec.AuthorityTemplate{Subject: &no}, false, true, 0},
		"neither":             {&spec.AuthorityTemplate{Subject: &no, UPN: &no}, false, false, 0},
		"for a group of hers": {&spec.AuthorityTemplate{For: []providers.Ref{"group.staff"}}, true, true, 0},
		"for herself":         {&spec.AuthorityTemplate{For: []providers.Ref{"user.alice"}}, true, true, 0},
		"for others":          {&spec.AuthorityTemplate{For: []providers.Ref{"group.others"}}, false, false, ca.CodeRestricted},
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
	}
}
