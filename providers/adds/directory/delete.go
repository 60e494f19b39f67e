package directory

import (
	"context"
	"slices"
	"strings"

	"hellolab/providers/wire/ldapmsg"
)

// maxTree bounds how many objects one operation may delete or rename.
const maxTree = 10_000

// below returns the objects under one, and it, parents first. It refuses more
// than maxTree.
func (r reader) below(o *object) ([]*object, error) {
	p, err := pathOf(o.DN)
	if err != nil {
		return nil, err
	}
	var ids []string
	err = r.Scan(tableTree, string(p), func(_ string, id []byte) error {
		if len(ids) == maxTree {
			return ldapmsg.Errorf(ldapmsg.AdminLimitExceeded, ldapmsg.ErrorAdminLimitExceeded, "There are more than %d objects below %s.", maxTree, o.DN)
		}
		ids = append(ids, string(id))
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]*object, len(ids))
	for i, id := range ids {
		if out[i], err = r.object(id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Delete removes an object; with tree also what is below it.
func (d *Directory) Delete(ctx context.Context, who *Requester, op *ldapmsg.Delete, tree bool) error {
	return d.update(ctx, func(w writer) error {
		if who.Anonymous() {
			return ldapmsg.BindRequired()
		}
		o, err := w.resolve(op.DN)
		if err != nil {
			return err
		}
		if err := d.mayKeep(w.reader, who, o.DN, "You may not delete "+o.DN+"."); err != nil {
			return err
		}
		all, err := w.below(o)
		if err != nil {
			return err
		}
		if len(all) > 1 && !tree {
			return ldapmsg.Errorf(ldapmsg.NotAllowedOnNonLeaf, ldapmsg.ErrorCantOnNonLeaf, "There are objects below %s: delete them first, or the tree.", o.DN)
		}
		for _, o := range slices.Backward(all) {
			if o.first("isCriticalSystemObject") == "TRUE" {
				spared, err := d.spared(w.reader, o)
				if err != nil {
					return err
				}
				if !spared {
					return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "The domain needs %s.", o.DN)
				}
			}
			if err := w.erase(o); err != nil {
				return err
			}
		}
		return nil
	})
}

// ModifyDN renames an object, or moves it, with all that is below it.
func (d *Directory) ModifyDN(ctx context.Context, who *Requester, op *ldapmsg.ModifyDN) error {
	return d.update(ctx, func(w writer) error {
		if who.Anonymous() {
			return ldapmsg.BindRequired()
		}
		o, err := w.resolve(op.DN)
		if err != nil {
			return err
		}
		if !d.rights.mayManage(who) {
			return accessDenied("You may not rename %s.", o.DN)
		}
		if o.first("isCriticalSystemObject") == "TRUE" {
			return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "The domain needs %s where it is.", o.DN)
		}
		now, err := w.newName(d, o, op)
		if err != nil {
			return err
		}
		all, err := w.below(o)
		if err != nil {
			return err
		}
		for _, each := range all {
			if err := d.rename(w, each, o.DN, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// newName returns the name that a renaming asks for.
func (w writer) newName(d *Directory, o *object, op *ldapmsg.ModifyDN) (ldapmsg.DN, error) {
	was, err := ldapmsg.ParseDN(o.DN)
	if err != nil {
		return nil, err
	}
	rdn, err := ldapmsg.ParseDN(op.NewRDN)
	if err != nil || len(rdn) != 1 {
		return nil, badName(op.NewRDN)
	}
	if !op.DeleteOldRDN {
		return nil, ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "An object has one relative name: the old one goes.")
	}
	class := d.schema.Class(o.Classes[len(o.Classes)-1])
	if err := checkRDN(rdn[0], class); err != nil {
		return nil, err
	}
	under := was.Parent()
	if op.NewSuperior != nil {
		parent, err := w.resolve(*op.NewSuperior)
		if err != nil {
			return nil, err
		}
		if under, err = ldapmsg.ParseDN(parent.DN); err != nil {
			return nil, err
		}
		if under.Under(was) {
			return nil, ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "An object does not move below itself.")
		}
		if err := checkParent(class, d.schema.Class(parent.Classes[len(parent.Classes)-1])); err != nil {
			return nil, err
		}
	}
	now := append(ldapmsg.DN{rdn[0]}, under...)
	if other, err := w.atPath(pathOfDN(now)); err == nil && other.ID != o.ID {
		return nil, nameTaken(now.String())
	}
	return now, nil
}

// rename gives an object at or below the old name the one that follows.
func (d *Directory) rename(w writer, was *object, old string, now ldapmsg.DN) error {
	from, err := ldapmsg.ParseDN(old)
	if err != nil {
		return err
	}
	dn, err := ldapmsg.ParseDN(was.DN)
	if err != nil {
		return err
	}
	rest, _ := dn.Relative(from)
	o := was.clone()
	o.DN = append(rest, now...).String()
	if len(rest) == 0 {
		o.set(strings.ToLower(now[0][0].Type), now[0][0].Value)
		o.set("name", now[0][0].Value)
	}
	if err := d.touch(w, o); err != nil {
		return err
	}
	return w.store(was, o)
}

func nameTaken(dn string) error {
	return ldapmsg.Errorf(ldapmsg.EntryAlreadyExists, ldapmsg.ErrorObjectNameExists, "There is an object named %s.", clip(dn))
}

func checkRDN(rdn ldapmsg.RDN, class *Class) error {
	want := class.RDN
	if want == "" {
		want = "cn"
	}
	if len(rdn) != 1 || !strings.EqualFold(rdn[0].Type, want) || len(rdn[0].Value) > 255 {
		return ldapmsg.Errorf(ldapmsg.NamingViolation, ldapmsg.ErrorNamingViolation, "An object of class %s is named by one %s of up to 255 bytes.", class.Name, want)
	}
	return nil
}

func checkParent(class, parent *Class) error {
	if parent == nil || !containsFold(class.Parents, parent.Name) {
		return ldapmsg.Errorf(ldapmsg.NamingViolation, ldapmsg.ErrorNamingViolation, "An object of class %s does not stand there.", class.Name)
	}
	return nil
}
