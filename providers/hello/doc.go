// Package hello is the domain vocabulary of Windows Hello for Business and the
// decisions that follow from declarations alone: which flow runs (Select),
// which policy settings are in force for a user on a device (World.InForce),
// whether provisioning would start (Prerequisites), whether a PIN is
// acceptable (CheckPIN), and whether a lab can work at all (Validate).
//
// Everything is a pure function of values: no clock, no network, no store.
// A device calls these functions for what a Windows client decides, the
// planner for what a plan means. Services do not: what a wire check decides,
// the service decides by itself, so that a prediction and its execution are
// two independent things.
//
// Sources are named beside the tables: the product's public documentation
// (deployment planning, PassportForWork CSP and its DDF, dsregcmd and event
// references) and, where sources disagree or are silent, the project's
// readings (R1 and on, of docs/fidelity.md). "Ours" marks a choice of the lab.
package hello
