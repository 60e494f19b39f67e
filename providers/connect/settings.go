package connect

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/member"
)

// The server's section of the store.
const (
	tableServer = "server" // keySettings → settings, keySchedule → schedule
	tableJoined = "joined" // objectGUID in the domain → joined
	tableTenant = "tenant" // view "/" object id in the tenant → seen
	tableLinks  = "links"  // view → link of the next delta query

	keySettings = "settings"
	keySchedule = "schedule"
)

// settings are how the server is set up.
type settings struct {
	In        spec.Sync      `json:"in"` // as declared
	Account   member.Account `json:"account"`
	SID       string         `json:"sid"` // of the account
	DNSName   string         `json:"dns_name"`
	NetBIOS   string         `json:"netbios"`
	DomainSID string         `json:"domain_sid"`
	Tenant    graph.Tenant   `json:"tenant"` // with the server's own client
	AppID     string         `json:"app_id"` // object id of that client
	Secret    string         `json:"secret"` // of the server's administrator
	Ready     bool           `json:"ready"`  // set up to the end
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (s *settings) store(ctx context.Context, env providers.Env) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("settings of Entra Connect: %w", err)
	}
	return env.Section.Update(ctx, func(w providers.Writer) error { return w.Put(tableServer, keySettings, data) })
}

func loadSettings(env providers.Env) (*settings, error) {
	var s settings
	ok, err := load(env, tableServer, keySettings, &s)
	if err == nil && !ok {
		err = providers.ErrGone
	}
	if err != nil {
		return nil, err
	}
	return &s, nil
}

func load(env providers.Env, table, key string, v any) (ok bool, err error) {
	var raw []byte
	err = env.Section.View(func(r providers.Reader) (err error) {
		raw, ok, err = r.Get(table, key)
		return err
	})
	if err != nil || !ok {
		return false, err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return false, fmt.Errorf("decode %s: %w", table, err)
	}
	return true, nil
}

func put(w providers.Writer, table, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", table, err)
	}
	return w.Put(table, key, raw)
}

// all reads a whole table.
func all[T any](r providers.Reader, table string) (map[string]*T, error) {
	out := map[string]*T{}
	err := r.Scan(table, "", func(key string, raw []byte) error {
		v := new(T)
		out[key] = v
		if err := json.Unmarshal(raw, v); err != nil {
			return fmt.Errorf("decode %s: %w", table, err)
		}
		return nil
	})
	return out, err
}
