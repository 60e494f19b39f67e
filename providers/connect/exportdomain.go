package connect

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"hellolab/providers/event"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
)

const keyAttribute = "msDS-KeyCredentialLink"

// exportDomain writes the keys that users registered with the tenant to their
// accounts in the domain, the only thing that comes down. The tenant's word
// holds for values that Connect wrote: one that was deleted in the domain alone
// comes back (reading R10), one that the tenant has not any more goes. Values
// of others stay as they are, and never go up.
func (c *cycle) exportDomain(ctx context.Context) error {
	if !c.set.In.KeyExport {
		c.tell(ctx, event.Event{Step: "key_export_skipped", Text: "Connect writes no keys to the domain.", Outcome: event.Skipped,
			Reason: &event.Reason{Code: "key_export_off", Sentence: "The export of keys is off.", Hint: "Set key_export = true."}})
		return nil
	}
	for _, o := range c.sorted(users) {
		if err := c.exportKeys(ctx, o); err != nil {
			return err
		}
	}
	return c.save(ctx)
}

// key is a registered key and the value that it becomes.
type key struct {
	from  graph.DeviceKey
	value []byte
}

func (c *cycle) exportKeys(ctx context.Context, o *imported) error {
	id := o.id.String()
	j := c.joined[id]
	if j == nil || j.ID == "" {
		return nil
	}
	want := c.registered(ctx, o, c.seen[users+"/"+j.ID])
	var add []key
	var values, remove [][]byte
	for _, k := range want {
		values = append(values, k.value)
		if !holds(o.keys, k.value) {
			add = append(add, k)
		}
	}
	for _, v := range j.Keys {
		if !holds(values, v) && holds(o.keys, v) {
			remove = append(remove, v)
		}
	}
	if len(add)+len(remove) == 0 {
		if !slices.EqualFunc(j.Keys, values, bytes.Equal) {
			j.Keys, c.dirty[id] = values, true
		}
		return nil
	}
	// That a value is Connect's is stored before it is written: a cycle that is
	// cut off leaves none that the next takes for another's.
	j.Keys = slices.Concat(values, remove)
	c.dirty[id] = true
	if err := c.save(ctx); err != nil {
		return err
	}
	err := c.writeKeys(ctx, o, add, remove)
	switch {
	case err == nil:
		j.Keys, c.dirty[id] = values, true
	case refused(err):
		c.problem(ctx, stageExportDomain, o.DN, err, true)
	default:
		return &stop{stageExportDomain, "", err}
	}
	return nil
}

func holds(list [][]byte, v []byte) bool {
	return slices.ContainsFunc(list, func(w []byte) bool { return bytes.Equal(v, w) })
}

// writeKeys names the account by its GUID: it may have been renamed since it
// was read.
func (c *cycle) writeKeys(ctx context.Context, o *imported, add []key, remove [][]byte) error {
	name := adldap.ByGUID(o.id.String())
	for _, k := range add {
		if err := c.domain.AddValue(name, keyAttribute, ldapmsg.DNBinary{Binary: k.value, DN: name}.String()); err != nil {
			return err
		}
		c.report.Counts.Keys.Added++
		c.tell(ctx, event.Event{Peer: event.ActiveDirectory, Protocol: "LDAP", Step: "key_written", Text: "Connect writes the public key to the user's msDS-KeyCredentialLink in Active Directory.",
			Message: map[string]any{"object": o.DN, "user": o.Name, "key_id": k.from.KeyIdentifier, "device_id": k.from.DeviceID, "attribute": keyAttribute, "bytes": len(k.value)}})
	}
	for _, v := range remove {
		if err := c.domain.RemoveValue(name, keyAttribute, ldapmsg.DNBinary{Binary: v, DN: name}.String()); err != nil {
			return err
		}
		c.report.Counts.Keys.Deleted++
		c.tell(ctx, event.Event{Peer: event.ActiveDirectory, Protocol: "LDAP", Step: "key_removed", Text: "Connect removes a key from the user's msDS-KeyCredentialLink that the tenant has not any more.",
			Message: map[string]any{"object": o.DN, "user": o.Name, "key_id": idOf(v), "attribute": keyAttribute}})
	}
	return nil
}

// idOf is the identifier in a value, as the tenant spells it.
func idOf(value []byte) string {
	k, err := keycred.Parse(value)
	if err != nil {
		return hex.EncodeToString(value[:min(len(value), 8)])
	}
	return base64.StdEncoding.EncodeToString(k.ID)
}

// registered are the values for the keys that the tenant has of a user. One
// that cannot be written is told of, and the others are.
func (c *cycle) registered(ctx context.Context, o *imported, s *seen) []key {
	if s == nil {
		return nil
	}
	var out []key
	for _, k := range s.Keys {
		v, err := credential(k)
		if err != nil {
			c.problem(ctx, stageExportDomain, o.DN, fmt.Errorf("key %s: %w", k.KeyIdentifier, err), false)
			continue
		}
		out = append(out, key{k, v})
	}
	return out
}

// credential makes the value of msDS-KeyCredentialLink of a registered key.
func credential(k graph.DeviceKey) ([]byte, error) {
	if k.Usage != "NGC" {
		return nil, errors.New("it is of another usage")
	}
	pub, err := cng.ParseRSAPublic(k.KeyMaterial)
	if err != nil {
		return nil, err
	}
	device, err := guid.Parse(k.DeviceID)
	if err != nil {
		return nil, errors.New("it names no device")
	}
	at, err := created(k.Created)
	if err != nil {
		return nil, err
	}
	custom, err := base64.StdEncoding.DecodeString(k.CustomKeyInformation)
	if err != nil || len(custom) < 2 {
		return nil, errors.New("its custom key information cannot be read")
	}
	made := keycred.FromEntra(keycred.UserKey{Public: pub, Device: device, Created: at, MFA: custom[1]&keycred.FlagMFANotUsed == 0, Attested: k.AttestationLevel == "attested"})
	return made.Marshal()
}
