package main

import (
	"context"
	"flag"
	"slices"
	"strings"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/journal"
	"hellolab/engine/lab"
	"hellolab/providers/event"
	"hellolab/providers/windows/eventlog"
)

// eventsCommand shows a log of a device's Event Viewer. It reads the journal
// alone, so it works while a run writes, and after the lab is destroyed; only
// about a device that the journal does not know it asks the state.
type eventsCommand struct {
	stateFlags
	log  string
	json bool
}

// logs are the logs that -log may name. Windows writes to the AAD log in two
// channels: errors in one, the rest in the other.
var logs = []struct {
	name     string
	channels []eventlog.Channel
}{
	{"user-device-registration", []eventlog.Channel{eventlog.UserDeviceRegistration}},
	{"aad", []eventlog.Channel{eventlog.AAD, eventlog.AADAnalytic}},
	{"helloforbusiness", []eventlog.Channel{eventlog.HelloForBusiness}},
}

func (c *eventsCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.StringVar(&c.log, "log", logs[0].name, "`LOG` to show: "+strings.Join(logNames(), ", "))
	fs.BoolVar(&c.json, "json", false, "print the entries as JSON lines")
}

func (c *eventsCommand) run(ctx context.Context, s *session, args []string) error {
	if len(args) != 1 {
		return mistake("Usage: hellolab events DEVICE, such as hellolab events device.laptop", "A device is needed")
	}
	channels, err := channelsOf(c.log)
	if err != nil {
		return err
	}
	flows, err := journal.Flows(s.journalDir())
	if err != nil {
		return err
	}
	// What a check or a test does happens to a copy of the device.
	flows = slices.DeleteFunc(flows, func(f *journal.Flow) bool { return f.Operation() == "check" || f.Operation() == "test" })
	events, device := journal.Events(flows), args[0]
	records := eventlog.Records(events, device, channels...)
	if len(records) == 0 {
		if err := c.known(ctx, s, events, device); err != nil {
			return err
		}
	}
	switch {
	case c.json:
		for _, r := range records {
			if err := view.WriteJSON(s.out, r); err != nil {
				return err
			}
		}
		return nil
	case len(records) == 0:
		s.printf("%s has logged nothing in %s. It does when it registers, and when a user enrolls on it or signs in with a password: `hellolab apply` and `hellolab signin`.\n",
			view.Escape(device), channels[0])
		return nil
	}
	return view.Records(s.out, records, s.outStyle())
}

// known demands that the journal or the lab knows the device.
func (c *eventsCommand) known(ctx context.Context, s *session, events []event.Event, device string) error {
	if slices.ContainsFunc(events, func(e event.Event) bool { return e.Device == device }) {
		return nil
	}
	return s.look(ctx, &c.stateFlags, func(l *lab.Lab) error { return s.isA(l, device, "device") })
}

func logNames() (names []string) {
	for _, l := range logs {
		names = append(names, l.name)
	}
	return names
}

// channelsOf finds the channels of the log that -log names.
func channelsOf(name string) ([]eventlog.Channel, error) {
	names := logNames()
	if i := slices.Index(names, name); i >= 0 {
		return logs[i].channels, nil
	}
	return nil, mistake(didYouMean(name, names, "Use -log="+strings.Join(names, " or -log=")+"."), "There is no log %q", name)
}
