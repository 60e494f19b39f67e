package inspect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hellolab/providers/wire/krb"
)

// Names by the documents' numbers; what is not here is shown as its number.
var (
	etypeNames = map[int32]string{
		1: "des-cbc-crc", 3: "des-cbc-md5", krb.DES3: "des3-cbc-sha1-kd", krb.AES128: "aes128-cts-hmac-sha1-96", krb.AES256: "aes256-cts-hmac-sha1-96",
		19: "aes128-cts-hmac-sha256-128", 20: "aes256-cts-hmac-sha384-192", krb.RC4: "rc4-hmac", 24: "rc4-hmac-exp", 25: "camellia128-cts-cmac", 26: "camellia256-cts-cmac",
	}
	checksumNames = map[int32]string{
		7: "rsa-md5", 10: "sha1", 12: "hmac-sha1-des3-kd", 14: "sha1", 15: "hmac-sha1-96-aes128", 16: "hmac-sha1-96-aes256", 19: "hmac-sha256-128-aes128",
		20: "hmac-sha384-192-aes256", -138: "hmac-md5", 0x8003: "GSS-API: flags and channel bindings",
	}
	paNames = map[int32]string{
		krb.PATGSReq: "PA-TGS-REQ", krb.PAEncTimestamp: "PA-ENC-TIMESTAMP", 3: "PA-PW-SALT", 11: "PA-ETYPE-INFO",
		krb.PAPKASReqOld: "PA-PK-AS-REQ of the draft", krb.PAPKASRepOld: "PA-PK-AS-REP of the draft", krb.PAPKASReq: "PA-PK-AS-REQ", krb.PAPKASRep: "PA-PK-AS-REP",
		krb.PAETypeInfo2: "PA-ETYPE-INFO2", 20: "PA-SVR-REFERRAL-INFO", krb.PAPACRequest: "PA-PAC-REQUEST", krb.PAForUser: "PA-FOR-USER", 130: "PA-FOR-X509-USER",
		krb.PAAS09Binding: "PA-PK-AS-09-BINDING", krb.PAFXCookie: "PA-FX-COOKIE", krb.PAFXFast: "PA-FX-FAST", 137: "PA-FX-ERROR", 138: "PA-ENCRYPTED-CHALLENGE",
		krb.PAPKINITKX: "PA-PKINIT-KX", krb.PAReqEncPARep: "PA-REQ-ENC-PA-REP", krb.PAASFreshness: "PA-AS-FRESHNESS", krb.PAKeyListReq: "KERB-KEY-LIST-REQ",
		krb.PAKeyListRep: "KERB-KEY-LIST-REP", krb.PASupportedEncTypes: "PA-SUPPORTED-ENCTYPES", krb.PAPACOptions: "PA-PAC-OPTIONS",
	}
	tdNames = map[int32]string{krb.TDTrustedCertifiers: "TD-TRUSTED-CERTIFIERS", krb.TDInvalidCertificates: "TD-INVALID-CERTIFICATES", krb.TDDHParameters: "TD-DH-PARAMETERS"}
	adNames = map[int32]string{krb.ADIfRelevant: "AD-IF-RELEVANT", 4: "AD-KDC-ISSUED", 5: "AD-AND-OR", 8: "AD-MANDATORY-FOR-KDC", krb.ADWin2kPAC: "AD-WIN2K-PAC",
		129: "AD-ETYPE-NEGOTIATION", 141: "KERB-AUTH-DATA-TOKEN-RESTRICTIONS", 142: "KERB-LOCAL", 143: "AD-AUTH-DATA-AP-OPTIONS", 144: "AD-AUTH-DATA-TARGET-NAME"}
	nameTypes = map[int32]string{0: "NT-UNKNOWN", krb.NTPrincipal: "NT-PRINCIPAL", krb.NTSrvInst: "NT-SRV-INST", krb.NTSrvHst: "NT-SRV-HST", 5: "NT-UID",
		6: "NT-X500-PRINCIPAL", krb.NTEnterprise: "NT-ENTERPRISE", 11: "NT-WELLKNOWN", -128: "NT-MS-PRINCIPAL", -130: "NT-ENT-PRINCIPAL-AND-ID"}
)

// Bits of flags by number; bit 0 is the most significant.
var (
	ticketFlags = map[int]string{1: "forwardable", 2: "forwarded", 3: "proxiable", 4: "proxy", 5: "may-postdate", 6: "postdated", 7: "invalid", 8: "renewable",
		9: "initial", 10: "pre-authent", 11: "hw-authent", 12: "transited-policy-checked", 13: "ok-as-delegate", 15: "enc-pa-rep", 16: "anonymous"}
	kdcOptions = map[int]string{1: "forwardable", 2: "forwarded", 3: "proxiable", 4: "proxy", 5: "allow-postdate", 6: "postdated", 8: "renewable",
		14: "cname-in-addl-tkt", 15: "canonicalize", 16: "request-anonymous", 26: "disable-transited-check", 27: "renewable-ok", 28: "enc-tkt-in-skey", 30: "renew", 31: "validate"}
	apOptions       = map[int]string{1: "use-session-key", 2: "mutual-required"}
	pacOptions      = map[int]string{0: "claims", 1: "branch-aware", 2: "forward-to-full-dc", 3: "resource-based-constrained-delegation"}
	supportedETypes = map[int]string{31: "des-cbc-crc", 30: "des-cbc-md5", 29: "rc4-hmac", 28: "aes128", 27: "aes256", 26: "aes256-sk", 15: "fast", 14: "compound-identity", 13: "claims", 12: "resource-sid-compression-disabled"}
)

// coded adds a number with its name.
func (f *Fields) coded(name string, n int32, names map[int32]string) {
	f.noted(name, int(n), names[n])
}

// coding writes a number with its name into one text.
func coding(n int32, names map[int32]string) string {
	if s, ok := names[n]; ok {
		return fmt.Sprintf("%d %s", n, s)
	}
	return fmt.Sprint(n)
}

// flagNames lists the bits that are set, the first bit first.
func flagNames(flags krb.Flags, names map[int]string) []any {
	out := []any{}
	for bit := range 32 {
		if flags&(1<<(31-bit)) == 0 {
			continue
		}
		if s, ok := names[bit]; ok {
			out = append(out, s)
		} else {
			out = append(out, fmt.Sprintf("bit %d", bit))
		}
	}
	return out
}

// etypeList writes encryption types in their order.
func etypeList(etypes []int32) []any {
	out := make([]any, len(etypes))
	for k, e := range etypes {
		out[k] = coding(e, etypeNames)
	}
	return out
}

// principal adds a name with its realm and the kind of name it is.
func (f *Fields) principal(name string, n krb.Name, realm string) {
	if n.IsZero() {
		return
	}
	text := n.String()
	if realm != "" {
		text += "@" + realm
	}
	f.noted(name, text, coding(n.Type, nameTypes))
}

// addresses adds what a ticket is bound to, if anything.
func (f *Fields) addresses(list []krb.HostAddress) {
	if len(list) == 0 {
		return
	}
	f.many("addresses", len(list), func(k int) any {
		a := list[k]
		if a.Type == 20 { // NetBIOS: text, filled with blanks
			return "NetBIOS " + strings.TrimRight(string(a.Address), " ")
		}
		if ip, ok := netip.AddrFromSlice(a.Address); ok {
			return ip.String()
		}
		return fmt.Sprintf("type %d %x", a.Type, a.Address)
	})
}

// maxListed bounds what is shown of one list.
const maxListed = 64

// many adds the first of a list of n, and how many there are beyond them.
func (f *Fields) many(name string, n int, element func(k int) any) {
	out := make([]any, 0, min(n, maxListed))
	for k := range min(n, maxListed) {
		out = append(out, element(k))
	}
	note := ""
	if n > maxListed {
		note = fmt.Sprintf("the first %d of %d", maxListed, n)
	}
	f.noted(name, slices.Clip(out), note)
}
