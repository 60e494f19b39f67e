package main

import (
	"context"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/zclconf/go-cty/cty"

	"hellolab/cmd/hellolab/internal/inspect"
	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/adfs"
	"hellolab/providers/entra"
	"hellolab/providers/spec"
	"hellolab/providers/wire/krb"
	"hellolab/state"
)

// inspectCommand decodes what the lab's systems exchange and keep. It asks
// nobody; with -lab it looks into the state of a lab for the keys to verify
// and open with.
type inspectCommand struct {
	stateFlags
	format     string
	keys       list
	sessionKey string
	keytabs    list
	lab        bool
	device     string
	json       bool
}

func (c *inspectCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.StringVar(&c.format, "type", "", "take the input for a `NAME`: "+strings.Join(formats(), ", "))
	fs.Var(&c.keys, "key", "verify signatures with the certificates or public keys of `FILE` (PEM, DER, JSON Web Keys, CNG); may be repeated")
	fs.StringVar(&c.sessionKey, "session-key", "", "verify requests and open replies with the session key, hexadecimal or base64, in `FILE` or env:NAME")
	fs.Var(&c.keytabs, "keytab", "open Kerberos tickets, and check their PACs, with the keys of the keytab `FILE`; may be repeated")
	fs.BoolVar(&c.lab, "lab", false, "verify with the keys of this lab's tenants, federation services and authorities, and open the tokens that tenants sealed")
	fs.StringVar(&c.device, "device", "", "instead of a file, what the device `ADDRESS` of this lab holds: certificates and primary refresh tokens")
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

// formats are the names that -type takes.
func formats() []string {
	var names []string
	for _, d := range inspect.Decoders() {
		names = append(names, d.Name)
	}
	return names
}

// formatTable tells of each format what it is known by, in the order of
// asking, as Markdown for the reference.
func formatTable() string {
	var b strings.Builder
	b.WriteString("| `-type` | Format | Known by |\n|---|---|---|")
	for _, d := range inspect.Decoders() {
		fmt.Fprintf(&b, "\n| `%s` | %s | %s |", d.Name, d.What, d.Sign)
	}
	return b.String()
}

func (c *inspectCommand) run(ctx context.Context, s *session, args []string) (err error) {
	if (len(args) == 1) == (c.device != "") {
		return mistake("Usage: hellolab inspect FILE, with - for standard input, or hellolab inspect -device=ADDRESS", "A file or a device is needed")
	}
	o := inspect.Options{Now: s.now(), Type: c.format}
	if c.format != "" && !strings.Contains(" "+strings.Join(formats(), " ")+" ", " "+c.format+" ") {
		return mistake(didYouMean(c.format, formats(), "The formats are: "+strings.Join(formats(), ", ")+"."), "Unknown format: %q", c.format)
	}
	if o.Keys, err = c.readKeys(s); err != nil {
		return err
	}
	if o.Keytab, err = c.readKeytabs(s); err != nil {
		return err
	}
	if c.sessionKey != "" {
		if o.SessionKey, err = c.readSessionKey(ctx, s); err != nil {
			return err
		}
		defer clear(o.SessionKey)
	}
	var node *inspect.Node
	if !c.lab && c.device == "" {
		node, err = c.file(s, args[0], o)
	} else {
		node, err = c.inLab(ctx, s, args, o)
	}
	if err != nil {
		return err
	}
	if c.json {
		return view.WriteIndentedJSON(s.out, node)
	}
	return inspect.Text(s.out, node, s.outStyle())
}

// file inspects a file, or standard input.
func (c *inspectCommand) file(s *session, name string, o inspect.Options) (*inspect.Node, error) {
	data, err := s.readInput(name)
	if err != nil {
		return nil, err
	}
	node, err := inspect.Inspect(data, o)
	var unknown *inspect.Unrecognized
	if errors.As(err, &unknown) {
		return nil, unrecognized(name, unknown)
	}
	return node, err
}

// unrecognized tells what was tried on an input, a line each.
func unrecognized(name string, u *inspect.Unrecognized) error {
	if name == "-" {
		name = "The input"
	}
	headline := fmt.Sprintf("%s is nothing that can be told", view.Escape(name))
	var b strings.Builder
	for _, a := range u.Tried {
		reason := a.Reason
		if a.Broken {
			headline = fmt.Sprintf("%s is malformed: it looks like %s", view.Escape(name), a.Name)
			reason = "malformed: " + reason
		}
		fmt.Fprintf(&b, "  %-12s %s\n", a.Name, view.Escape(reason))
	}
	return mistake("Tried in this order, and why each said no:\n"+strings.TrimSuffix(b.String(), "\n"), "%s", headline)
}

// readInput reads a file that a user names, within the bound of inspect.
func (s *session) readInput(name string) ([]byte, error) {
	in := s.in
	if name != "-" {
		// A pipe without a writer would block.
		f, err := os.OpenFile(s.path(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, inspect.MaxInput+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > inspect.MaxInput:
		return nil, mistake(fmt.Sprintf("At most %d MiB are read.", inspect.MaxInput>>20), "%s is too large", view.Escape(name))
	case len(strings.TrimSpace(string(data))) == 0:
		return nil, mistake("", "%s is empty", view.Escape(name))
	}
	return data, nil
}

func (c *inspectCommand) readKeys(s *session) ([]inspect.Key, error) {
	var keys []inspect.Key
	for _, name := range c.keys {
		data, err := s.readInput(name)
		if err != nil {
			return nil, err
		}
		more, err := inspect.ParseKeys(data)
		if err != nil {
			return nil, mistake("", "%s cannot be verified with: %v", view.Escape(name), err)
		}
		keys = append(keys, more...)
	}
	return keys, nil
}

func (c *inspectCommand) readKeytabs(s *session) ([]krb.KeytabEntry, error) {
	var entries []krb.KeytabEntry
	for _, name := range c.keytabs {
		data, err := s.readInput(name)
		if err != nil {
			return nil, err
		}
		more, err := inspect.ParseKeytab(data)
		if err != nil {
			return nil, mistake("", "%s is no keytab: %v", view.Escape(name), err)
		}
		entries = append(entries, more...)
	}
	return entries, nil
}

// readSessionKey reads the key from where it cannot be seen: never off the
// command line.
func (c *inspectCommand) readSessionKey(ctx context.Context, s *session) ([]byte, error) {
	form := c.sessionKey
	if !strings.HasPrefix(form, "env:") {
		form = "file:" + strings.TrimPrefix(form, "file:")
	}
	text, err := s.secret(ctx, "The session key", form)
	if err != nil {
		return nil, err
	}
	defer text.Wipe()
	key, err := inspect.ParseSessionKey(text)
	if err != nil {
		return nil, mistake("", "The session key is %v", err)
	}
	return key, nil
}

// inLab inspects with what the lab's owner has: the keys of tenants, federation
// services and authorities.
func (c *inspectCommand) inLab(ctx context.Context, s *session, args []string, o inspect.Options) (node *inspect.Node, err error) {
	snap, err := s.openRead(ctx, &c.stateFlags)
	if err != nil {
		return nil, err
	}
	overlay := state.NewOverlay(snap)
	defer closing(overlay, &err)
	l, err := s.openLab(overlay, 0, nil)
	if err != nil {
		return nil, err
	}
	defer closing(l, &err)
	o.Now = l.Now()
	tenants, err := s.tenantsOf(l)
	if err != nil {
		return nil, err
	}
	for _, t := range tenants {
		certs, err := entra.PublicCertificates(t.section)
		if err != nil {
			return nil, err
		}
		for _, cert := range certs {
			key, err := inspect.CertificateKey(cert.DER, "the "+cert.Use+" of "+t.addr)
			if err != nil {
				return nil, err
			}
			o.Keys = append(o.Keys, key)
		}
	}
	services, err := l.Objects().List("federation")
	if err != nil {
		return nil, err
	}
	for _, rec := range services {
		certs, err := adfs.SigningCertificates(l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In))
		if err != nil {
			return nil, err
		}
		for _, der := range certs {
			key, err := inspect.CertificateKey(der, "the token-signing certificate of "+rec.Addr)
			if err != nil {
				return nil, err
			}
			o.Keys = append(o.Keys, key)
		}
	}
	authorities, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](l.Env("", &providers.Type{}, cty.NilVal), "authority")
	if err != nil {
		return nil, err
	}
	for _, a := range authorities {
		if block, _ := pem.Decode([]byte(a.Out.Certificate)); block != nil {
			key, err := inspect.CertificateKey(block.Bytes, "the certificate of "+a.Addr)
			if err != nil {
				return nil, err
			}
			o.Keys = append(o.Keys, key)
		}
	}
	o.Open = func(text string) (*entra.TokenClaims, error) {
		for _, t := range tenants {
			if claims, err := entra.OpenToken(t.section, text); !errors.Is(err, entra.ErrToken) {
				return claims, err
			}
		}
		return nil, entra.ErrToken
	}
	if c.device != "" {
		return s.inspectDevice(l, c.device, o)
	}
	return c.file(s, args[0], o)
}

type ownTenant struct {
	addr    string
	section providers.Section
}

func (s *session) tenantsOf(l *lab.Lab) ([]ownTenant, error) {
	recs, err := l.Objects().List("tenant")
	if err != nil {
		return nil, err
	}
	tenants := make([]ownTenant, len(recs))
	for i, rec := range recs {
		tenants[i] = ownTenant{rec.Addr, l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In).Section}
	}
	return tenants, nil
}

// inspectDevice inspects what a device holds, one thing after the other.
func (s *session) inspectDevice(l *lab.Lab, addr string, o inspect.Options) (*inspect.Node, error) {
	if err := s.isA(l, addr, "device"); err != nil {
		return nil, err
	}
	rec, err := l.Objects().Lookup(addr)
	if err != nil {
		return nil, err
	}
	held, err := s.windows.Held(l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In), addr)
	if err != nil {
		return nil, err
	}
	all := &inspect.Node{Type: "device", Title: "What " + addr + " holds"}
	for _, h := range held {
		var node *inspect.Node
		if h.Issuer != "" {
			node = inspect.Opaque("Enterprise primary refresh token", h.Issuer, len(h.Data), h.Obtained, h.Expires, o)
		} else if node, err = inspect.Inspect(h.Data, o); err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		name := h.Name
		if h.User != "" {
			name += " of " + h.User
		}
		all.Fields = append(all.Fields, inspect.Field{Name: name, Value: node})
	}
	return all, nil
}
