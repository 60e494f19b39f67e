package directory

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ldapmsg"
)

// secrets are an account's keys. They lie apart from the object: nothing that
// reads objects reads them.
type secrets struct {
	Current  keySet   `json:"current"`
	Previous *keySet  `json:"previous,omitempty"` // tickets made before the last change are good for their life
	History  [][]byte `json:"history,omitempty"`  // NT hashes of former passwords, the newest first
}

// keySet is one version of an account's keys.
type keySet struct {
	KVNO int         `json:"kvno"`
	Salt string      `json:"salt"`
	Keys []storedKey `json:"keys"` // the strongest first
}

type storedKey struct {
	EType int32  `json:"etype"`
	Value []byte `json:"value"`
}

func (k keySet) key(etype int32) (krb.Key, bool) {
	for _, s := range k.Keys {
		if s.EType == etype {
			return krb.Key{EType: s.EType, Value: s.Value}, true
		}
	}
	return krb.Key{}, false
}

// derive makes the keys of a password. RC4's is the NT hash, which NTLM needs,
// too; whether Kerberos may use it is the KDC's policy.
func derive(kvno int, password, salt string) (keySet, error) {
	set := keySet{KVNO: kvno, Salt: salt}
	for _, etype := range []int32{krb.AES256, krb.AES128, krb.RC4} {
		k, err := krb.StringToKey(etype, password, salt)
		if err != nil {
			return keySet{}, err
		}
		set.Keys = append(set.Keys, storedKey{k.EType, k.Value})
	}
	return set, nil
}

// salt returns what an account's password is salted with (MS-KILE 3.1.1.2): of
// a computer "host" and its DNS name, of others the account name.
func (d *Directory) salt(o *object) string {
	name := o.first("sAMAccountName")
	if o.is("computer") {
		return d.cfg.Realm() + "host" + d.cfg.Host(name[:max(len(name)-1, 0)])
	}
	return d.cfg.Realm() + name
}

// setKeys gives an account new keys made of a password.
func (d *Directory) setKeys(w writer, o *object, password string) error {
	was, err := get[secrets](w, tableSecrets, o.ID.String())
	if err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	now := secrets{}
	kvno := 1
	if was != nil {
		kvno = was.Current.KVNO + 1
		previous := was.Current
		now.Previous = &previous
		if nt, ok := previous.key(krb.RC4); ok {
			now.History = append([][]byte{nt.Value}, was.History...)
		}
		policy, err := d.policyOf(w.reader, o)
		if err != nil {
			return err
		}
		now.History = now.History[:min(len(now.History), policy.History)]
	}
	if now.Current, err = derive(kvno, password, d.salt(o)); err != nil {
		return fmt.Errorf("keys of %s: %w", o.DN, err)
	}
	return put(w.w, tableSecrets, o.ID.String(), now)
}

// randomKeys gives an account keys that no password makes: krbtgt's.
func (d *Directory) randomKeys(w writer, id guid.GUID, kvno int) error {
	set := keySet{KVNO: kvno}
	for _, etype := range []int32{krb.AES256, krb.AES128, krb.RC4} {
		k, err := krb.RandomKey(etype, d.Rand)
		if err != nil {
			return err
		}
		set.Keys = append(set.Keys, storedKey{k.EType, k.Value})
	}
	return put(w.w, tableSecrets, id.String(), secrets{Current: set})
}

// matches says whether a password is the one that a set of keys was made of.
func (k keySet) matches(password string) bool {
	nt, ok := k.key(krb.RC4)
	if !ok {
		return false
	}
	try, err := krb.StringToKey(krb.RC4, password, "")
	return err == nil && hmac.Equal(try.Value, nt.Value)
}

// remembers says whether a password is the current one or among the former.
func (s *secrets) remembers(password string) bool {
	if s.Current.matches(password) {
		return true
	}
	try, err := krb.StringToKey(krb.RC4, password, "")
	if err != nil {
		return false
	}
	found := false
	for _, h := range s.History {
		found = hmac.Equal(try.Value, h) || found
	}
	return found
}

// Replicate returns the NT hash of an account and the version of its keys, for
// who may replicate secrets, on a connection that nobody can read. Without a
// password the hash is nil.
func (d *Directory) Replicate(who *Requester, id guid.GUID) (hash []byte, version int, err error) {
	if !d.rights.mayReplicate(who) {
		return nil, 0, ldapmsg.Errorf(ldapmsg.InsufficientAccessRights, ldapmsg.ErrorInsufficientAccessRights, "You may not replicate the domain's secrets.")
	}
	if !who.Sealed {
		return nil, 0, ldapmsg.Errorf(ldapmsg.ConfidentialityRequired, ldapmsg.ErrorConfidentialityRequired, "Secrets are replicated on an encrypted connection only.")
	}
	err = d.view(func(r reader) error {
		if _, err := r.object(id.String()); err != nil {
			return ldapmsg.NotFound("")
		}
		s, err := get[secrets](r, tableSecrets, id.String())
		if errors.Is(err, errNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		version = s.Current.KVNO
		if nt, ok := s.Current.key(krb.RC4); ok {
			hash = nt.Value
		}
		return nil
	})
	return hash, version, err
}

// quoted reads a value of unicodePwd: the password in quotation marks, UTF-16LE
// (MS-ADTS 3.1.1.3.1.5.1).
func quoted(value []byte) (string, error) {
	if len(value)%2 != 0 || len(value) < 4 || len(value) > 1024 {
		return "", errSyntax
	}
	units := make([]uint16, len(value)/2)
	for i := range units {
		units[i] = uint16(value[2*i]) | uint16(value[2*i+1])<<8
	}
	text := string(utf16.Decode(units))
	clear(units)
	if text[0] != '"' || text[len(text)-1] != '"' || utf8.RuneCountInString(text) < 2 {
		return "", errSyntax
	}
	return text[1 : len(text)-1], nil
}
