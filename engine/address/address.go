// Package address keeps the loopback address that each host of a lab has for
// life: where `serve` binds its ports, and what the lab's own DNS answers.
// Whoever asks first has it assigned, on a throwaway view, too, where it is
// most likely the one that the lab will have.
package address

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hellolab/state"
)

// keyHosts begins the keys of BucketLab that hold addresses, before the host's
// name in lower case. The value is the address as text.
const keyHosts = "hosts/"

// The pool is 127.A.B.C with A and C from 1 to 254: 127.0/16 is what systems
// use themselves (localhost, Debian's host name, systemd's resolver).
const (
	octets = 254
	pool   = octets * 256 * octets
)

// Assign returns the loopback address of each host, by its name in lower case.
// One is assigned when a host is first named, from a hash of the name, so that
// it is most likely the same in every lab; where that is taken, the next free
// one. It is kept in the view for life: hosts files and caches of clients stay
// true.
func Assign(ctx context.Context, view state.View, hosts ...string) (map[string]netip.Addr, error) {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = strings.ToLower(h)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	out := make(map[string]netip.Addr, len(names))
	missing := false
	err := view.Read(func(r state.Reader) error {
		for _, name := range names {
			value, ok, err := r.Get(state.BucketLab, keyHosts+name)
			if err != nil {
				return err
			}
			if !ok {
				missing = true
				continue
			}
			if out[name], err = parse(name, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !missing {
		return out, err
	}
	err = view.Commit(ctx, func(w state.Writer) error {
		known, err := assigned(w)
		if err != nil {
			return err
		}
		taken := make(map[netip.Addr]bool, len(known))
		for _, a := range known {
			taken[a] = true
		}
		for _, name := range names {
			if out[name] = known[name]; out[name].IsValid() {
				continue
			}
			a, err := free(name, taken)
			if err != nil {
				return err
			}
			taken[a], out[name] = true, a
			if err := w.Put(state.BucketLab, keyHosts+name, []byte(a.String())); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func assigned(r state.Reader) (map[string]netip.Addr, error) {
	known := map[string]netip.Addr{}
	err := r.Scan(state.BucketLab, keyHosts, func(key string, value []byte) (err error) {
		name := strings.TrimPrefix(key, keyHosts)
		known[name], err = parse(name, value)
		return err
	})
	return known, err
}

func parse(host string, stored []byte) (netip.Addr, error) {
	a, err := netip.ParseAddr(string(stored))
	if err != nil || !a.IsLoopback() {
		return netip.Addr{}, fmt.Errorf("state: the address of host %q is %q, not one of loopback", host, stored)
	}
	return a, nil
}

// free returns the first address that is not taken, from the name's own on.
func free(name string, taken map[netip.Addr]bool) (netip.Addr, error) {
	sum := sha256.Sum256([]byte(name))
	start := binary.BigEndian.Uint64(sum[:8]) % pool
	for n := range uint64(pool) {
		if a := nth((start + n) % pool); !taken[a] {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no loopback address is left for %s", name)
}

func nth(i uint64) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + i/(256*octets)), byte(i / octets % 256), byte(1 + i%octets)})
}
