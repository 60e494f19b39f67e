package identity

import (
	"context"
	"errors"

	"hellolab/providers"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
)

// container is where a lab's users and groups are made.
func container(c *adldap.Conn) string { return "CN=Users," + c.Base }

// named is the name of an object in the container.
func named(c *adldap.Conn, name string) (string, error) {
	dn, err := ldapmsg.ParseDN(container(c))
	return dn.Child("CN", name).String(), err
}

// gone makes "there is no such object" what the engine calls it.
func gone(err error) error {
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return providers.ErrGone
	}
	return err
}

// far returns the GUIDs in values that name objects.
func far(values [][]byte) (map[string]bool, error) {
	ids := map[string]bool{}
	for _, v := range values {
		_, id, err := adldap.SplitName(string(v))
		if err != nil {
			return nil, err
		}
		ids[id.String()] = true
	}
	return ids, nil
}

// setMemberships makes the memberships of one end what is declared: edge tells
// for the GUID of a far end which group and which member it is.
func setMemberships(ctx context.Context, env providers.Env, c *adldap.Conn, was, is []providers.Ref, edge func(id string) (group, member string)) error {
	return change(ctx, env, inDomain, was, is,
		func(_ context.Context, id string) error {
			group, member := edge(id)
			return c.AddValue(adldap.ByGUID(group), "member", adldap.ByGUID(member))
		},
		func(_ context.Context, id string) error {
			group, member := edge(id)
			err := c.RemoveValue(adldap.ByGUID(group), "member", adldap.ByGUID(member))
			if errors.Is(gone(err), providers.ErrGone) || adldap.IsCode(err, ldapmsg.ConstraintViolation) {
				return nil // an end is gone, and the membership with it
			}
			return err
		})
}
