package directory

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/sid"
)

// RemoveKey takes the key credentials with an identifier from an account, as a
// controller does by itself: nobody's rights are asked. who is told of in the
// journal. A key, or an account, that is not there is no error.
func (d *Directory) RemoveKey(ctx context.Context, who *Requester, account sid.SID, keyID []byte) error {
	const name = "msDS-KeyCredentialLink"
	return d.journaled(ctx, who, func(w writer, log *journal) error {
		was, err := w.bySID(account)
		if errors.Is(err, errNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		o, a := was.clone(), d.schema.Attribute(name)
		held, err := w.held(o, a)
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Clone(held), func(v value) bool {
			k, err := keycred.Parse(v.stored)
			return err == nil && bytes.Equal(k.ID, keyID)
		})
		if len(left) == len(held) {
			return nil
		}
		if err := w.hold(o, a, held, left); err != nil {
			return err
		}
		log.keys(o, held, left)
		if err := d.touch(w, o); err != nil {
			return err
		}
		return w.store(was, o)
	})
}
