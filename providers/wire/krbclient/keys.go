package krbclient

import (
	"context"
	"fmt"
	"slices"

	"hellolab/providers/wire/krb"
)

// keys is Preauth by PA-ENC-TIMESTAMP with keys that are at hand.
type keys []krb.Key

// Keys is the pre-authentication of who holds an account's keys and not its
// password, as a host does in its keytab. The best ones come first.
func Keys(list ...krb.Key) Preauth { return keys(list) }

func (keys) Wants() []krb.PAData { return nil }

// Data implements Preauth with the first key of a type that the request names
// and, where the KDC says which it takes, the KDC offers (RFC 4120 5.2.7.5).
func (k keys) Data(_ context.Context, r Request) ([]krb.PAData, error) {
	takes := r.KDCReq.Body.ETypes
	if value, ok := krb.FindPA(r.Offered, krb.PAETypeInfo2); ok {
		info, err := krb.ParseETypeInfo2(value)
		if err != nil {
			return nil, fmt.Errorf("the domain controller's offer: %w", err)
		}
		takes = slices.DeleteFunc(slices.Clone(takes), func(etype int32) bool {
			return !slices.ContainsFunc(info, func(e krb.ETypeInfo2Entry) bool { return e.EType == etype })
		})
	}
	for _, key := range k {
		if slices.Contains(takes, key.EType) {
			value, err := krb.EncTimestamp(key, r.Now)
			return []krb.PAData{{Type: krb.PAEncTimestamp, Value: value}}, err
		}
	}
	return nil, krb.NewError(krb.ErrETypeNoSupport, "There is no key of an encryption type that is asked for.")
}

// ReplyKey implements Preauth: the key of the reply's type.
func (k keys) ReplyKey(_ context.Context, _ Request, reply *krb.KDCRep) (krb.Key, error) {
	for _, key := range k {
		if key.EType == reply.EncPart.EType {
			return key, nil
		}
	}
	return krb.Key{}, krb.NewError(krb.ErrETypeNoSupport, "There is no key of the reply's encryption type.")
}
