package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/web"
)

// deltaLife is how long a delta link is good: Graph's for directory objects.
const deltaLife = 7 * 24 * time.Hour

// deltaToken is where a delta query goes on. It is sealed: a peer hands it back
// unchanged, and can neither make one nor use one at another collection.
type deltaToken struct {
	Table   string   `json:"table"`
	Listing bool     `json:"listing,omitempty"` // all objects are being listed, in order of id
	After   string   `json:"after,omitempty"`   // the last id that was listed
	Since   uint64   `json:"since"`             // changes behind this one are new
	Select  []string `json:"select,omitempty"`
	Expires int64    `json:"exp"`
}

var errResync = &graph.Error{Code: graph.CodeResync, Status: http.StatusGone, Sentence: "The changes since then are not known any more. Ask again without a token."}

// maxSelect bounds the properties that a query names.
const maxSelect = 64

// delta answers what changed in a table, page by page; without a token all
// there is.
func delta[T, G any](s *server, w http.ResponseWriter, q graphRequest, table string, show func(*T) G) error {
	t, err := s.deltaFrom(q, table)
	if err != nil {
		return err
	}
	page := graph.Page[any]{Value: []any{}}
	more := false
	err = s.env.Section.View(func(r providers.Reader) error {
		more, err = t.follow(r, func(id string) error {
			v, err := get[T](r, table, id)
			if errors.Is(err, errNotFound) {
				page.Value = append(page.Value, map[string]any{"id": id, "@removed": map[string]string{"reason": "deleted"}})
				return nil
			}
			if err != nil {
				return err
			}
			shown, err := selected(show(v), t.Select)
			page.Value = append(page.Value, shown)
			return err
		})
		return err
	})
	if err != nil {
		return err
	}
	if q.sync && t.Table == tableUsers {
		s.sentKeys(q, page.Value)
	}
	if !more {
		t.Listing, t.After = false, ""
	}
	t.Expires = s.env.Now().Add(deltaLife).Unix()
	sealed, err := s.seal.Seal(purposeDelta, t)
	if err != nil {
		return err
	}
	link := url.URL{Scheme: "https", Host: s.hosts.graph, Path: q.URL.Path}
	if more {
		link.RawQuery = url.Values{"$skiptoken": {sealed}}.Encode()
		page.NextLink = link.String()
	} else {
		link.RawQuery = url.Values{"$deltatoken": {sealed}}.Encode()
		page.DeltaLink = link.String()
	}
	web.WriteJSON(w, http.StatusOK, page)
	return nil
}

// sentKeys tells which public keys Connect is sent.
func (s *server) sentKeys(q graphRequest, page []any) {
	for _, shown := range page {
		raw, err := json.Marshal(shown)
		var u graph.User
		if err != nil || json.Unmarshal(raw, &u) != nil {
			continue
		}
		for _, k := range u.HelloKeys {
			s.step(q.Context(), event.EntraID, event.Connect, "public_key_sent", "Entra ID sends Connect the public key that was registered.",
				map[string]any{"user": u.UserPrincipalName, "object_id": u.ID, "key_id": k.KeyIdentifier, "device_id": k.DeviceID})
		}
	}
}

// follow calls add for the next page of ids, and says whether there are more.
func (t *deltaToken) follow(r providers.Reader, add func(id string) error) (more bool, err error) {
	count, err := changesOf(r)
	switch {
	case err != nil:
		return false, err
	case !t.Listing && t.Since < count.Floor:
		return false, errResync
	case t.Listing && t.After == "":
		t.Since = count.Last
	}
	left := maxPageSize
	next := func(id string) error {
		if left == 0 {
			return errEnough
		}
		left--
		return add(id)
	}
	if t.Listing {
		err = r.Scan(t.Table, "", func(id string, _ []byte) error {
			if id <= t.After {
				return nil
			}
			err := next(id)
			if err == nil {
				t.After = id
			}
			return err
		})
	} else {
		err = r.Scan(tableChanges, "", func(key string, raw []byte) error {
			if key <= sequenceKey(t.Since) {
				return nil
			}
			var c changeRecord
			if err := json.Unmarshal(raw, &c); err != nil {
				return fmt.Errorf("log of changes: %w", err)
			}
			if c.Table == t.Table {
				if err := next(c.ID); err != nil {
					return err
				}
			}
			t.Since, err = sequenceOf(key)
			return err
		})
	}
	if errors.Is(err, errEnough) {
		return true, nil
	}
	return false, err
}

// deltaFrom reads where a query begins: at its token, or with everything.
func (s *server) deltaFrom(q graphRequest, table string) (*deltaToken, error) {
	query := q.URL.Query()
	text := query.Get("$skiptoken") + query.Get("$deltatoken")
	if text == "" {
		t := &deltaToken{Table: table, Listing: true}
		for _, name := range strings.Split(query.Get("$select"), ",") {
			if name = strings.TrimSpace(name); name != "" {
				t.Select = append(t.Select, name)
			}
		}
		if len(t.Select) > maxSelect {
			return nil, graphBad("$select names more than %d properties.", maxSelect)
		}
		return t, nil
	}
	var t deltaToken
	if s.seal.Open(purposeDelta, text, &t) != nil || t.Table != table {
		return nil, graphBad("The token is not one of this collection's.")
	}
	if s.env.Now().Unix() >= t.Expires {
		return nil, errResync
	}
	return &t, nil
}

// selected leaves of an object its id and the properties that are named; all
// when none is.
func selected(v any, names []string) (any, error) {
	if len(names) == 0 {
		return v, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	for name := range all {
		if name != "id" && !slices.Contains(names, name) {
			delete(all, name)
		}
	}
	return all, nil
}
