package inspect

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/sid"
)

// decodePAC reads a PAC as it stands in a ticket's authorization data.
func decodePAC(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if !isPAC(b) {
			return nil, not("it does not begin with the list of a PAC's buffers")
		}
		return i.pac(b, nil)
	})
}

// isPAC says whether b begins as a PAC does: a number of buffers, version 0,
// and the first buffer right behind the list.
func isPAC(b []byte) bool {
	const most = 64
	if len(b) < 24 {
		return false
	}
	le := binary.LittleEndian
	n := le.Uint32(b)
	return n > 0 && n <= most && le.Uint32(b[4:]) == 0 && le.Uint32(b[8:]) < 256 && le.Uint64(b[16:]) == uint64(8+16*n)
}

// pacTicket is the ticket that a PAC came in, opened with key.
type pacTicket struct {
	ticket *krb.Ticket
	part   *krb.EncTicketPart
	key    *krb.KeytabEntry
}

func (i *inspector) pacIn(b []byte, of *pacTicket) any {
	n, err := i.pac(b, of)
	if err != nil {
		return unreadable(b, err)
	}
	return n
}

func (i *inspector) pac(b []byte, of *pacTicket) (*Node, error) {
	p, err := pac.Parse(b)
	if err != nil {
		return nil, err
	}
	n := &Node{Type: "pac", Title: "Privilege attribute certificate, PAC (MS-PAC)"}
	if p.LogonInfo != nil {
		n.add("logon info", i.logonInfo(p.LogonInfo))
	}
	if c := p.Credentials; c != nil {
		f := Fields{}
		f.coded("etype", c.EType, etypeNames)
		f.noted("ciphertext", len(c.Cipher), "bytes, under the AS reply key")
		n.add("credential info", f)
	}
	if c := p.ClientInfo; c != nil {
		f := Fields{}
		f.add("name", c.Name)
		f.ticks("auth time", c.ClientID, i.o.Now)
		n.add("client info", f)
	}
	if u := p.UPNDNSInfo; u != nil {
		n.add("upn dns info", upnInfo(u))
	}
	if a := p.Attributes; a != nil {
		names := []any{}
		if a.Flags&pac.PACRequested != 0 {
			names = append(names, "requested")
		}
		if a.Flags&pac.PACGivenImplicitly != 0 {
			names = append(names, "given implicitly")
		}
		n.noted("attributes", names, fmt.Sprintf("0x%x", a.Flags))
	}
	if !p.Requestor.IsZero() {
		n.add("requestor", p.Requestor.String())
	}
	for _, o := range p.Others {
		n.add(strings.ReplaceAll(o.Type.String(), "_", " "), fmt.Sprintf("(%s)", size(o.Data)))
	}
	n.add("checks", i.pacChecks(p, of))
	return n, nil
}

func upnInfo(u *pac.UPNDNSInfo) Fields {
	f := Fields{}
	note := ""
	if u.Flags&pac.UPNConstructed != 0 {
		note = "constructed: the account has none"
	}
	f.noted("upn", u.UPN, note)
	f.add("dns domain", u.DNSDomain)
	if !u.SID.IsZero() {
		f.add("sam account name", u.SAMAccountName)
		f.add("sid", u.SID.String())
	}
	return f
}

// ticks adds a FILETIME.
func (f *Fields) ticks(name string, ticks uint64, now time.Time) {
	switch {
	case ticks == 0:
		f.add(name, "(none)")
	case ticks >= filetime.Never:
		f.add(name, "never")
	default:
		at := filetime.Time(ticks)
		f.noted(name, at.Format(time.RFC3339), relative(at, now))
	}
}

func (i *inspector) logonInfo(l *pac.LogonInfo) Fields {
	f, now := Fields{}, i.o.Now
	f.add("account", l.EffectiveName)
	f.text("full name", l.FullName)
	f.add("user", l.User().String())
	f.add("domain", l.LogonDomainName)
	f.text("logon server", l.LogonServer)
	f.ticks("logon time", l.LogonTime, now)
	f.ticks("logoff time", l.LogoffTime, now)
	f.ticks("kick off time", l.KickOffTime, now)
	f.ticks("password last set", l.PasswordLastSet, now)
	f.ticks("password can change", l.PasswordCanChange, now)
	f.ticks("password must change", l.PasswordMustChange, now)
	f.text("logon script", l.LogonScript)
	f.text("profile path", l.ProfilePath)
	f.text("home directory", strings.TrimSpace(l.HomeDirectoryDrive+" "+l.HomeDirectory))
	f.add("logon count", int(l.LogonCount))
	f.add("bad password count", int(l.BadPasswordCount))
	f.noted("primary group", uint64(l.PrimaryGroupID), ridNames[l.PrimaryGroupID])
	f.many("groups", len(l.Groups), func(k int) any { return ridText(l.Groups[k].RID) })
	f.addf("user flags", "0x%x", l.UserFlags)
	f.addf("user account control", "0x%x", l.UserAccountControl)
	if len(l.ExtraSIDs) > 0 {
		f.many("extra sids", len(l.ExtraSIDs), func(k int) any { return sidText(l.ExtraSIDs[k].SID) })
	}
	if len(l.ResourceGroups) > 0 {
		f.add("resource domain", l.ResourceDomain.String())
		f.many("resource groups", len(l.ResourceGroups), func(k int) any { return ridText(l.ResourceGroups[k].RID) })
	}
	return f
}

var ridNames = map[uint32]string{
	sid.RIDDomainAdmins: "Domain Admins", sid.RIDDomainUsers: "Domain Users", sid.RIDDomainGuests: "Domain Guests", sid.RIDDomainComputers: "Domain Computers",
	sid.RIDDomainControllers: "Domain Controllers", sid.RIDCertPublishers: "Cert Publishers", sid.RIDSchemaAdmins: "Schema Admins",
	sid.RIDEnterpriseAdmins: "Enterprise Admins", sid.RIDReadOnlyDomainControllers: "Read-only Domain Controllers", sid.RIDProtectedUsers: "Protected Users",
	sid.RIDKeyAdmins: "Key Admins", sid.RIDEnterpriseKeyAdmins: "Enterprise Key Admins",
}

func ridText(rid uint32) string { return strings.TrimSpace(fmt.Sprintf("%d %s", rid, ridNames[rid])) }

var sidNames = map[string]string{
	sid.AuthorityAsserted.String(): "asserted by the authority", sid.ServiceAsserted.String(): "asserted by a service", sid.FreshPublicKey.String(): "fresh public key",
	sid.KeyTrust.String(): "key trust", sid.KeyMFA.String(): "key with MFA", sid.KeyAttested.String(): "attested key",
}

func sidText(s sid.SID) string { return strings.TrimSpace(s.String() + " " + sidNames[s.String()]) }

// pacChecks says of each signature with whose key it holds, and whether the PAC
// is the ticket's.
func (i *inspector) pacChecks(p *pac.PAC, of *pacTicket) Fields {
	f := Fields{}
	server, kdc := i.keytab(func(*krb.KeytabEntry) bool { return true }), i.keytab(isTGS)
	var part []byte
	if of != nil {
		server = []*krb.KeytabEntry{of.key}
		if blank, err := of.part.WithPAC(pac.Placeholder()); err == nil {
			part, _ = blank.Encode()
		}
		if _, tgt := of.ticket.Server.IsTGS(); tgt {
			kdc = server
		}
	}
	for _, s := range []struct {
		name   string
		typ    pac.Type
		keys   []*krb.KeytabEntry
		verify func(krb.Key) error
	}{
		{"server signature", pac.TypeServerSignature, server, p.VerifyServer},
		{"kdc signature", pac.TypeKDCSignature, kdc, p.VerifyKDC},
		{"ticket signature", pac.TypeTicketSignature, kdc, func(k krb.Key) error { return p.VerifyTicket(k, part) }},
		{"full signature", pac.TypeFullSignature, kdc, p.VerifyFull},
	} {
		sum, ok := p.Signature(s.typ)
		if !ok {
			continue
		}
		keys := s.keys
		if s.typ == pac.TypeTicketSignature && part == nil {
			keys = nil
		}
		f.noted(s.name, signedBy(sum.Type, keys, s.verify), coding(sum.Type, checksumNames))
	}
	if n := p.RODC(); n != 0 {
		f.add("read-only dc", int(n))
	}
	if of != nil {
		f.add("client", holding(p.VerifyClient(of.part.Client.String(), of.part.AuthTime), "it is the ticket's"))
	}
	if !p.Requestor.IsZero() {
		f.add("requestor", holding(p.VerifyRequestor(), "it is the account"))
	}
	return f
}

func holding(err error, what string) string {
	if err != nil {
		return "does not hold: " + err.Error()
	}
	return "holds: " + what
}

func signedBy(sum int32, keys []*krb.KeytabEntry, verify func(krb.Key) error) string {
	tried := 0
	for _, e := range keys {
		if krb.ChecksumType(e.Key.EType) != sum || tried == maxTries {
			continue
		}
		if tried++; verify(e.Key) == nil {
			return verdictVerified + " with " + keyOwner(e)
		}
	}
	if tried > 0 {
		return verdictWrong + " with " + given(tried)
	}
	return verdictUnknown + ": no key of its maker given"
}

func isTGS(e *krb.KeytabEntry) bool { _, ok := e.Name.IsTGS(); return ok }

func (i *inspector) keytab(want func(*krb.KeytabEntry) bool) (out []*krb.KeytabEntry) {
	for k := range i.o.Keytab {
		if e := &i.o.Keytab[k]; want(e) {
			out = append(out, e)
		}
	}
	return out
}
