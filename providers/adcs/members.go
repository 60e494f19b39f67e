package adcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/adcs/ces"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/member"
	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/wstep"
)

// members knows the accounts of the domain: by the tickets that they bring, and
// by what the directory says of them.
type members struct {
	env      providers.Env
	settings *settings
	replays  *krb.ReplayCache
}

// accountAttributes are read of an account for its certificate.
var accountAttributes = []string{"objectSid", "sAMAccountName", "userPrincipalName", "mail", "cn", "dNSHostName", "tokenGroups"}

// authenticate takes a Kerberos token (RFC 4559). The client's groups are what
// its ticket says, its names what the directory says.
func (m *members) authenticate(reply http.Header, r *http.Request) (ca.Requester, error) {
	token, ok, err := gss.FromHeader(r.Header.Values("Authorization"))
	if err != nil || !ok || token == nil {
		reply.Set("WWW-Authenticate", gss.Header(nil))
		return ca.Requester{}, errors.Join(err, errors.New("the request brings no Kerberos token"))
	}
	exchange := m.settings.Account.Acceptor(m.env, m.replays).New()
	out, done, err := exchange.Step(token)
	if len(out) > 0 {
		reply.Set("WWW-Authenticate", gss.Header(out))
	}
	if err != nil {
		return ca.Requester{}, err
	}
	if !done {
		return ca.Requester{}, errors.New("the token asks for another leg")
	}
	client := exchange.Client()
	logon, err := member.Identity(client)
	if err != nil {
		return ca.Requester{}, err
	}
	who, err := m.read(r.Context(), ldapmsg.EqualTo("objectSid", logon.User().String()))
	if err != nil {
		return ca.Requester{}, err
	}
	who.Groups = append(logon.SIDs(), sid.Everyone, sid.AuthenticatedUsers)
	return *who, nil
}

// lookup finds an account by DOMAIN\name, for whom an enrollment agent asks, or by
// its user principal name, as device management knows it.
func (m *members) lookup(ctx context.Context, account string) (*ca.Requester, error) {
	if strings.Contains(account, "@") && !strings.Contains(account, `\`) {
		who, err := m.read(ctx, ldapmsg.EqualTo("userPrincipalName", account))
		if adldap.IsCode(err, ldapmsg.NoSuchObject) {
			return nil, ces.NoSuchAccount(account)
		}
		return who, err
	}
	domain, name, ok := strings.Cut(account, `\`)
	if !ok || !strings.EqualFold(domain, m.settings.NetBIOS) && !strings.EqualFold(domain, m.settings.Account.Realm) {
		return nil, ces.NoSuchAccount(account)
	}
	who, err := m.read(ctx, ldapmsg.EqualTo("sAMAccountName", name))
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil, ces.NoSuchAccount(account)
	}
	return who, err
}

// read asks the directory who an account is.
func (m *members) read(ctx context.Context, filter ldapmsg.Filter) (*ca.Requester, error) {
	c, err := m.settings.Account.Directory(ctx, m.env)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	found, err := c.First(filter)
	if err != nil {
		return nil, err
	}
	e, err := c.Read(adldap.ByGUID(found.GUID.String()), accountAttributes...)
	if err != nil {
		return nil, err
	}
	id, err := sid.Decode(e.Bytes("objectSid"))
	if err != nil {
		return nil, fmt.Errorf("identifier of %s: %w", e.DN, err)
	}
	who := m.settings.requester(e.Text("sAMAccountName"), e.DN)
	who.SID, who.CommonName, who.UPN, who.Email, who.ObjectGUID = id, e.Text("cn"), e.Text("userPrincipalName"), e.Text("mail"), e.GUID
	if host := e.Text("dNSHostName"); host != "" {
		who.DNSNames = []string{host}
	}
	who.Groups = []sid.SID{sid.Everyone, sid.AuthenticatedUsers}
	for _, v := range e.Values("tokenGroups") {
		g, err := sid.Decode(v)
		if err != nil {
			return nil, fmt.Errorf("groups of %s: %w", e.DN, err)
		}
		who.Groups = append(who.Groups, g)
	}
	return &who, nil
}

// may says whether an account has the right Enroll on a template: the list of
// the template's object decides (MS-CRTD 2.5.1).
func (m *members) may(ctx context.Context, who *ca.Requester, t *ca.Template) (bool, error) {
	c, err := m.settings.Account.Directory(ctx, m.env)
	if err != nil {
		return false, err
	}
	defer c.Close()
	rights, err := enroll.RightsOf(c, t.Name)
	if enroll.Missing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return rights.Allows(secdesc.Enroll, who.Identifiers()), nil
}

// requester is an account of the domain, as far as its name says.
func (s *settings) requester(account, dn string) ca.Requester {
	return ca.Requester{Name: s.NetBIOS + `\` + account, DN: dn, DomainDNS: strings.ToLower(s.Account.Realm), DomainNetBIOS: s.NetBIOS}
}

// self is the authority's own server, which certifies itself for TLS.
func (s *settings) self() ca.Requester {
	who := s.requester(s.Account.Name(), "CN="+s.Account.Computer()+",CN=Computers,"+s.Account.Base)
	domain, _ := sid.Parse(s.Domain) // templates has read it
	who.SID, _ = sid.Parse(s.SID)
	who.ObjectGUID, _ = guid.Parse(s.GUID)
	who.CommonName, who.DNSNames, who.Groups = s.Account.Computer(), []string{s.Account.Host}, []sid.SID{domain.Account(sid.RIDDomainAdmins)}
	return who
}

// administrators are the groups whose members may have an authority certified.
func (m *members) administrators() []sid.SID {
	domain, _ := sid.Parse(m.settings.Domain)
	return []sid.SID{domain.Account(sid.RIDDomainAdmins), domain.Account(sid.RIDEnterpriseAdmins)}
}

// enroller is the enrollment service, and the one act that no template
// decides: an administrator has an authority below this one certified.
type enroller struct {
	*ces.Service
	env    providers.Env
	admins []sid.SID
}

// Enroll implements wstep.Enroller.
func (e *enroller) Enroll(ctx context.Context, who ca.Requester, r *wstep.Request) (*wstep.Response, error) {
	if r.Context[wstep.ContextTemplate] != ca.SubCA {
		reply, err := e.Service.Enroll(ctx, who, r)
		if account, _ := ca.OnBehalfOf(r.Token); account != "" {
			tellAgent(ctx, e.env, who.Name, account, reply, err)
		}
		return reply, err
	}
	if !slices.ContainsFunc(who.Groups, func(g sid.SID) bool { return slices.Contains(e.admins, g) }) {
		return nil, &ca.Error{Code: ca.CodeTemplateDenied, Sentence: "Only an administrator has an authority certified."}
	}
	chain, err := e.CA.IssueSubordinate(ctx, r.Token)
	if err != nil {
		return nil, err
	}
	full, err := e.CA.Response(&ca.Issued{Certificate: chain[0]})
	if err != nil {
		return nil, err
	}
	return &wstep.Response{Disposition: "Issued", Certificate: chain[0].Raw, CMC: full}, nil
}
