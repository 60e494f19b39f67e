package inspect

import (
	"fmt"
	"strings"

	"hellolab/providers/wire/prt"
)

// decodeJWE takes an encrypted message apart, and opens it when the session
// key is known.
func decodeJWE(i *inspector, in Input) (*Node, error) {
	parts := strings.Split(in.Compact, ".")
	if len(parts) != 5 {
		return nil, not(fmt.Sprintf("it has %d parts between dots, not five", len(parts)))
	}
	header, err := headerOf(parts[0])
	if err != nil {
		return nil, err
	}
	if _, ok := header.find("enc"); !ok {
		return nil, not("its header names no encryption")
	}
	m, err := prt.ParseMessage(in.Compact)
	if err != nil {
		return nil, err
	}
	n := &Node{Title: "Encrypted message"}
	for k := range header {
		switch f := &header[k]; f.Name {
		case "ctx":
			f.Note = "context of the key derivation"
		case "enc":
			if m.Cipher() == "AES-256-CBC" {
				f.Note = "it says so, but a reply without a tag is in AES-256-CBC"
			}
		}
	}
	n.add("header", header)
	n.add("encrypted key", m.EncryptedKey)
	n.add("initialisation vector", m.IV)
	n.add("ciphertext", m.Text)
	n.add("tag", m.Tag)
	for k := range n.Fields[1:] {
		n.Fields[1+k].Note = "bytes"
	}
	switch {
	case m.Algorithm == "dir" && m.Context != "":
		n.Title = "Sealed reply to a session request (MS-OAPXBC 3.2.5.1.3.2)"
		n.add("cipher", m.Cipher())
		i.reply(n, in.Compact)
	case m.Algorithm == "RSA-OAEP" && m.Encryption == "A256GCM":
		n.Title = "Session key for a device's transport key, session_key_jwe (MS-OAPXBC 3.2.5.1.2.2)"
		n.add("session key", i.sessionKey(in.Compact))
	default:
		n.add("content", "sealed: neither a session key nor a reply under one")
	}
	return n, nil
}

func (i *inspector) reply(n *Node, text string) {
	if i.o.SessionKey == nil {
		n.add("content", "sealed: no session key given")
		return
	}
	plain, err := prt.OpenResponse(text, prt.Key(i.o.SessionKey))
	if err != nil {
		n.add("content", "sealed: it does not open with the session key given")
		return
	}
	defer clear(plain)
	if node := i.below(func() (*Node, error) { return i.find(newInput(plain), only("json")) }); node != nil {
		n.add("content", node)
		return
	}
	n.add("content", "opened with the session key given, but no JSON: "+size(plain))
}

// sessionKey compares the key given with the one inside, by the tag it makes.
func (i *inspector) sessionKey(text string) string {
	switch {
	case i.o.SessionKey == nil:
		return "sealed: no session key given"
	case prt.CheckSessionKey(text, i.o.SessionKey) != nil:
		return verdictWrong + ": the session key given is another"
	}
	return verdictVerified + ": it is the session key given"
}
