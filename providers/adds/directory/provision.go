package directory

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Create makes the directory of a new domain: what DCPromo leaves behind, as
// far as a lab's tools look for it (MS-ADTS 6.1.1). The identifiers in cfg are
// the caller's. adminPassword is Administrator's; it is held against no policy.
func Create(ctx context.Context, o Options, cfg Config, adminPassword string) error {
	if cfg.Created.IsZero() {
		cfg.Created = o.Now().UTC()
	}
	d, err := with(o, cfg)
	if err != nil {
		return err
	}
	return d.update(ctx, func(w writer) error {
		if _, err := get[Config](w, tableDirectory, keyConfig); !errors.Is(err, errNotFound) {
			return errors.Join(errors.New("the section holds a directory already"), err)
		}
		if err := put(w.w, tableDirectory, keyConfig, cfg); err != nil {
			return err
		}
		if err := w.w.Put(tableDirectory, keyRID, strconv.AppendInt(nil, sid.FirstRID-1, 10)); err != nil {
			return err
		}
		p := &provision{d: d, w: w}
		p.domain()
		p.groups()
		p.users(adminPassword)
		p.configuration()
		for _, c := range cfg.Controllers {
			p.controller(c)
		}
		p.members()
		p.protection()
		// What begins now is protected in an hour.
		return errors.Join(p.err, w.w.Put(tableDirectory, keyProtection, []byte(formatTime(d.lastHour()))))
	})
}

// provision makes objects until one fails.
type provision struct {
	d   *Directory
	w   writer
	err error
}

// attrs are single values of a new object by attribute name; numbers are text.
type attrs map[string]string

func (p *provision) add(dn, class string, values attrs) *object {
	return p.addWith(dn, class, guid.GUID{}, values)
}

func (p *provision) addWith(dn, class string, id guid.GUID, values attrs) *object {
	if p.err != nil {
		return nil
	}
	o, err := p.make(dn, class, id, values)
	if err != nil {
		p.err = fmt.Errorf("make %s: %w", dn, err)
	}
	return o
}

func (p *provision) make(dn, class string, id guid.GUID, values attrs) (*object, error) {
	name, err := ldapmsg.ParseDN(dn)
	if err != nil {
		return nil, err
	}
	if id.IsZero() {
		if id, err = guid.New(p.d.Rand); err != nil {
			return nil, err
		}
	}
	c := p.d.schema.Class(class)
	o := &object{ID: id, DN: dn, Values: map[string][][]byte{}}
	for _, l := range p.d.schema.line(c) {
		o.Classes = append(o.Classes, l.Name)
	}
	o.set("objectGUID", string(windowsGUID(id)))
	o.setNumber("instanceType", 4)
	o.set("objectCategory", p.d.category(c))
	o.set("name", name[0][0].Value)
	o.set(strings.ToLower(name[0][0].Type), name[0][0].Value)
	for k, v := range values {
		o.set(k, v)
	}
	if err := p.d.touch(p.w, o); err != nil {
		return nil, err
	}
	return o, p.w.store(nil, o)
}

func (p *provision) link(attribute string, from, to *object) {
	if p.err == nil {
		p.err = p.w.link(attribute, from.ID, to.ID)
	}
}

func (p *provision) at(dn string) *object {
	if p.err != nil {
		return &object{}
	}
	pa, err := pathOf(dn)
	if err == nil {
		var o *object
		if o, err = p.w.atPath(pa); err == nil {
			return o
		}
	}
	p.err = fmt.Errorf("%s: %w", dn, err)
	return &object{}
}

func (p *provision) domain() {
	cfg := &p.d.cfg
	label, _, _ := strings.Cut(cfg.DNSName, ".")
	values := cfg.Policy.attributes()
	for k, v := range (attrs{
		"dc": label, "objectSid": string(p.d.sid.Bytes()), "lockoutThreshold": "0", "lockoutDuration": interval(30 * time.Minute),
		"lockOutObservationWindow": interval(30 * time.Minute), "ms-DS-MachineAccountQuota": "0", "msDS-Behavior-Version": strconv.Itoa(cfg.Level),
		"nTMixedDomain": "0", "isCriticalSystemObject": "TRUE", "fSMORoleOwner": p.ntds(cfg.Controllers[0]),
	}) {
		values[k] = v
	}
	root := p.addWith(cfg.DN(), "domainDNS", cfg.GUID, values)
	for _, c := range []struct{ rdn, class string }{
		{"CN=Builtin", "builtinDomain"}, {"CN=Users", "container"}, {"CN=Computers", "container"}, {"OU=Domain Controllers", "organizationalUnit"},
		{"CN=System", "container"}, {"CN=ForeignSecurityPrincipals", "container"}, {"CN=LostAndFound", "lostAndFound"}, {"CN=RegisteredDevices", "msDS-DeviceContainer"},
	} {
		values := attrs{"isCriticalSystemObject": "TRUE"}
		if c.class == "builtinDomain" {
			values["objectSid"] = string(sid.New(5, 32).Bytes())
		}
		p.add(c.rdn+","+cfg.DN(), c.class, values)
	}
	p.add(cfg.passwordSettings(), classPasswordSettingsContainer, attrs{"isCriticalSystemObject": "TRUE"})
	if p.err == nil {
		// MS-ADTS 6.1.1.4.
		was := root.clone()
		root.set("wellKnownObjects",
			"B:32:A9D1CA15768811D1ADED00C04FD8D5CD:"+cfg.users(), "B:32:AA312825768811D1ADED00C04FD8D5CD:"+cfg.computers(),
			"B:32:A361B2FFFFD211D1AA4B00C04FD7D83A:"+cfg.domainControllers(), "B:32:AB1D30F3768811D1ADED00C04FD8D5CD:CN=System,"+cfg.DN(),
			"B:32:22B70C67D56E4EFB91E9300FCA3DC1AA:CN=ForeignSecurityPrincipals,"+cfg.DN(), "B:32:AB8153B7768811D1ADED00C04FD8D5CD:CN=LostAndFound,"+cfg.DN())
		p.err = p.w.store(was, root)
	}
}

func (p *provision) group(dn string, s sid.SID, kind uint32, about string) {
	samType := int64(typeGlobalGroup)
	if kind&groupLocal != 0 {
		samType = typeLocalGroup
	}
	name, _ := strings.CutPrefix(dn[:strings.IndexByte(dn, ',')], "CN=")
	p.add(dn, "group", attrs{
		"sAMAccountName": name, "objectSid": string(s.Bytes()), "groupType": strconv.FormatInt(groupTypeOf(kind|groupSecurity), 10),
		"sAMAccountType": strconv.FormatInt(samType, 10), "description": about, "isCriticalSystemObject": "TRUE",
	})
}

func (p *provision) groups() {
	cfg := &p.d.cfg
	for _, g := range []struct {
		name  string
		rid   uint32
		kind  uint32
		about string
	}{
		{"Domain Admins", sid.RIDDomainAdmins, groupGlobal, "Designated administrators of the domain"},
		{"Domain Users", sid.RIDDomainUsers, groupGlobal, "All users of the domain"},
		{"Domain Guests", sid.RIDDomainGuests, groupGlobal, "All guests of the domain"},
		{"Domain Computers", sid.RIDDomainComputers, groupGlobal, "All workstations and servers joined to the domain"},
		{"Domain Controllers", sid.RIDDomainControllers, groupGlobal, "All domain controllers of the domain"},
		{"Cert Publishers", sid.RIDCertPublishers, groupLocal, "May publish certificates to the directory"},
		{"Schema Admins", sid.RIDSchemaAdmins, groupUniversal, "Designated administrators of the schema"},
		{"Enterprise Admins", sid.RIDEnterpriseAdmins, groupUniversal, "Designated administrators of the forest"},
		{"Group Policy Creator Owners", sid.RIDGroupPolicyCreatorOwners, groupGlobal, "May make and change group policies of the domain"},
		{"Read-only Domain Controllers", sid.RIDReadOnlyDomainControllers, groupGlobal, "Read-only domain controllers of the domain"},
		{"Protected Users", sid.RIDProtectedUsers, groupGlobal, "Protected against threats to their credentials"},
		{"Key Admins", sid.RIDKeyAdmins, groupGlobal, "May administer key credentials in the domain"},
		{"Enterprise Key Admins", sid.RIDEnterpriseKeyAdmins, groupUniversal, "May administer key credentials in the forest"},
		{"Allowed RODC Password Replication Group", sid.RIDAllowedRODCReplication, groupLocal, "Passwords may be replicated to read-only controllers"},
		{"Denied RODC Password Replication Group", sid.RIDDeniedRODCReplication, groupLocal, "Passwords may not be replicated to read-only controllers"},
	} {
		p.group("CN="+g.name+","+cfg.users(), p.d.sid.Account(g.rid), g.kind, g.about)
	}
	for _, g := range []struct {
		name string
		rid  uint32
	}{{"Administrators", 544}, {"Users", 545}, {"Guests", 546}, {"Account Operators", 548}, {"Server Operators", 549}, {"Backup Operators", 551}, {"Replicator", 552}} {
		p.group("CN="+g.name+",CN=Builtin,"+cfg.DN(), sid.New(5, 32, g.rid), groupLocal|groupBuiltin, "Built-in group")
	}
}

func (p *provision) account(dn, name string, rid uint32, bits int64, primary int64) *object {
	return p.add(dn, "user", attrs{
		"sAMAccountName": name, "objectSid": string(p.d.sid.Account(rid).Bytes()), "userAccountControl": strconv.FormatInt(bits, 10),
		"sAMAccountType": strconv.Itoa(typeUser), "primaryGroupID": strconv.FormatInt(primary, 10), "isCriticalSystemObject": "TRUE",
		"pwdLastSet": strconv.FormatUint(filetime.From(p.d.now()), 10), "accountExpires": strconv.FormatUint(filetime.Never, 10), "codePage": "0", "countryCode": "0",
	})
}

func (p *provision) users(adminPassword string) {
	cfg := &p.d.cfg
	admin := p.account("CN=Administrator,"+cfg.users(), "Administrator", sid.RIDAdministrator, UACNormal|UACDontExpirePassword, sid.RIDDomainUsers)
	p.account("CN=Guest,"+cfg.users(), "Guest", sid.RIDGuest, UACNormal|UACDisabled|UACPasswordNotRequired|UACDontExpirePassword, sid.RIDDomainGuests)
	krbtgt := p.account("CN=krbtgt,"+cfg.users(), "krbtgt", sid.RIDKrbtgt, UACNormal|UACDisabled, sid.RIDDomainUsers)
	if p.err != nil {
		return
	}
	was := krbtgt.clone()
	krbtgt.set("servicePrincipalName", "kadmin/changepw")
	p.err = errors.Join(p.w.store(was, krbtgt), p.d.setKeys(p.w, admin, adminPassword), p.d.randomKeys(p.w, krbtgt.ID, 2))
}

func (p *provision) members() {
	cfg := &p.d.cfg
	users := func(name string) *object { return p.at("CN=" + name + "," + cfg.users()) }
	builtin := func(name string) *object { return p.at("CN=" + name + ",CN=Builtin," + cfg.DN()) }
	for _, g := range []string{"Domain Admins", "Schema Admins", "Enterprise Admins"} {
		p.link("member", users(g), users("Administrator"))
	}
	p.link("member", users("Group Policy Creator Owners"), users("Administrator"))
	p.link("member", builtin("Administrators"), users("Administrator"))
	p.link("member", builtin("Administrators"), users("Domain Admins"))
	p.link("member", builtin("Administrators"), users("Enterprise Admins"))
	p.link("member", builtin("Users"), users("Domain Users"))
	p.link("member", builtin("Guests"), users("Domain Guests"))
	for _, g := range []string{"Domain Admins", "Enterprise Admins", "Schema Admins", "Cert Publishers", "Group Policy Creator Owners", "Domain Controllers", "Read-only Domain Controllers", "krbtgt"} {
		p.link("member", users("Denied RODC Password Replication Group"), users(g))
	}
}

// configuration is the naming contexts of the forest.
func (p *provision) configuration() {
	cfg := &p.d.cfg
	at := cfg.configuration()
	level := strconv.Itoa(cfg.Level)
	for _, o := range []struct {
		dn, class string
		values    attrs
	}{
		{at, "configuration", nil},
		{cfg.schemaDN(), "dMD", attrs{"objectVersion": strconv.Itoa(cfg.Schema), "fSMORoleOwner": p.ntds(cfg.Controllers[0])}},
		{"CN=Partitions," + at, "crossRefContainer", attrs{"msDS-Behavior-Version": level, "fSMORoleOwner": p.ntds(cfg.Controllers[0])}},
		{"CN=" + cfg.NetBIOSName + ",CN=Partitions," + at, "crossRef", attrs{"nCName": cfg.DN(), "dnsRoot": cfg.DNSName, "nETBIOSName": cfg.NetBIOSName, "systemFlags": "3", "msDS-Behavior-Version": level}},
		{"CN=Enterprise Configuration,CN=Partitions," + at, "crossRef", attrs{"nCName": at, "dnsRoot": cfg.DNSName, "systemFlags": "1"}},
		{"CN=Enterprise Schema,CN=Partitions," + at, "crossRef", attrs{"nCName": cfg.schemaDN(), "dnsRoot": cfg.DNSName, "systemFlags": "1"}},
		{"CN=Sites," + at, "sitesContainer", nil},
		{"CN=Services," + at, "container", nil},
		{cfg.publicKeyServices(), "container", nil},
		{"CN=Device Registration Configuration,CN=Services," + at, "container", nil},
	} {
		values := attrs{"isCriticalSystemObject": "TRUE"}
		for k, v := range o.values {
			values[k] = v
		}
		p.add(o.dn, o.class, values)
	}
	for _, name := range []string{"AIA", "CDP", "Certificate Templates", "Certification Authorities", "Enrollment Services", "KRA", "OID"} {
		p.add("CN="+name+","+cfg.publicKeyServices(), "container", attrs{"isCriticalSystemObject": "TRUE"})
	}
}

func (p *provision) server(c Controller) string {
	return "CN=" + c.Name + ",CN=Servers,CN=" + c.Site + ",CN=Sites," + p.d.cfg.configuration()
}

func (p *provision) ntds(c Controller) string { return "CN=NTDS Settings," + p.server(c) }

// controller makes the objects of a domain controller: its account, and its
// place in a site.
func (p *provision) controller(c Controller) {
	cfg := &p.d.cfg
	host := cfg.Host(c.Name)
	account := p.computer("CN="+c.Name+","+cfg.domainControllers(), c)
	site := "CN=" + c.Site + ",CN=Sites," + cfg.configuration()
	if p.err == nil {
		if _, err := p.w.resolve(site); err != nil {
			p.add(site, "site", nil)
			p.add("CN=Servers,"+site, "serversContainer", nil)
		}
	}
	server := p.add(p.server(c), "server", attrs{"dNSHostName": host})
	ntds := p.add(p.ntds(c), "nTDSDSA", attrs{"options": "1", "msDS-Behavior-Version": strconv.Itoa(cfg.Level)})
	if p.err != nil {
		return
	}
	p.link("serverReference", server, account)
	was := ntds.clone()
	if c.ReadOnly {
		p.readOnly(account, c)
	} else {
		ntds.set("hasMasterNCs", cfg.DN(), cfg.configuration(), cfg.schemaDN())
	}
	was2 := account.clone()
	account.set("servicePrincipalName", controllerSPNs(cfg, c.Name, ntds.ID)...)
	p.err = errors.Join(p.err, p.w.store(was, ntds), p.w.store(was2, account))
}

func (p *provision) computer(dn string, c Controller) *object {
	if p.err != nil {
		return nil
	}
	rid, err := p.w.next(keyRID)
	if err != nil {
		p.err = err
		return nil
	}
	bits, primary := UACServer|UACTrustedForDelegation, sid.RIDDomainControllers
	if c.ReadOnly {
		bits, primary = UACWorkstation|UACTrustedToAuth|UACPartialSecrets, sid.RIDReadOnlyDomainControllers
	}
	o := p.add(dn, "computer", attrs{
		"sAMAccountName": c.Name + "$", "objectSid": string(p.d.sid.Account(uint32(rid)).Bytes()), "userAccountControl": strconv.Itoa(bits),
		"sAMAccountType": strconv.Itoa(typeMachine), "primaryGroupID": strconv.Itoa(primary), "isCriticalSystemObject": "TRUE",
		"dNSHostName": p.d.cfg.Host(c.Name), "operatingSystem": c.OS, "operatingSystemVersion": c.OSVersion, "msDS-SupportedEncryptionTypes": "24",
		"pwdLastSet": strconv.FormatUint(filetime.From(p.d.now()), 10), "accountExpires": strconv.FormatUint(filetime.Never, 10), "codePage": "0", "countryCode": "0",
	})
	if p.err == nil {
		p.err = p.d.randomKeys(p.w, o.ID, 1)
	}
	return o
}

// controllerSPNs are the service names of a controller (MS-ADTS 2.2.3, 5.1.1.4).
func controllerSPNs(cfg *Config, name string, dsa guid.GUID) []string {
	host := cfg.Host(name)
	return []string{
		"HOST/" + host, "HOST/" + name, "HOST/" + host + "/" + cfg.NetBIOSName, "HOST/" + host + "/" + cfg.DNSName,
		"ldap/" + host, "ldap/" + name, "ldap/" + host + "/" + cfg.DNSName, "ldap/" + host + "/" + cfg.NetBIOSName,
		"GC/" + host + "/" + cfg.DNSName, "RestrictedKrbHost/" + host, "RestrictedKrbHost/" + name,
		"E3514235-4B06-11D1-AB04-00C04FC2DCD2/" + dsa.String() + "/" + cfg.DNSName,
	}
}
