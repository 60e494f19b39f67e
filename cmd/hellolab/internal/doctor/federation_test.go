package doctor

import (
	"testing"
	"time"

	"hellolab/providers/wire/adfs"
)

// Fault 89: a rollover is warned of.
func TestFederation(t *testing.T) {
	good := func() Federation {
		return Federation{Addr: "federation.sts", Registers: true,
			Status: &adfs.Status{Signing: []adfs.Certificate{{Thumbprint: "AA"}}, Agent: &adfs.Certificate{Thumbprint: "BB", NotAfter: now.Add(90 * 24 * time.Hour)}}}
	}
	for _, tt := range []struct {
		name   string
		change func(*Federation)
		rule   string
		is     Severity
	}{
		{"nothing", func(*Federation) {}, "", ""},
		{"stopped", func(f *Federation) { f.Stopped = true }, "federation_stopped", Warning},
		{"unreachable", func(f *Federation) { f.Trouble, f.Status = "no", nil }, "federation_unreachable", Error},
		{"overlap", func(f *Federation) {
			f.Status.Signing = append(f.Status.Signing, adfs.Certificate{Thumbprint: "00", Published: now.Add(time.Hour)})
		}, "federation_rollover", Warning},
		{"no agent", func(f *Federation) { f.Status.Agent = nil }, "federation_agent", Error},
		{"no agent, with a reason", func(f *Federation) { f.Status.Agent, f.Status.AgentError = nil, "denied" }, "federation_agent", Error},
		{"no agent wanted", func(f *Federation) { f.Status.Agent, f.Registers = nil, false }, "", ""},
		{"agent ends", func(f *Federation) { f.Status.Agent.NotAfter = now.Add(60 * 24 * time.Hour) }, "federation_agent", Warning},
		{"agent is revoked", func(f *Federation) { f.Status.Agent.Revoked = true }, "federation_agent", Error},
		{"agent is over, with a reason", func(f *Federation) { f.Status.Agent.NotAfter, f.Status.AgentError = now, "denied." }, "federation_agent", Error},
		{"agent is over", func(f *Federation) { f.Status.Agent.NotAfter = now }, "federation_agent", Error},
	} {
		f := good()
		tt.change(&f)
		found := Examine(&Facts{Now: now, Federations: []Federation{f}})
		if tt.rule == "" && len(found) > 0 || tt.rule != "" && (len(found) != 1 || found[0].Rule != tt.rule || found[0].Severity != tt.is) {
			t.Errorf("%s: %+v", tt.name, found)
		}
	}
}
