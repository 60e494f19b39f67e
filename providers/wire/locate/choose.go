package locate

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"hellolab/providers/wire/netlogon"
)

// Name is the name whose SRV records tell of the controllers that q asks for:
// those of a site, or with "" those of the domain.
func Name(q Query, site string) string {
	kind, root := "dc", q.Domain
	switch {
	case q.Want.Has(netlogon.FlagGC):
		kind = "gc"
		if q.Forest != "" {
			root = q.Forest
		}
	case q.Want.Has(netlogon.FlagPDC):
		kind, site = "pdc", "" // there is one, and no site has records of it
	}
	if site != "" {
		site += "._sites."
	}
	return "_ldap._tcp." + site + kind + "._msdcs." + root
}

// Misfit says why a controller that answered is not what q asks for; "" when
// it is.
func Misfit(q Query, r *netlogon.Response) string {
	switch missing := q.Want &^ r.Flags; {
	case !strings.EqualFold(strings.TrimSuffix(q.Domain, "."), r.Domain):
		return fmt.Sprintf("is of %s", r.Domain)
	case missing != 0:
		return "is not " + flagNames(missing)
	case q.User != "" && r.Opcode != netlogon.OpResponse:
		return fmt.Sprintf("does not know %s", q.User)
	}
	return ""
}

func flagNames(f netlogon.Flags) string {
	var names []string
	for _, n := range []struct {
		flag netlogon.Flags
		name string
	}{
		{netlogon.FlagPDC, "the primary"}, {netlogon.FlagGC, "a global catalog"}, {netlogon.FlagKDC, "a KDC"}, {netlogon.FlagTimeServ, "a time server"},
		{netlogon.FlagGoodTimeServ, "a reliable time server"}, {netlogon.FlagClosest, "in the client's site"}, {netlogon.FlagWritable, "writable"},
		{netlogon.FlagFullSecrets, "holding all secrets"}, {netlogon.FlagWebService, "serving ADWS"}, {netlogon.FlagKeyList, "answering key list requests"},
	} {
		if f.Has(n.flag) {
			names, f = append(names, n.name), f&^n.flag
		}
	}
	if f != 0 {
		names = append(names, fmt.Sprintf("of flags 0x%x", uint32(f)))
	}
	return strings.Join(names, ", ")
}

// Choose picks the controller to use among those that answered, in the order in
// which they did: the first that fits and is closest, else the first that fits.
func Choose(q Query, answers []Controller) (best Controller, ok bool) {
	for _, a := range answers {
		if Misfit(q, &a.Ping) != "" {
			continue
		}
		if a.Ping.Flags.Has(netlogon.FlagClosest) {
			return a, true
		}
		if !ok {
			best, ok = a, true
		}
	}
	return best, ok
}

// Record is an SRV record.
type Record struct {
	Host             string
	Port             uint16
	Priority, Weight uint16
}

// Order returns records in the order in which they are to be tried: by
// priority, and at random within one, heavier ones rather first (RFC 2782). If
// rand fails, the order within a priority is that of the records.
func Order(records []Record, rand io.Reader) []Record {
	rest := append([]Record(nil), records...)
	out := make([]Record, 0, len(rest))
	for len(rest) > 0 {
		lowest, total := rest[0].Priority, uint64(0)
		for _, r := range rest {
			lowest = min(lowest, r.Priority)
		}
		for _, r := range rest {
			if r.Priority == lowest {
				total += uint64(r.Weight) + 1 // those of weight 0 have a small chance, too
			}
		}
		var draw [8]byte
		at := uint64(0)
		if _, err := io.ReadFull(rand, draw[:]); err == nil {
			at = binary.BigEndian.Uint64(draw[:]) % total
		}
		for i, r := range rest {
			if r.Priority != lowest {
				continue
			}
			if weight := uint64(r.Weight) + 1; at >= weight {
				at -= weight
				continue
			}
			out = append(out, r)
			rest = append(rest[:i], rest[i+1:]...)
			break
		}
	}
	return out
}
