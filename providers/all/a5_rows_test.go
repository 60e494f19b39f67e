package all_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	reasons "hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/entrakrb"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// TestA5 is one sign-in by PIN at a hybrid joined desk under cloud Kerberos
// trust, looked at row by row.
func TestA5(t *testing.T) {
	l := newCloudDesk(t)
	tap := l.listen()
	v := l.expect(deskPIN(), "success")
	s := l.story("A5")
	s.begunByDevice(t)
	kid := conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, deskEnrolled).Out.KeyID
	wire := tap.exchanges()

	t.Run("order", func(t *testing.T) {
		seed.Proves(t, "MOD-13", "A5")
		want := []string{
			"A:lock_screen_dismissed", "A:gesture_provided", "A:credentials_packed", "A:credentials_to_lsass", "A:cloud_trust_policy", "A:credentials_to_cloud_ap", "A:key_released", "A:nonce_request",
			"B:nonce_signed",
			"C:prt_request",
			"D:session_key_unwrapped", "D:session_key_protected", "D:partial_tgt_opened", "D:success_to_lsass", "D:prt_cached", "D:partial_tgt_cached",
			"E:domain_hint", "E:dc_located", "E:partial_tgt_sent", "E:tgt_cached", "E:logon_pac",
			"E:success_to_winlogon", "E:logon_session", "E:profile_loaded", "E:explorer_started",
		}
		if got := s.local(); !slices.Equal(got, want) || s.letters() != "ABCDE" || v.Flow != "A5" || v.Phase != "E" {
			t.Errorf("%s/%s: steps\n%s\nwant\n%s", v.Flow, v.Phase, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
	t.Run("as A1 up to LSASS", func(t *testing.T) {
		seed.Proves(t, "A5-01", "A5")
		l.device("laptop")
		l.enroll()
		l.expect(byPIN(pin), "success")
		steps := func(flow string) (lanes []string) {
			for _, lane := range l.story(flow).lanes("A") {
				lanes = append(lanes, lane)
				if strings.HasSuffix(lane, "credentials_to_lsass") {
					return lanes
				}
			}
			t.Fatalf("%s passes nothing to LSASS", flow)
			return nil
		}
		if a5, a1 := steps("A5"), steps("A1"); !slices.Equal(a5, a1) || len(a5) != 4 {
			t.Errorf("A5\n%s\nA1\n%s", strings.Join(a5, "\n"), strings.Join(a1, "\n"))
		}
	})
	t.Run("policy", func(t *testing.T) {
		seed.Proves(t, "A5-02", "A5")
		seed.Proves(t, "POL-03", "A5")
		s.by(t, "A", event.LSASS, "", "cloud_trust_policy")
		if m := s.at(t, "cloud_trust_policy").Message; m["use_cloud_trust_for_on_prem_auth"] != true || m["policy"] != "policy.hello" || m["level"] != "computer GPO" {
			t.Errorf("policy %v", m)
		}
	})
	t.Run("the tenant first", func(t *testing.T) {
		seed.Proves(t, "A5-03", "A5")
		seed.Proves(t, "HY-01", "A5") // the newer exception: T-05 of the readings, R13
		s.by(t, "A", event.LSASS, event.CloudAP, "credentials_to_cloud_ap")
		s.by(t, "A", event.CloudAP, event.EntraID, "nonce_request")
		s.inOrder(t, "cloud_trust_policy", "credentials_to_cloud_ap", "nonce_request", "prt_cached", "dc_located", "tgt_cached", "logon_session")
		if s.has("credentials_to_kerberos") || s.has("as_request") || s.has("kdc_certificate_accepted") {
			t.Errorf("the key is proven to the domain\n%s", s)
		}
		for flow, exception := range map[reasons.Flow]bool{reasons.A5: true, reasons.A6: false, reasons.A7: false} {
			if strings.HasSuffix(flow.Title(), "the tenant first") != exception {
				t.Errorf("%s is %q", flow, flow.Title())
			}
		}
	})
	t.Run("nonce", func(t *testing.T) {
		seed.Proves(t, "A5-04", "A5")
		s.by(t, "B", event.CloudAP, event.TPM, "nonce_signed")
		assertion := assertionOf(t, wire)
		user, err := l.containerOf(desk, "alice").UserKeys[0].Key.RSA()
		if err != nil || assertion.Token.VerifyRS256(user) != nil || assertion.Claims.RequestNonce == "" {
			t.Errorf("assertion: %v", err)
		}
	})
	var reply *oauth.TokenResponse
	t.Run("token and partial ticket", func(t *testing.T) {
		seed.Proves(t, "A5-05", "A5")
		seed.Proves(t, "A5-06", "A5")
		seed.Proves(t, "COMP-15", "A5")
		s.by(t, "C", event.CloudAP, event.EntraID, "prt_request")
		s.phase("C").inOrder(t, "prt_request", "device_signature_verified", "signature_verified", "nonce_verified", "prt_issued", "partial_tgt_issued")
		s.by(t, "C", event.EntraKerberos, event.CloudAP, "partial_tgt_issued")
		request := signedRequests(t, wire)[0]
		if request.form().Get("tgt") != "true" || !request.byDevice() {
			t.Errorf("asked with %v", request.form())
		}
		var err error
		if reply, err = oauth.ParseTokenResponse(request.reply); err != nil || reply.RefreshToken == "" || reply.SessionKeyJWE == "" || reply.TGTAD == "" {
			t.Fatalf("one reply does not bring both: %v", err)
		}
		wrapped, key := l.sessionKeyOf(t, request)
		if prt.CheckSessionKey(wrapped, key) != nil {
			t.Error("the session key is not for the transport key")
		}
		partial, err := entrakrb.Open(reply.TGTAD, prt.Key(key))
		if err != nil || partial.Realm != realm || partial.Server != "krbtgt/"+realm {
			t.Errorf("the partial ticket %+v: %v", partial.Realm, err)
		}
		if _, err := entrakrb.Open(reply.TGTAD, prt.Key(make([]byte, len(key)))); err == nil {
			t.Error("another session key opens it")
		}
	})
	t.Run("session key", func(t *testing.T) {
		seed.Proves(t, "A5-07", "A5")
		s.by(t, "D", event.CloudAP, event.TPM, "session_key_unwrapped")
		s.by(t, "D", event.CloudAP, event.TPM, "session_key_protected")
		s.by(t, "D", event.CloudAP, event.LSASS, "success_to_lsass")
		rec := stored[prtState](l, desk, "prt", l.sid("alice")+"|ngc")
		if rec.SessionKey.Storage != ksp.TPM || s.at(t, "session_key_protected").Message["storage"] != "tpm" {
			t.Errorf("the session key lives in %s", rec.SessionKey.Storage)
		}
		if _, err := l.tpmOf(desk).Unseal(t.Context(), rec.SessionKey, nil); err == nil {
			t.Error("the TPM gives the session key out")
		}
	})
	t.Run("both in cache", func(t *testing.T) {
		seed.Proves(t, "A5-08", "A5")
		seed.Proves(t, "COMP-05", "A5")
		seed.Proves(t, "PRT-05", "A5")
		s.by(t, "D", event.LSASS, "", "prt_cached")
		s.by(t, "D", event.LSASS, "", "partial_tgt_cached")
		rec, tickets := stored[prtState](l, desk, "prt", l.sid("alice")+"|ngc"), l.cloudTickets(desk, "alice")
		if rec.UPN != "alice@contoso.com" || tickets.Domain == nil || tickets.Domain.SRealm != realm || tickets.Cloud == nil || tickets.Cloud.SRealm != entrakrb.CloudRealm {
			t.Errorf("token of %s, tickets %+v", rec.UPN, tickets)
		}
		status, err := l.windows.Status(l.For(desk), desk, alice)
		if err != nil || !status.PRT || !status.Tickets.OnPremTGT || !status.Tickets.CloudTGT || !status.Tickets.DomainTGT || !status.NGC {
			t.Errorf("status %+v, %v", status, err)
		}
		if text := status.Text(); !strings.Contains(text, "OnPremTgt : YES") || !strings.Contains(text, "CloudTgt : YES") || !strings.Contains(text, "KerbTopLevelNames : ") {
			t.Errorf("%s", text)
		}
	})
	t.Run("the exchange", func(t *testing.T) {
		seed.Proves(t, "A5-09", "A5")
		seed.Proves(t, "COMP-07", "A5")
		seed.Proves(t, "COMP-08", "A5")
		s.by(t, "E", event.LSASS, event.Kerberos, "domain_hint")
		s.by(t, "E", event.DCLocator, event.ActiveDirectory, "dc_located")
		s.by(t, "E", event.Kerberos, event.KDC, "partial_tgt_sent")
		if m := s.at(t, "domain_hint").Message; m["kid"] != kid || m["domain"] != "corp.contoso.com" {
			t.Errorf("hint %v", m)
		}
		if m := s.at(t, "dc_located").Message; m["key_list"] != true {
			t.Errorf("any controller is taken: %v", m)
		}
		s.phase("E").inOrder(t, "domain_hint", "dc_located", "partial_tgt_sent", "tgs_req", "tgt_cached")
		session := stored[kerberos.Session](l, desk, "kerberos", l.sid("alice"))
		partial := l.cloudTickets(desk, "alice").Domain
		if session.Method != "cloud" || session.TGT == nil || string(session.TGT.Ticket) == string(partial.Ticket) || len(session.Groups) < 2 {
			t.Errorf("session by %s, groups %q", session.Method, session.Groups)
		}
	})
	t.Run("desktop", func(t *testing.T) {
		seed.Proves(t, "A5-10", "A5")
		s.by(t, "E", event.LSASS, "", "tgt_cached")
		s.by(t, "E", event.LSASS, event.Winlogon, "success_to_winlogon")
		s.by(t, "E", event.Winlogon, "", "logon_session")
		s.by(t, "E", event.Winlogon, "", "profile_loaded")
		s.by(t, "E", event.Winlogon, event.User, "explorer_started")
		s.inOrder(t, "tgt_cached", "success_to_winlogon", "logon_session", "profile_loaded", "explorer_started")
	})
	t.Run("no key in the domain", func(t *testing.T) {
		seed.Proves(t, "A5-11", "A5")
		if n := len(l.links("alice")); n != 0 {
			t.Errorf("%d keys in the domain", n)
		}
	})
}

// TestA5WithoutTPM: the flow's phase D takes a TPM where there is one.
func TestA5WithoutTPM(t *testing.T) {
	seed.Proves(t, "A5-07", "A5")
	l := newCloudDesk(t, func(d *spec.Device) { d.TPM = "none" })
	l.expect(deskPIN("tenant.contoso", corp), "success")
	s := l.story("A5")
	s.by(t, "D", event.CloudAP, event.Device, "session_key_unwrapped")
	s.by(t, "D", event.CloudAP, event.Device, "session_key_protected")
	rec := stored[prtState](l, desk, "prt", l.sid("alice")+"|ngc")
	status, err := l.windows.Status(l.For(desk), desk, alice)
	if err != nil || rec.SessionKey.Storage != ksp.Software || s.at(t, "session_key_protected").Message["storage"] != "software" || status.TPMProtected {
		t.Errorf("in %s, status %+v, %v", rec.SessionKey.Storage, status, err)
	}
	if !strings.Contains(status.Text(), "TpmProtected : NO") {
		t.Errorf("%s", status.Text())
	}
}

// TestCloudTrustPolicy: the switch that LSASS reads decides which flow runs at the
// next sign-in, of the same key.
func TestCloudTrustPolicy(t *testing.T) {
	l := newCloudDesk(t)
	runs := func(change func(*spec.Policy), flow, code string) {
		t.Helper()
		p := cloudPolicy()
		change(&p)
		l.Update("policy.hello", p)
		l.restartDesk()
		v := l.expect(deskPIN(), code)
		if s := l.story(flow); v.Flow != flow || s.has("cloud_trust_policy") != (flow == "A5") || s.has("credentials_to_kerberos") != (flow == "A6") {
			t.Errorf("%s\n%s", v.Flow, s)
		}
	}
	seed.Proves(t, "A5-02", "A5")
	seed.Proves(t, "POL-03", "A5", "A6")
	on := func(*spec.Policy) {}
	off := func(p *spec.Policy) { p.Trust, p.UseCloudTrustForOnPremAuth = "", new(false) }
	runs(on, "A5", "success")
	runs(off, "A6", "kdc_no_certificate") // the domain has no authority, and was not to need one
	l.Create("authority.issuing", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	l.due("authority.issuing", corp)
	runs(off, "A6", "key_not_synced")
	l.cycle()
	runs(off, "A6", "success")
	runs(on, "A5", "success") // the same key, provisioned once
	runs(func(p *spec.Policy) { p.Trust, p.UseCloudTrustForOnPremAuth = "", new(true) }, "A5", "success")

	// A policy that another beats is as off: user scope has no such switch, and a
	// certificate's wins, which this version has no flow for.
	l.Update("policy.hello", func() spec.Policy { p := cloudPolicy(); p.UseCertificateForOnPremAuth = new(true); return p }())
	r := deskPIN()
	r.User = alice
	if v, err := l.windows.SignIn(t.Context(), l.For(desk), r); err == nil {
		t.Errorf("certificate trust: %+v", v)
	}
}

// TestA5Session: an unlock goes on with what the session has; a new sign-in is a
// new session.
func TestA5Session(t *testing.T) {
	l := newCloudDesk(t)
	l.expect(deskPIN(), "success")
	before := l.cloudTickets(desk, "alice")

	l.lockDesk()
	v := l.expect(unlocking(deskPIN("tenant.contoso", corp)), "success")
	s := l.story("A5")
	if steps := l.ran(v); slices.Contains(steps, "prt_request") || !slices.Contains(steps, "partial_tgt_sent") || !slices.Contains(steps, "session_unlocked") {
		t.Errorf("steps %q\n%s", steps, s)
	}
	if string(l.cloudTickets(desk, "alice").Domain.Ticket) != string(before.Domain.Ticket) {
		t.Error("an unlock at once fetched another partial ticket")
	}

	// Of age, the token is renewed at the unlock, and brings another ticket.
	l.lockDesk()
	l.Advance(5 * time.Hour)
	v = l.expect(unlocking(deskPIN(corp)), "success")
	if steps := l.ran(v); !slices.Contains(steps, "prt_renewal") || slices.Contains(steps, "nonce_signed") {
		t.Errorf("steps %q", steps)
	}
	if after := l.cloudTickets(desk, "alice"); !after.Domain.EndTime.Equal(before.Domain.EndTime.Add(5 * time.Hour)) {
		t.Errorf("the ticket ends at %s, was %s", after.Domain.EndTime, before.Domain.EndTime)
	}

	// After the ticket's end it is a sign-in.
	l.lockDesk()
	l.Advance(11 * time.Hour)
	v = l.expect(unlocking(deskPIN(corp)), "success")
	if steps := l.ran(v); !slices.Contains(steps, "nonce_signed") || !slices.Contains(steps, "partial_tgt_cached") {
		t.Errorf("steps %q", steps)
	}

	// Nothing outlives the session.
	if err := l.windows.SignOut(t.Context(), l.For(desk), alice, desk); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"prt", "cloudtickets", "kerberos", "session"} {
		if keys := l.keysOf(desk, table); len(keys) != 0 {
			t.Errorf("%s after signing out: %q", table, keys)
		}
	}
	l.expect(deskPassword(corp), "success") // a password goes to the domain first, and its token brings the ticket, too
	s = l.story("A6")
	s.inOrder(t, "credentials_to_kerberos", "tgt_cached", "explorer_started", "prt_request", "partial_tgt_cached")
	if status, err := l.windows.Status(l.For(desk), desk, alice); err != nil || !status.Tickets.OnPremTGT {
		t.Errorf("status %+v, %v", status.Tickets, err)
	}
}
