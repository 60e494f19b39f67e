package main

import (
	"testing"
	"time"
)

// BenchmarkTimeline is the timeline of the large company of BenchmarkImpact, over
// 90 days in which each account ends at a time of its own. The promise is under 10 s.
func BenchmarkTimeline(b *testing.B) {
	s := newSystems(nil, nil)
	defer s.Close()
	w := company(b, s, false)
	facts := companyFacts(w)
	n := 0
	for _, a := range facts.Accounts {
		n++
		a.AccountExpires = facts.Now.Add(time.Duration(n%60)*24*time.Hour + time.Duration(n)*time.Minute)
	}
	for b.Loop() {
		began := time.Now()
		t := timelineOf(w, facts, facts.Now.Add(90*24*time.Hour))
		b.ReportMetric(time.Since(began).Seconds(), "s/timeline")
		b.ReportMetric(float64(len(t.Events)), "events")
		if t.Changed != 1500 {
			b.Fatalf("%d enrollments change", t.Changed)
		}
	}
}
