// Package doors holds the test that keeps the house's doors shut: who may
// import whom (docs/architecture.md), and who may touch the world directly.
// It lives under cmd because cmd is the one place that wires rooms together.
package doors
