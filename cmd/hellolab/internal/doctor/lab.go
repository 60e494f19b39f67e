package doctor

import (
	"errors"
	"fmt"
	"syscall"

	"hellolab/providers/entra"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/oauth"
)

func (x *examination) lab() {
	for _, sentence := range x.State {
		x.add(Warning, "state_files", "", "", "Run `chmod 600` on the files of .hellolab: they hold every secret of the lab.", "%s", sentence)
	}
	if off := x.Offset.Abs(); off > krb.Skew {
		where := "ahead of"
		if x.Offset < 0 {
			where = "behind"
		}
		s := Note
		if x.Served {
			s = Error
		}
		x.add(s, "clock_skew", "", code(krb.ErrSkew), "Serve with -clock=wall, which is a throwaway view of the lab at this machine's time.",
			"The lab's clock is %s %s this machine's, which clients outside the lab keep.", off, where)
	}
	if x.Outside != nil {
		x.outside(x.Outside)
	}
}

func (x *examination) outside(o *Outside) {
	var denied, taken []string
	for _, e := range o.Moved {
		name := fmt.Sprintf("%s port %d/%s", e.Host, e.Port, e.Protocol)
		if errors.Is(e.Err, syscall.EACCES) {
			denied = append(denied, name)
			continue
		}
		taken = append(taken, fmt.Sprintf("%s (%v)", name, e.Err))
	}
	if len(denied) > 0 {
		x.add(Warning, "port_denied", "", "", "On Linux `sysctl net.ipv4.ip_unprivileged_port_start=0` gives low ports to everyone; else clients go through the proxy, or to the port that is 10,000 higher.",
			"This user may not bind %s: %s.", plural(len(denied), "a port", "ports"), some(denied))
	}
	if len(taken) > 0 {
		x.add(Warning, "port_taken", "", "", "End the program that has it, or let clients go to the port that is 10,000 higher.", "Another has %s: %s.", plural(len(taken), "a port", "ports"), some(taken))
	}
	if len(o.Unnamed) > 0 {
		x.add(Note, "hosts_file", "", "", "Add the file hosts of `hellolab serve -export=DIR` to /etc/hosts, or let clients use the proxy.",
			"This machine does not find %s of the lab by name: %s.", plural(len(o.Unnamed), "a host", "hosts"), some(o.Unnamed))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func (x *examination) tenant(t *Tenant) {
	if t.Federation != nil {
		x.federatedWith(t.Addr, t.Federation)
	}
	for _, s := range t.Certificates {
		switch lifeOf(s.Certificate, x.Now, 10) {
		case early:
			x.add(Error, "tenant_certificate", t.Addr, "", "Look at the lab's clock.", "The certificate of the tenant's %s is not valid before %s.", s.Use, stamp(s.Certificate.NotBefore))
		case over:
			x.add(Error, "tenant_certificate", t.Addr, "", "`hellolab apply -replace="+t.Addr+"` makes the tenant anew.", "The certificate of the tenant's %s has expired on %s.", s.Use, stamp(s.Certificate.NotAfter))
		case ending:
			x.add(Warning, "tenant_certificate", t.Addr, "", "`hellolab apply -replace="+t.Addr+"` makes the tenant anew.", "The certificate of the tenant's %s expires on %s.", s.Use, stamp(s.Certificate.NotAfter))
		}
	}
}

// federatedWith judges what a tenant knows of its federation service.
func (x *examination) federatedWith(tenant string, f *entra.FederationState) {
	const again = "The tenant reads it once a day: `hellolab apply` or a serve does when it is due."
	switch {
	case f.Trouble != nil:
		x.add(Warning, "federation_metadata", tenant, "", "Check that the federation service is enabled and answers. A Hello sign-in does without it.",
			"The metadata of %s, with its token-signing certificates, cannot be read: %v. The tenant read it last on %s.", f.Service, f.Trouble, stamp(f.Refreshed))
	case f.Unknown:
		x.add(Error, "federation_certificate", tenant, oauth.AssertionInvalid.ID(), again,
			"%s signs by a certificate that the tenant does not know: its assertions are refused. The tenant read its metadata last on %s.", f.Service, stamp(f.Refreshed))
	case f.Stale(x.Now):
		x.add(Warning, "federation_metadata", tenant, "", again, "The tenant read the metadata of %s last on %s: it may not know a new token-signing certificate.", f.Service, stamp(f.Refreshed))
	}
}
