package inspect

import (
	"fmt"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pkinit"
)

// paData lists pre-authentication data; body is the KDC-REQ-BODY that it came
// with, nil when there is none.
func (i *inspector) paData(list []krb.PAData, body []byte) []any {
	out := []any{}
	for _, p := range list[:min(len(list), maxListed)] {
		f := Fields{}
		f.coded("type", p.Type, paNames)
		value, err := i.paValue(p, body)
		if err != nil {
			value = unreadable(p.Value, err)
		}
		if value != nil {
			f.add("value", value)
		}
		out = append(out, f)
	}
	return out
}

// paValue decodes the value of one piece; nil when there is nothing to say.
// What is not known is counted: it may be a secret.
func (i *inspector) paValue(p krb.PAData, body []byte) (any, error) {
	b := p.Value
	if len(b) == 0 { // an offer, or a wish
		return nil, nil
	}
	switch p.Type {
	case krb.PATGSReq:
		return i.apReq(b, krb.UsageTGSReqAuth)
	case krb.PAEncTimestamp:
		return i.encTimestamp(b)
	case krb.PAPKASReq:
		return i.pkASReq(b, body)
	case krb.PAPKASRep:
		return i.pkASRep(b)
	case krb.PAETypeInfo2:
		return etypeInfo(b)
	case krb.PAPACRequest:
		include, err := krb.ParsePACRequest(b)
		return Fields{{Name: "include pac", Value: include}}, err
	case krb.PAPACOptions:
		flags, err := krb.ParsePACOptions(b)
		return flagNames(flags, pacOptions), err
	case krb.PASupportedEncTypes:
		bits, err := krb.ParseSupportedETypes(b)
		return flagNames(krb.Flags(bits), supportedETypes), err
	case krb.PAKeyListReq:
		etypes, err := krb.ParseKeyListReq(b)
		return etypeList(etypes), err
	case krb.PAKeyListRep: // which, not what: they are the account's long-term keys
		keys, err := krb.ParseKeyListRep(b)
		etypes := make([]int32, len(keys))
		for n, k := range keys {
			etypes[n] = k.EType
		}
		return Fields{{Name: "keys of", Value: etypeList(etypes)}}, err
	case krb.PAReqEncPARep:
		sum, err := krb.ParseChecksum(b)
		return fmt.Sprintf("checksum over the request, %s", coding(sum.Type, checksumNames)), err
	case krb.PAASFreshness:
		return fmt.Sprintf("freshness token, %s", size(b)), nil
	}
	return fmt.Sprintf("(%s)", size(b)), nil
}

func (i *inspector) encTimestamp(b []byte) (any, error) {
	d, err := krb.ParseEncryptedData(b)
	if err != nil {
		return nil, err
	}
	f := sealedPart(d)
	if e := i.keyFor(krb.UsageEncTimestamp, d); e != nil {
		f.add("opened with", keyOwner(e))
		if at, err := krb.OpenEncTimestamp(e.Key, d); err == nil {
			f.time("time", at, i.o.Now)
		}
	}
	return f, nil
}

func etypeInfo(b []byte) (any, error) {
	list, err := krb.ParseETypeInfo2(b)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, e := range list {
		f := Fields{}
		f.coded("etype", e.EType, etypeNames)
		f.text("salt", e.Salt)
		if len(e.Params) > 0 {
			f.bytes("parameters", e.Params)
		}
		out = append(out, f)
	}
	return out, nil
}

// typedData decodes the value of one piece of TYPED-DATA.
func typedData(d krb.TypedData) any {
	switch d.Type {
	case krb.TDTrustedCertifiers, krb.TDInvalidCertificates:
		ids, err := pkinit.ParseIdentifiers(d.Value)
		if err != nil {
			return unreadable(d.Value, err)
		}
		return identifiers(ids)
	case krb.TDDHParameters:
		groups, err := pkinit.ParseDHParameters(d.Value)
		if err != nil {
			return unreadable(d.Value, err)
		}
		out := []any{}
		for _, g := range groups {
			out = append(out, g.Name)
		}
		return out
	}
	return fmt.Sprintf("(%s)", size(d.Value))
}
