package inspect

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/wire/strict"
)

// decodeJSON shows a JSON text member by member; members that hold tokens,
// keys or certificates are decoded.
func decodeJSON(i *inspector, in Input) (*Node, error) {
	value, err := parseJSON(in)
	if err != nil {
		return nil, err
	}
	n := &Node{Title: "JSON"}
	switch v := i.open("", value).(type) {
	case Fields:
		n.Title, n.Fields = titleOf(v), v
	default:
		n.add("values", v)
	}
	return n, nil
}

// titles are documents that are known by their members.
var titles = []struct {
	title   string
	members []string
}{
	{"OpenID configuration", []string{"issuer", "jwks_uri"}},
	{"Token response", []string{"token_type", "refresh_token"}},
	{"Token response", []string{"token_type", "access_token"}},
	{"Refusal of the token service", []string{"error", "error_description"}},
	{"Refusal of the registration service", []string{"ErrorType", "Message"}},
	{"Join request", []string{"CertificateRequest", "TransportKey"}},
	{"Join reply", []string{"Certificate", "MembershipChanges"}},
	{"AIK enrolment", []string{"ek_public", "aik_public"}},
}

func titleOf(f Fields) string {
	for _, t := range titles {
		if !slices.ContainsFunc(t.members, func(m string) bool { _, ok := f.find(m); return !ok }) {
			return t.title
		}
	}
	return "JSON"
}

func (f Fields) find(name string) (any, bool) {
	for _, field := range f {
		if field.Name == name {
			return field.Value, true
		}
	}
	return nil, false
}

// parseJSON reads an object or a list, keeping the order of members: a member
// that comes twice, depth and size beyond bounds are errors (package strict).
func parseJSON(in Input) (any, error) {
	if !strings.HasPrefix(in.Text, "{") && !strings.HasPrefix(in.Text, "[") {
		return nil, not("it begins neither with { nor with [")
	}
	return ordered([]byte(in.Text))
}

func ordered(data []byte) (any, error) {
	var raw json.RawMessage
	if err := strict.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return readValue(dec)
}

// readValue recurses as deep as package strict allows.
func readValue(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		f := Fields{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			value, err := readValue(dec)
			if err != nil {
				return nil, err
			}
			f.add(name.(string), value)
		}
		_, err := dec.Token()
		return f, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			value, err := readValue(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := dec.Token()
		return list, err
	}
	return tok, nil
}

// open decodes what stands in JSON, and conceals what is nobody's business.
// name is the member's.
func (i *inspector) open(name string, value any) any {
	switch v := value.(type) {
	case Fields:
		if secretName(name) {
			return "(not shown)"
		}
		_, isKey := v.find("kty")
		for k := range v {
			m := &v[k]
			if isKey && slices.Contains(privateMembers, m.Name) {
				m.Value, m.Note = "(not shown)", "private part of the key"
				continue
			}
			if at, ok := instant(m.Name, m.Value); ok {
				m.Note = at.UTC().Format(time.RFC3339) + ", " + relative(at, i.o.Now)
			}
			if s, isText := m.Value.(string); isText && strings.Contains(strings.ToLower(m.Name), "nonce") {
				m.Note = i.nonceNote(s)
			}
			m.Value = i.open(m.Name, m.Value)
		}
		return v
	case []any:
		for k := range v {
			v[k] = i.open(name, v[k])
		}
		return v
	case json.Number:
		if secretName(name) {
			return concealed(v.String())
		}
		return v
	case string:
		node := i.within(v)
		switch {
		case secretName(name) && (node == nil || node.Type != "jwe"):
			return concealed(v)
		case node != nil:
			return node
		case slices.Contains(tokenMembers, name) && v != "":
			return "opaque " + concealed(v)
		}
		return v
	}
	return value
}

// privateMembers are the secret members of a JSON Web Key (RFC 7518 6).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// tokenMembers hold tokens that may be opaque; whoever has one may use it.
var tokenMembers = []string{"access_token", "refresh_token", "previous_refresh_token", "id_token", "id_token_hint", "assertion", "client_assertion", "device_code", "request"}

// secretName says whether a member's name tells that its value is a secret.
func secretName(name string) bool {
	plain := strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
	if plain == "pin" || plain == "pwd" || plain == "otc" || plain == "otp" {
		return true
	}
	for _, word := range []string{"password", "passwd", "secret", "sessionkey", "derivedkey", "privatekey", "codeverifier"} {
		if strings.Contains(plain, word) && plain != "encryptedsecret" {
			return true
		}
	}
	return false
}

// instant reads a Unix time off a member that is known to hold one.
func instant(name string, value any) (time.Time, bool) {
	if !slices.Contains([]string{"iat", "nbf", "exp", "auth_time", "expires_on", "not_before"}, name) {
		return time.Time{}, false
	}
	text, ok := value.(string) // some clients write it so
	if n, isNumber := value.(json.Number); isNumber {
		text, ok = n.String(), true
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || seconds <= 0 || seconds >= 253402300800 { // year 10000
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}
