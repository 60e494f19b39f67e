package graph

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"hellolab/providers/wire/guid"
)

// OnPremises is what an object has that Connect synchronizes from a domain.
// Connect writes it; nobody else may.
type OnPremises struct {
	SyncEnabled       *bool  `json:"onPremisesSyncEnabled,omitempty"`
	ImmutableID       string `json:"onPremisesImmutableId,omitempty"` // source anchor: base64 of the objectGUID, in Windows order
	SAMAccountName    string `json:"onPremisesSamAccountName,omitempty"`
	DomainName        string `json:"onPremisesDomainName,omitempty"` // DNS name
	DistinguishedName string `json:"onPremisesDistinguishedName,omitempty"`
	LastSync          string `json:"onPremisesLastSyncDateTime,omitempty"`

	// PasswordHash is the credential of package phs, never returned. Connect
	// hands it to a service of its own in the cloud; the member is the lab's.
	PasswordHash *PasswordHash `json:"onPremisesPasswordHash,omitempty"`
}

// Synced says whether the object is synchronized.
func (o OnPremises) Synced() bool { return o.SyncEnabled != nil && *o.SyncEnabled }

// PasswordHash is a password that Connect carries: not itself, but what tells
// whether a password is it.
type PasswordHash struct {
	Credential Password `json:"credentialData"`       // phs.Credential.Encode
	Changed    string   `json:"changeDate,omitempty"` // pwdLastSet
}

// SourceAnchor is the immutable id that Connect derives of an object of the
// domain: base64 of its objectGUID, in Windows order.
func SourceAnchor(object guid.GUID) string {
	w := object.Windows()
	return base64.StdEncoding.EncodeToString(w[:])
}

// Change is an object of a delta query: as it is now, or removed.
type Change[T any] struct {
	ID      string // of the object, also of one that is removed
	Removed bool
	Object  *T // nil when removed
}

// removal is what a delta query says of a removed object.
type removal struct {
	ID      string `json:"id"`
	Removed *struct {
		Reason string `json:"reason"` // "deleted"
	} `json:"@removed"`
}

// maxDeltaPages bounds how many pages of one delta query are followed.
const maxDeltaPages = 10_000

// Delta calls found for each object of a collection that changed since link,
// or, where link is empty, for each there is, and returns the link to ask with
// next time. An object may come again that was told of before, never the other
// way round. A link that is too old is an *Error of CodeResync: ask anew,
// without one.
func Delta[T any](ctx context.Context, c *Client, collection, link, selected string, found func(Change[T]) error) (next string, err error) {
	at := link
	if at == "" {
		at = "/" + collection + "/delta"
		if selected != "" {
			at += "?$select=" + url.QueryEscape(selected)
		}
	}
	for range maxDeltaPages {
		body, err := c.do(ctx, http.MethodGet, at, nil)
		if err != nil {
			return "", err
		}
		objects, err := Parse[Page[T]](body)
		if err != nil {
			return "", err
		}
		marks, err := Parse[Page[removal]](body)
		if err != nil {
			return "", err
		}
		for i := range objects.Value {
			change := Change[T]{ID: marks.Value[i].ID, Removed: marks.Value[i].Removed != nil}
			if !change.Removed {
				change.Object = &objects.Value[i]
			}
			if err := found(change); err != nil {
				return "", err
			}
		}
		if objects.NextLink == "" {
			return objects.DeltaLink, nil
		}
		at = objects.NextLink
	}
	return "", errors.New("the delta query does not end")
}

// IsResync says whether changes must be read anew, from the beginning.
func IsResync(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == CodeResync
}
