package hello

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// SignalRule is one rule of the trusted signal of multi-factor unlock: every
// signal in it must hold. Of several rules one must.
type SignalRule []Signal

// Signal is what a rule asks of the device's surroundings.
type Signal struct {
	Type       string // "bluetooth", "ipConfig", "wifi"
	Conditions []SignalCondition
}

// SignalCondition is one element of an ipConfig or wifi signal.
type SignalCondition struct {
	Name  string // "dnsSuffix", "ipv4Prefix", "ssid"
	Value string
}

// Bounds of signal rules (ours).
const (
	maxSignalText  = 64 << 10
	maxSignalDepth = 4 // rule, and, signal, condition
	maxSignals     = 256
)

// ParseSignalRules reads the Plugins of the CSP's DeviceUnlock and DynamicLock
// nodes: rule elements of schemaVersion 1.0, separated by commas, each with one
// signal, or several within an and element ("Multi-factor unlock", signal
// rules). It takes any input; an error is for the policy's author.
func ParseSignalRules(text string) ([]SignalRule, error) {
	if len(text) > maxSignalText {
		return nil, fmt.Errorf("they have %d bytes, more than %d", len(text), maxSignalText)
	}
	var rules []SignalRule
	var path []string // names of the elements that are open
	signals := 0
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && len(rules) == 0:
			return nil, errors.New("there is no rule element")
		case errors.Is(err, io.EOF):
			return rules, nil
		case err != nil:
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if path = append(path, t.Name.Local); len(path) > maxSignalDepth {
				return nil, errors.New("elements stand too deep in each other")
			}
			if t.Name.Local == "signal" {
				signals++
			}
			if signals > maxSignals {
				return nil, fmt.Errorf("there are more than %d signals", maxSignals)
			}
			if rules, err = startSignal(rules, path, t); err != nil {
				return nil, err
			}
		case xml.EndElement:
			if path = path[:len(path)-1]; t.Name.Local == "rule" && len(rules[len(rules)-1]) == 0 {
				return nil, errors.New("a rule has no signal")
			}
		case xml.CharData:
			if err := signalText(rules, path, string(t)); err != nil {
				return nil, err
			}
		}
	}
}

// startSignal takes the beginning of an element.
func startSignal(rules []SignalRule, path []string, t xml.StartElement) ([]SignalRule, error) {
	attribute := func(name string) string {
		i := slices.IndexFunc(t.Attr, func(a xml.Attr) bool { return a.Name.Local == name })
		if i < 0 {
			return ""
		}
		return t.Attr[i].Value
	}
	last := len(rules) - 1
	switch where := strings.Join(path, "/"); where {
	case "rule":
		if v := attribute("schemaVersion"); v != "1.0" {
			return nil, fmt.Errorf("schemaVersion of a rule is %q, and must be \"1.0\"", v)
		}
		return append(rules, SignalRule{}), nil
	case "rule/and":
	case "rule/signal", "rule/and/signal":
		kind := attribute("type")
		if !slices.Contains([]string{"bluetooth", "ipConfig", "wifi"}, kind) {
			return nil, fmt.Errorf("there is no signal of type %q", kind)
		}
		if where == "rule/signal" && len(rules[last]) > 0 {
			return nil, errors.New("several signals of a rule stand in an and element")
		}
		rules[last] = append(rules[last], Signal{Type: kind})
	default:
		inside := path[:len(path)-1]
		if parent := strings.Join(inside, "/"); parent != "rule/signal" && parent != "rule/and/signal" {
			return nil, fmt.Errorf("element %s stands where none of this name does", t.Name.Local)
		}
		s := &rules[last][len(rules[last])-1]
		s.Conditions = append(s.Conditions, SignalCondition{Name: t.Name.Local})
	}
	return rules, nil
}

// signalText takes text: that of a condition, or the comma between rules.
func signalText(rules []SignalRule, path []string, text string) error {
	text = strings.TrimSpace(text)
	switch {
	case text == "" || len(path) == 0 && text == ",":
		return nil
	case len(path) > 1 && path[len(path)-2] == "signal":
		r := rules[len(rules)-1]
		s := &r[len(r)-1]
		s.Conditions[len(s.Conditions)-1].Value += text
		return nil
	}
	return fmt.Errorf("text %.20q stands outside of a condition", text)
}

// known reports whether the lab has what the rule asks for: the DNS suffix of
// the network that a device is on.
func (r SignalRule) known() bool {
	return !slices.ContainsFunc(r, func(s Signal) bool {
		return s.Type != "ipConfig" || len(s.Conditions) == 0 || slices.ContainsFunc(s.Conditions, func(c SignalCondition) bool { return c.Name != "dnsSuffix" })
	})
}

// holds reports whether the rule holds on a network with a DNS suffix, "" for
// none.
func (r SignalRule) holds(suffix string) bool {
	if !r.known() || suffix == "" {
		return false
	}
	for _, s := range r {
		for _, c := range s.Conditions {
			if !strings.EqualFold(strings.Trim(c.Value, "."), suffix) {
				return false
			}
		}
	}
	return true
}

// SignalHolds reports whether a trusted signal of the policy in force is there
// for a user at a device: on the domain's network, whose DNS suffix is the
// domain's name, as its DHCP hands it out (ours).
func (w *World) SignalHolds(policy InForce, user, device string) bool {
	d, u := w.Devices[device], w.Users[user]
	rules, err := ParseSignalRules(policy.UnlockPlugins.Value)
	if d == nil || err != nil || !atController(d) {
		return false
	}
	home := d.In.Domain
	if home == "" && u != nil {
		home = u.In.Domain
	}
	domain := w.Domains[string(home)]
	if domain == nil {
		return false
	}
	return slices.ContainsFunc(rules, func(r SignalRule) bool { return r.holds(strings.ToLower(domain.In.DNSName)) })
}
