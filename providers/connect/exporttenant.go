package connect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hellolab/providers/event"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/phs"
	"hellolab/providers/wire/replication"
)

// exportTenant makes the tenant what the domain is: removed objects first, for
// their names may be another's by now.
func (c *cycle) exportTenant(ctx context.Context) error {
	domains, err := c.domains(ctx)
	if err != nil {
		return &stop{stageExportTenant, "", err}
	}
	c.names(ctx, domains)
	at := c.index()
	if err := c.removals(ctx); err != nil {
		return err
	}
	for _, collection := range []string{users, devices, groups} {
		for _, o := range c.sorted(collection) {
			if err := c.export(ctx, o, at); err != nil {
				return err
			}
		}
		if err := c.save(ctx); err != nil {
			return err
		}
	}
	if err := c.memberships(ctx); err != nil {
		return err
	}
	if err := c.passwords(ctx); err != nil {
		return err
	}
	return c.save(ctx)
}

// domains are the tenant's, the first first.
func (c *cycle) domains(ctx context.Context) ([]string, error) {
	var names []string
	for d, err := range graph.List[graph.Domain](ctx, c.tenant, "", "domains") {
		switch {
		case err != nil:
			return nil, err
		case d.IsDefault:
			names = append([]string{d.ID}, names...)
		case d.IsVerified:
			names = append(names, d.ID)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("the tenant has no domain")
	}
	return names, nil
}

// index finds what the tenant has by what an object of the domain is known by.
func (c *cycle) index() map[string]string {
	at := map[string]string{}
	for key, s := range c.seen {
		collection, id, _ := strings.Cut(key, "/")
		for _, known := range []string{s.Anchor, s.SID, s.DeviceID} {
			if known != "" {
				at[collection+"/"+known] = id
			}
		}
	}
	return at
}

// known is what an object is known by in the tenant.
func (o *imported) known() string {
	switch o.collection {
	case users:
		return graph.SourceAnchor(o.id)
	case groups:
		return o.SID
	}
	return o.id.String()
}

// count is where a write of a collection is counted.
func (c *cycle) count(collection string) *connect.Count {
	switch collection {
	case users:
		return &c.report.Counts.Users
	case groups:
		return &c.report.Counts.Groups
	}
	return &c.report.Counts.Devices
}

// singular is what an object of a collection is called.
var singular = map[string]string{users: "user", groups: "group", devices: "device"}

// gone are the objects that were carried up and are not in the domain, or not in
// scope, any more, by objectGUID.
func (c *cycle) gone() (ids []string) {
	for id := range c.joined {
		if c.objects[id] == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// removals deletes what is not in the domain, or not in scope, any more. Of an
// account that is still there the keys remain, which exportDomain takes.
func (c *cycle) removals(ctx context.Context) error {
	for _, id := range c.gone() {
		j := c.joined[id]
		dn := ""
		if j.Sent != nil {
			dn = j.Sent.DN
		}
		if j.ID != "" {
			if err := c.tenant.Delete(ctx, j.Collection, j.ID); err != nil {
				if !refused(err) {
					return &stop{stageExportTenant, "", err}
				}
				c.problem(ctx, stageExportTenant, dn, err, true)
				continue
			}
			delete(c.seen, j.Collection+"/"+j.ID)
			c.count(j.Collection).Deleted++
			c.tell(ctx, event.Event{Peer: event.Graph, Protocol: "HTTPS", Step: singular[j.Collection] + "_removed", Text: "Connect removes a " + singular[j.Collection] + " from the tenant that is not in the domain, or not in scope, any more.",
				Message: map[string]any{"object": dn, "object_id": j.ID}})
			j.ID = ""
		}
		if len(j.Keys) == 0 {
			delete(c.joined, id)
		}
		c.dirty[id] = true
	}
	return c.save(ctx)
}

// export makes one object of the tenant what the domain's is.
func (c *cycle) export(ctx context.Context, o *imported, at map[string]string) error {
	id := o.id.String()
	j := c.joined[id]
	if j == nil {
		j = &joined{Collection: o.collection}
	}
	if j.ID == "" || c.seen[o.collection+"/"+j.ID] == nil {
		// Not written yet; or written by a cycle that was cut off; or gone since.
		j.ID, j.Sent, j.KeyVersion, j.Members = at[o.collection+"/"+o.known()], nil, 0, nil
	}
	if j.Sent != nil && *j.Sent == o.attributes {
		return nil
	}
	err := c.write(ctx, o, j)
	if err != nil && !refused(err) {
		return &stop{stageExportTenant, "", err}
	}
	if err != nil {
		c.problem(ctx, stageExportTenant, o.DN, err, true)
		if j.ID == "" {
			return nil
		}
	} else {
		sent := o.attributes
		j.Sent = &sent
		if c.seen[o.collection+"/"+j.ID] == nil {
			c.seen[o.collection+"/"+j.ID] = &seen{}
		}
	}
	c.joined[id], c.dirty[id] = j, true
	return nil
}

// write adds an object, or changes the one that is there. One that went between
// reading and writing is added anew.
func (c *cycle) write(ctx context.Context, o *imported, j *joined) error {
	step, text := "added", "Connect adds a %s to the tenant."
	if j.ID != "" {
		err := c.tenant.Patch(ctx, body(o, j.Sent), o.collection, j.ID)
		if !graph.IsNotFound(err) {
			if err == nil {
				c.count(o.collection).Updated++
				c.exported(ctx, o, j, "changed", "Connect changes a %s of the tenant.")
			}
			return err
		}
		j.ID, j.Sent = "", nil
	}
	made, err := graph.Post[graph.DirectoryObject](ctx, c.tenant, body(o, nil), o.collection)
	var refusal *graph.Error
	if o.collection == users && errors.As(err, &refusal) && refusal.Code == graph.CodeConflict {
		// A user of the tenant has the name: it becomes this one, if it is nobody
		// else's (Microsoft, "Existing tenant": soft match).
		other, lookErr := graph.First[graph.User](ctx, c.tenant, graph.Equals("userPrincipalName", o.Name), users)
		if lookErr != nil || other.Synced() {
			return err
		}
		if err := c.tenant.Patch(ctx, body(o, nil), users, other.ID); err != nil {
			return err
		}
		made = &graph.DirectoryObject{ID: other.ID}
		step, text = "taken_over", "Connect takes over a %s of the tenant with the same name."
	} else if err != nil {
		return err
	}
	j.ID = made.ID
	c.count(o.collection).Added++
	c.exported(ctx, o, j, step, text)
	return nil
}

func (c *cycle) exported(ctx context.Context, o *imported, j *joined, step, text string) {
	m := map[string]any{"object": o.DN, "object_id": j.ID, "sid": o.SID, "enabled": o.Enabled}
	switch o.collection {
	case users:
		m["user"] = o.Name
	case devices:
		m["device_id"], m["certificates"] = o.id.String(), len(o.certificates)
	}
	c.tell(ctx, event.Event{Peer: event.Graph, Protocol: "HTTPS", Step: singular[o.collection] + "_" + step, Text: fmt.Sprintf(text, singular[o.collection]), Message: m})
}

// body is what the tenant is told of an object: all, or what is not as it was
// told before. Whether an account is enabled the tenant may change for itself,
// so it is said again only when the domain changes it.
func body(o *imported, was *attributes) any {
	yes := true
	on := graph.OnPremises{SyncEnabled: &yes, SAMAccountName: o.Account, DistinguishedName: o.DN}
	var enabled *bool
	if was == nil || was.Enabled != o.Enabled {
		enabled = &o.Enabled
	}
	switch o.collection {
	case users:
		on.ImmutableID, on.DomainName = graph.SourceAnchor(o.id), domainOfDN(o.DN)
		return graph.User{UserPrincipalName: o.Name, DisplayName: o.Display, AccountEnabled: enabled, OnPremSID: o.SID, OnPremises: on}
	case groups:
		return graph.Group{DisplayName: o.Display, SecurityEnabled: true, OnPremSID: o.SID, OnPremises: on}
	}
	d := graph.Device{DisplayName: o.Display, AccountEnabled: enabled, OnPremSID: o.SID, OnPremises: on, UserCertificates: o.certificates}
	if was == nil {
		d.DeviceID, d.TrustType, d.OperatingSystem = o.id.String(), graph.TrustHybrid, "Windows"
	}
	if was == nil || was.OS != o.OS {
		d.OSVersion = o.OS
	}
	return d
}

// domainOfDN is the DNS name of the domain that a name is in.
func domainOfDN(dn string) string {
	n, err := ldapmsg.ParseDN(dn)
	if err != nil {
		return ""
	}
	var labels []string
	for _, rdn := range n {
		if strings.EqualFold(rdn[0].Type, "DC") {
			labels = append(labels, rdn[0].Value)
		}
	}
	return strings.ToLower(strings.Join(labels, "."))
}

// memberships makes groups hold those of the domain's members that are
// synchronized.
func (c *cycle) memberships(ctx context.Context) error {
	for _, o := range c.sorted(groups) {
		j := c.joined[o.id.String()]
		if j == nil || j.ID == "" {
			continue
		}
		var want []string
		for _, m := range o.members {
			if far := c.joined[m]; far != nil && far.ID != "" && c.objects[m] != nil {
				want = append(want, far.ID)
			}
		}
		slices.Sort(want)
		if slices.Equal(want, j.Members) {
			continue
		}
		for _, m := range want {
			if !slices.Contains(j.Members, m) {
				if err := c.member(ctx, o, m, c.tenant.AddMember(ctx, j.ID, m)); err != nil {
					return err
				}
			}
		}
		for _, m := range j.Members {
			if !slices.Contains(want, m) {
				if err := c.member(ctx, o, m, c.tenant.RemoveMember(ctx, j.ID, m)); err != nil {
					return err
				}
			}
		}
		j.Members = want
		c.dirty[o.id.String()] = true
		c.tell(ctx, event.Event{Peer: event.Graph, Protocol: "HTTPS", Step: "members_changed", Text: "Connect changes who is in a group of the tenant.", Message: map[string]any{"object": o.DN, "object_id": j.ID, "members": len(want)}})
	}
	return c.save(ctx)
}

func (c *cycle) member(ctx context.Context, o *imported, member string, err error) error {
	switch {
	case err == nil:
		return nil
	case refused(err):
		c.problem(ctx, stageExportTenant, o.DN, fmt.Errorf("member %s: %w", member, err), true)
		return nil
	}
	return &stop{stageExportTenant, "", err}
}

// passwords carries what tells a password of the domain to the tenant, each
// time that it was changed.
func (c *cycle) passwords(ctx context.Context) error {
	for _, o := range c.sorted(users) {
		id := o.id.String()
		j := c.joined[id]
		if j == nil || j.ID == "" || j.Sent == nil || o.keyVersion == 0 || o.keyVersion == j.KeyVersion {
			continue
		}
		version, err := c.password(ctx, o, j)
		if err != nil && !refused(err) {
			return &stop{stageExportTenant, "", err}
		}
		if err != nil {
			c.problem(ctx, stageExportTenant, o.DN, fmt.Errorf("password: %w", err), true)
			if adldap.IsCode(err, ldapmsg.InsufficientAccessRights) {
				return nil // so it is for all
			}
			continue
		}
		j.KeyVersion = version
		c.dirty[id] = true
	}
	return nil
}

func (c *cycle) password(ctx context.Context, o *imported, j *joined) (version int, err error) {
	ask, err := replication.EncodeRequest(o.id)
	if err != nil {
		return 0, err
	}
	raw, err := c.domain.Extended(replication.OID, ask)
	if err != nil {
		return 0, err
	}
	reply, err := replication.ParseReply(raw)
	if err != nil || reply.Hash == nil {
		return 0, err
	}
	defer clear(reply.Hash)
	credential, err := phs.New(randomness(c.env), reply.Hash)
	if err != nil {
		return 0, err
	}
	err = c.tenant.Patch(ctx, graph.User{OnPremises: graph.OnPremises{PasswordHash: &graph.PasswordHash{Credential: graph.Password(credential.Encode())}}}, users, j.ID)
	if err != nil {
		return 0, err
	}
	c.report.Counts.Passwords++
	c.tell(ctx, event.Event{Peer: event.Graph, Protocol: "HTTPS", Step: "password_hash_synchronized", Text: "Connect carries the hash of a password's hash to the tenant.",
		Message: map[string]any{"user": o.Name, "key_version": reply.Version, "rounds": phs.Rounds}})
	return reply.Version, nil
}
