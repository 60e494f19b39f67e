package inspect

import (
	"strings"

	"hellolab/providers/wire/oauth"
)

// decodeJWKS reads a JSON Web Key or a set of them (RFC 7517).
func decodeJWKS(i *inspector, in Input) (*Node, error) {
	value, err := parseJSON(in)
	if err != nil {
		return nil, err
	}
	f, ok := value.(Fields)
	if !ok {
		return nil, not("it is a list")
	}
	if _, one := f.find("kty"); one {
		n := i.jwk(f)
		return n, nil
	}
	keys, _ := f.find("keys")
	set, ok := keys.([]any)
	if !ok {
		return nil, not("it has neither kty nor a list of keys")
	}
	nodes := make([]any, 0, len(set))
	for _, k := range set {
		key, ok := k.(Fields)
		if _, typed := key.find("kty"); !ok || !typed {
			return nil, not("what stands in keys has no kty")
		}
		node := i.jwk(key)
		node.Type = "jwks"
		nodes = append(nodes, node)
	}
	n := &Node{Title: "JSON Web Key set"}
	n.add("keys", nodes)
	return n, nil
}

func (i *inspector) jwk(f Fields) *Node {
	n := &Node{Title: "JSON Web Key"}
	for _, name := range privateMembers {
		if _, private := f.find(name); private {
			n.Title = "JSON Web Key, private or shared (not shown)"
		}
	}
	if pub, err := jwkOf(f).PublicKey(); err == nil {
		n.Fields = publicKey(pub)
	}
	n.add("members", i.open("", f))
	return n
}

// jwkOf reads the members of an RSA key.
func jwkOf(f Fields) oauth.JWK {
	text := func(name string) string { v, _ := f.find(name); s, _ := v.(string); return s }
	return oauth.JWK{KeyType: text("kty"), KeyID: text("kid"), N: strings.TrimRight(text("n"), "="), E: strings.TrimRight(text("e"), "=")}
}

// jwkSet reads the RSA keys of a JWK or a set.
func jwkSet(data []byte) []oauth.JWK {
	value, err := ordered(data)
	f, ok := value.(Fields)
	if err != nil || !ok {
		return nil
	}
	if _, one := f.find("kty"); one {
		return []oauth.JWK{jwkOf(f)}
	}
	keys, _ := f.find("keys")
	set, _ := keys.([]any)
	var out []oauth.JWK
	for _, k := range set {
		if key, ok := k.(Fields); ok {
			out = append(out, jwkOf(key))
		}
	}
	return out
}
