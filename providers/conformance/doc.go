// Package conformance is what every kind of block must pass, and a lab in
// memory to test kinds in.
//
// Run holds a kind to the contract of package providers: creation that may be
// killed at any instant, Find and Read that tell the truth, no secret where it
// does not belong. NewEnv gives it, and the tests of systems, an Env: several
// kinds live in it together and meet on its network, as in a real lab, but
// without files, plan or engine.
package conformance
