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
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
)

const keyAttribute = "msDS-KeyCredentialLink"

// keys is the part of a cycle that exports keys, where it has it.
func (c *cycle) keys(ctx context.Context) error {
	c.phase = phaseKeys
	switch {
	case c.does(connect.KeyExport):
		err := c.exportDomain(ctx)
		c.phase = ""
		return err
	case !c.set.In.KeyExport:
		c.tell(ctx, event.Event{Step: "key_export_skipped", Text: "Connect writes no keys to the domain.", Outcome: event.Skipped,
			Reason: &event.Reason{Code: "key_export_off", Sentence: "The export of keys is off.", Hint: "Set key_export = true."}})
	case c.does(connect.Accounts) && !planned(c.set.In, connect.KeyExport).enabled:
		c.tell(ctx, event.Event{Step: "key_export_skipped", Text: "Connect writes no keys to the domain in this cycle.", Outcome: event.Skipped,
			Reason: &event.Reason{Code: "key_export_paused", Sentence: "The export of keys is paused.", Hint: "Set enabled = true in key_export_schedule, or run it: hellolab sync run -only=key_export."}})
	}
	c.phase = ""
	return nil
}

// exportDomain writes the keys that users registered with the tenant to their
// accounts in the domain. The tenant's word
// holds for values that Connect wrote: one that was deleted in the domain alone
// comes back (reading R10), one that the tenant has not any more goes. Values
// of others stay as they are, and never go up.
func (c *cycle) exportDomain(ctx context.Context) error {
	if err := c.withdrawals(ctx); err != nil {
		return err
	}
	for _, o := range c.sorted(users) {
		if err := c.exportKeys(ctx, o); err != nil {
			return err
		}
	}
	return c.save(ctx)
}

// withdrawals takes the keys of accounts that are not synchronized any more.
func (c *cycle) withdrawals(ctx context.Context) error {
	for _, id := range c.gone() {
		j := c.joined[id]
		if len(j.Keys) == 0 {
			continue
		}
		dn := ""
		if j.Sent != nil {
			dn = j.Sent.DN
		}
		kept, err := c.withdraw(ctx, id, dn, j.Keys)
		if err != nil {
			return err
		}
		if j.Keys = kept; len(kept) == 0 && j.ID == "" {
			delete(c.joined, id)
		}
		c.dirty[id] = true
	}
	return c.save(ctx)
}

// withdraw takes Connect's own keys from an account that it does not
// synchronize any more, and returns those that it could not take. An account
// that is gone has none.
func (c *cycle) withdraw(ctx context.Context, id, dn string, keys [][]byte) (kept [][]byte, err error) {
	for i, k := range keys {
		name := adldap.ByGUID(id)
		err := c.domain.RemoveValue(name, keyAttribute, ldapmsg.DNBinary{Binary: k, DN: name}.String())
		switch {
		case err == nil:
			c.report.Counts.Keys.Deleted++
		case adldap.IsCode(err, ldapmsg.NoSuchObject), adldap.IsCode(err, ldapmsg.ConstraintViolation):
			return nil, nil
		case refused(err):
			c.problem(ctx, stageExportDomain, dn, err, true)
			return keys[i:], nil
		default:
			return nil, &stop{stageExportDomain, "", err}
		}
	}
	return nil, nil
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
	want := c.registeredKeys(ctx, o, c.seen[keysOfUsers+"/"+j.ID])
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
		var ids []string
		for _, k := range add {
			ids = append(ids, k.from.KeyIdentifier)
		}
		c.problemOf(ctx, stageExportDomain, o.DN, err, true, map[string]any{"key_ids": ids})
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

// registeredKeys are the values for the keys that the tenant has of a user. One
// that cannot be written is told of, and the others are.
func (c *cycle) registeredKeys(ctx context.Context, o *imported, s *seen) []key {
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
