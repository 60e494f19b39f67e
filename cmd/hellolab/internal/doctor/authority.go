package doctor

import (
	"slices"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/revocation"
)

func (x *examination) authority(a *Authority) {
	cert := a.Certificate
	switch lifeOf(cert, x.Now, 10) {
	case early:
		x.add(Error, "authority_early", a.Addr, code(krb.ErrInvalidCertificate), "Look at the lab's clock.", "The authority's own certificate is not valid before %s.", stamp(cert.NotBefore))
	case over:
		x.add(Error, "authority_expired", a.Addr, code(krb.ErrInvalidCertificate), "`hellolab apply -replace="+a.Addr+"` makes it anew; certificates are enrolled again.",
			"The authority's own certificate has expired on %s, and with it all that it issued.", stamp(cert.NotAfter))
	case ending:
		x.add(Warning, "authority_ending", a.Addr, "", "`hellolab apply -replace="+a.Addr+"` makes it anew; nothing it issues lasts longer than itself.", "The authority's own certificate expires on %s.", stamp(cert.NotAfter))
	}
	if i := slices.IndexFunc(x.Domains, func(d Domain) bool { return d.Addr == a.Domain }); i >= 0 && x.Domains[i].Trouble == nil {
		x.published(&x.Domains[i], a)
	}
	x.revocation(a)
	x.enrollment(a)
}

// published looks for the authority in the directory.
func (x *examination) published(d *Domain, a *Authority) {
	next := "`hellolab apply -replace=" + a.Addr + "` publishes it anew."
	at := x.Now
	if c := a.Certificate; at.Before(c.NotBefore) || at.After(c.NotAfter) { // told already
		at = c.NotBefore
	}
	if !d.rooted(a.Certificate, nil, at) {
		x.add(Error, "authority_unrooted", a.Addr, code(krb.ErrClientNotTrusted), next, "The authority leads to no root that %s publishes: certificates it issues do not sign in.", d.Addr)
	}
	switch {
	case slices.ContainsFunc(d.NTAuth, a.Certificate.Equal):
	case a.NTAuth:
		x.add(Error, "authority_not_ntauth", a.Addr, code(krb.ErrClientNotTrusted), "`hellolab apply` puts it back.", "The authority is not in the NTAuth store of %s: certificates it issues do not sign in.", d.Addr)
	default:
		x.add(Warning, "authority_not_ntauth", a.Addr, code(krb.ErrClientNotTrusted), "Set ntauth to true, and apply, if they are to.", "The authority is kept out of the NTAuth store of %s: certificates it issues do not sign in.", d.Addr)
	}
}

// refusal is the code for a certificate whose revocation is not known: of what
// the sources lack, the most telling decides.
func refusal(results ...*revocation.Result) string {
	for _, r := range results {
		if r.Cause > revocation.Unreachable {
			return code(krb.ErrRevocationUnknown)
		}
	}
	return code(krb.ErrRevocationUnavailable)
}

// revocation judges what a KDC learns of a certificate of the authority's: it
// asks the responder, then the lists, and one of them is enough.
func (x *examination) revocation(a *Authority) {
	lists, responder := a.Lists.Status != revocation.Unknown, a.OCSP && a.Responder.Status != revocation.Unknown
	s, met := Warning, ""
	if !lists && !responder {
		s, met = Error, refusal(&a.Lists)
		if a.OCSP {
			met = refusal(&a.Lists, &a.Responder)
		}
	}
	if !lists {
		x.add(s, "revocation_lists", a.Addr, met, "`hellolab apply` publishes lists that are due; see that the host of the authority answers, and its crl block.",
			"The authority's revocation lists are of no use: %s.", a.Lists.Cause)
	} else if !a.Overdue.IsZero() {
		x.add(Warning, "revocation_list_overdue", a.Addr, "", "`hellolab apply` publishes lists that are due.", "A revocation list should have been replaced on %s; it is good until %s.", stamp(a.Overdue), stamp(a.Lists.Until))
	}
	if a.Hidden {
		x.add(Error, "revocation_hidden", a.Addr, code(krb.ErrRevocationUnavailable), "Add \"dc\" to reachable_from of its crl block, and apply.",
			"Controllers do not reach its revocation lists and OCSP, and refuse sign-ins with certificates that it issued.")
	}
	if a.OCSP && !responder {
		x.add(s, "ocsp", a.Addr, met, "See that the host of the authority answers and its lists are in order; without OCSP (ocsp = false) certificates name the lists alone.",
			"The authority's OCSP responder is of no use: %s.", a.Responder.Cause)
	}
}

// enrollment judges the service where members of the domain enroll.
func (x *examination) enrollment(a *Authority) {
	switch {
	case a.Trouble != nil:
		x.add(Error, "enrollment_silent", a.Addr, "", "Look into HELLOLAB_LOG=debug for why.", "The enrollment service does not answer: %v.", a.Trouble)
	case a.Enrollment == nil:
	case lifeOf(a.Enrollment, x.Now, 1<<20) == over:
		x.add(Error, "enrollment_certificate", a.Addr, "", "`hellolab apply` renews it, and so does `hellolab serve`.", "The certificate of the enrollment service has expired on %s: nobody enrolls.", stamp(a.Enrollment.NotAfter))
	}
}
