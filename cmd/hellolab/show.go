package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"syscall"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/impact"
	"hellolab/engine/jsonplan"
	"hellolab/engine/planfile"
	"hellolab/state"
)

// showCommand prints the state, or a plan file.
type showCommand struct {
	stateFlags
	json    bool
	concise bool
}

func (c *showCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON in the shape of terraform show")
	fs.BoolVar(&c.concise, "concise", false, "of a plan, one line a change")
}

func (c *showCommand) run(ctx context.Context, s *session, args []string) error {
	if len(args) == 1 {
		file, err := s.readPlan(&c.stateFlags, args[0])
		if err != nil {
			return err
		}
		if c.json {
			return view.CopyJSON(s.out, file.JSON)
		}
		if err := view.Plan(s.out, file.Plan, view.PlanOptions{Style: s.outStyle(), Registry: s.registry, Concise: c.concise}); err != nil {
			return err
		}
		return s.showImpact(file, c.concise)
	}
	snap, err := s.openRead(ctx, &c.stateFlags)
	if err != nil {
		return err
	}
	defer snap.Close()
	if c.json {
		data, err := jsonplan.MarshalState(snap, s.registry)
		if err != nil {
			return err
		}
		return view.CopyJSON(s.out, data)
	}
	objects, err := state.Objects(snap)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		s.printf("The state is empty.\n")
		return nil
	}
	for i, o := range objects {
		if i > 0 {
			s.printf("\n")
		}
		if err := s.showObject(o); err != nil {
			return err
		}
	}
	outs, err := readOutputs(snap)
	if err != nil || len(outs) == 0 {
		return err
	}
	s.printf("\nOutputs:\n\n")
	return view.Outputs(s.out, outs)
}

// showImpact prints what a plan file says of sign-ins, as when it was made: its
// preview, unless there was none, or nothing to tell.
func (s *session) showImpact(file *planfile.File, summary bool) error {
	var said struct {
		Impact *impact.Report `json:"hellolab_impact"`
	}
	if err := json.Unmarshal(file.JSON, &said); err != nil {
		return fmt.Errorf("impact in the plan file: %w", err)
	}
	r := said.Impact
	if r == nil || r.Differ == 0 && file.Plan.Empty() && r.At.Equal(r.Now) {
		return nil
	}
	return view.Impact(s.out, r, summary, s.outStyle())
}

// readPlan opens a plan file, which only the holder of the state's key can.
func (s *session) readPlan(f *stateFlags, name string) (*planfile.File, error) {
	// A pipe without a writer would block.
	file, err := os.OpenFile(s.path(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, mistake("Give the file that `hellolab plan -out` wrote.", "%s is no plan file", name)
	}
	o, err := s.stateOptions(f, "show")
	if err != nil {
		return nil, err
	}
	key, err := state.DeriveKey(o, planFilePurpose)
	if err != nil {
		return nil, err
	}
	return planfile.Read(file, info.Size(), key)
}
