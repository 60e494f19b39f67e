package adds

import (
	"context"
	"errors"
	"strings"

	"hellolab/providers/adds/directory"
	"hellolab/providers/adds/ldapd"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
)

const attrDescriptor = "nTSecurityDescriptor"

// backend gives the LDAP server of one controller access to the directory.
type backend struct {
	*directory.Directory
	computer string // the controller's name
	writable string // host of a writable controller, when this one is read-only
}

// backend is the directory as a controller shows it.
func (s *service) backend(cfg *directory.Config, c directory.Controller) backend {
	b := backend{Directory: s.dir, computer: c.Name}
	if c.ReadOnly {
		b.writable = cfg.Host(cfg.Controllers[0].Name)
	}
	return b
}

// referral sends who would write at a read-only controller to a writable one
// (MS-ADTS 3.1.1.5.1.8).
func (b backend) referral() error {
	if b.writable == "" {
		return nil
	}
	e := ldapmsg.Errorf(ldapmsg.Referral, ldapmsg.ErrorReferral, "This controller is read-only.")
	e.Referral = []string{"ldap://" + b.writable + "/"}
	return e
}

// controls are those that the directory honours; pages are the server's.
var controls = []string{
	ldapmsg.ControlExtendedDN, ldapmsg.ControlTreeDelete, ldapmsg.ControlPermissiveModify, ldapmsg.ControlDomainScope, ldapmsg.ControlSearchOptions,
	ldapmsg.ControlLazyCommit, ldapmsg.ControlSDFlags, ldapmsg.ControlShowDeleted, ldapmsg.ControlShowRecycled,
	ldapmsg.ControlRODCPromotion,
}

// requester is who a session's operations are done for.
func requester(s *ldapd.Session) *directory.Requester {
	who := &directory.Requester{}
	if id, ok := s.Identity.(*identity); ok {
		copied := *id.who
		who = &copied
	}
	who.Sealed = s.Confidential
	if s.Peer != nil {
		who.From = s.Peer.String()
	}
	return who
}

func entry(e directory.Entry) *ldapd.Entry {
	out := &ldapd.Entry{DN: e.DN, Attributes: make([]ldapd.Attribute, len(e.Attributes))}
	for i, a := range e.Attributes {
		out.Attributes[i] = ldapd.Attribute{Name: a.Name, Values: a.Values, Operational: a.Operational}
	}
	return out
}

func (b backend) RootDSE(context.Context, *ldapd.Request) (*ldapd.Entry, error) {
	e, err := b.Directory.RootDSE(b.computer)
	return entry(e), err
}

func (b backend) Search(ctx context.Context, r *ldapd.Request, op *ldapmsg.Search, found func(*ldapd.Entry) error) error {
	return b.Directory.Search(ctx, requester(r.Session), op, r.Controls.ExtendedDN, func(e directory.Entry) error {
		if flags := r.Controls.SDFlags; flags != nil {
			if err := descriptorParts(e, *flags); err != nil {
				return err
			}
		}
		return found(entry(e))
	})
}

// descriptorParts leaves of security descriptors what a search asks for; no part is
// as all of them (MS-ADTS 3.1.1.3.4.1.11).
func descriptorParts(e directory.Entry, parts uint32) error {
	if parts == 0 {
		return nil
	}
	for i, a := range e.Attributes {
		if a.Name != attrDescriptor || len(a.Values) == 0 {
			continue
		}
		d, err := secdesc.Parse(a.Values[0])
		if err != nil {
			return err
		}
		some, err := d.MarshalParts(parts)
		if err != nil {
			return err
		}
		e.Attributes[i].Values = [][]byte{some}
	}
	return nil
}

func (b backend) Compare(ctx context.Context, r *ldapd.Request, op *ldapmsg.Compare) (bool, error) {
	return b.Directory.Compare(ctx, requester(r.Session), op)
}

func (b backend) Modify(ctx context.Context, r *ldapd.Request, op *ldapmsg.Modify) error {
	if err := b.referral(); err != nil {
		return err
	}
	if op.DN == "" {
		return b.Operate(ctx, requester(r.Session), b.computer, op)
	}
	if err := writesList(r, op.Changes); err != nil {
		return err
	}
	return b.Directory.Modify(ctx, requester(r.Session), op, r.Controls.PermissiveModify)
}

// writesList refuses to write parts of a security descriptor without its list: what
// the value has as its list would take the place of the one that is there.
func writesList(r *ldapd.Request, changes []ldapmsg.Change) error {
	flags := r.Controls.SDFlags
	if flags == nil || *flags == 0 || *flags&secdesc.PartList != 0 {
		return nil
	}
	for _, c := range changes {
		if strings.EqualFold(c.Description, attrDescriptor) {
			return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "Of a security descriptor the list is written, alone or with other parts; ask for it in the control.")
		}
	}
	return nil
}

func (b backend) Add(ctx context.Context, r *ldapd.Request, op *ldapmsg.Add) error {
	if err := b.referral(); err != nil {
		return err
	}
	add := b.Directory.Add
	if r.Controls.RODCPromotion {
		add = b.AddKrbtgt
	}
	return policyResult(add(ctx, requester(r.Session), op))
}

func (b backend) Delete(ctx context.Context, r *ldapd.Request, op *ldapmsg.Delete) error {
	if err := b.referral(); err != nil {
		return err
	}
	return b.Directory.Delete(ctx, requester(r.Session), op, r.Controls.TreeDelete)
}

func (b backend) ModifyDN(ctx context.Context, r *ldapd.Request, op *ldapmsg.ModifyDN) error {
	if err := b.referral(); err != nil {
		return err
	}
	return b.Directory.ModifyDN(ctx, requester(r.Session), op)
}

// policyResult makes a refusal of a password a result of LDAP.
func policyResult(err error) error {
	var policy *directory.PolicyError
	if errors.As(err, &policy) {
		return ldapmsg.Errorf(ldapmsg.ConstraintViolation, ldapmsg.ErrorPasswordRestriction, "%s", policy.Sentence)
	}
	return err
}
