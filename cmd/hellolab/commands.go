package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"hellolab/cmd/hellolab/internal/view"
)

// command is one word of the command line: flags it registers, and what it
// does with the arguments left over.
type command interface {
	flags(*flag.FlagSet)
	run(ctx context.Context, s *session, args []string) error
}

// entry is a command's line in the table.
type entry struct {
	name    string // "state list" has two words
	args    string // "[PLANFILE]"
	summary string
	max     int // positional arguments at most; -1 for any number
	new     func() command
}

// commands returns the table, in the order help prints it.
func commands() []entry {
	return []entry{
		{"init", "[DIR]", "Begin a new lab folder, empty or from an example", 1, func() command { return &initCommand{} }},
		{"fmt", "[PATH...]", "Rewrite files in canonical style", -1, func() command { return &fmtCommand{} }},
		{"validate", "", "Check the files, touching nothing else", 0, func() command { return &validateCommand{} }},
		{"plan", "", "Show what would change, changing nothing", 0, func() command { return &planCommand{} }},
		{"apply", "[PLANFILE]", "Make the lab what the files, or a saved plan, say", 1, func() command { return &applyCommand{} }},
		{"destroy", "", "Take everything down", 0, func() command { return &applyCommand{planFlags: planFlags{destroy: true}} }},
		{"check", "[NAME...]", "Run the checks as real sign-ins on a throwaway view", -1, func() command { return &checkCommand{} }},
		{"test", "", "Run the test files, each on a lab of its own", 0, func() command { return &testCommand{} }},
		{"signin", "[USER] DEVICE", "Sign in for real", 2, func() command { return &signinCommand{} }},
		{"mfa list", "[USER]", "List the sign-ins that wait on users' phones", 1, func() command { return &mfaListCommand{} }},
		{"mfa approve", "USER NUMBER", "Approve a sign-in on a user's phone", 2, func() command { return &mfaAnswerCommand{} }},
		{"mfa deny", "USER", "Deny a sign-in on a user's phone", 1, func() command { return &mfaAnswerCommand{deny: true} }},
		{"mfa code", "USER", "Print the code that a user's authenticator app shows", 1, func() command { return &mfaCodeCommand{} }},
		{"pin change", "USER DEVICE", "Change a PIN by the old one", 2, func() command { return &pinChangeCommand{} }},
		{"pin reset", "USER DEVICE", "Reset a PIN that is forgotten", 2, func() command { return &pinResetCommand{} }},
		{"password change", "USER", "Change a user's password in the domain", 1, func() command { return &passwordChangeCommand{} }},
		{"revoke sessions", "USER", "End a user's sessions in the tenant", 1, func() command { return &revokeSessionsCommand{} }},
		{"revoke certificate", "THUMBPRINT", "Revoke a certificate at the authority that issued it", 1, func() command { return &revokeCertificateCommand{} }},
		{"serve", "", "Keep every service up on loopback for outside clients", 0, func() command { return &serveCommand{} }},
		{"run", "-- COMMAND [ARGUMENTS...]", "Serve the lab while one command runs", -1, func() command { return &runCommand{} }},
		{"env", "", "Print the variables that lead clients to the lab that is served", 0, func() command { return &envCommand{} }},
		{"status", "DEVICE", "Print a device's state as dsregcmd /status does", 1, func() command { return &statusCommand{} }},
		{"explain", "USER DEVICE", "Explain policy, flow and sign-ins of a user on a device", 2, func() command { return &explainCommand{} }},
		{"timeline", "", "Tell which sign-ins change by themselves, and when", 0, func() command { return &timelineCommand{} }},
		{"events", "DEVICE", "Print a device's event log as Get-WinEvent does", 1, func() command { return &eventsCommand{} }},
		{"keys", "[USER]", "List the keys that accounts may sign in with", 1, func() command { return &keysCommand{} }},
		{"keys revoke", "USER [DEVICE]", "Remove a registered key from a directory", 2, func() command { return &keysRevokeCommand{} }},
		{"inspect", "[FILE]", "Decode a token, ticket, certificate, key or message", 1, func() command { return &inspectCommand{} }},
		{"sync run", "[ADDRESS]", "Have a Connect server synchronize now", 1, func() command { return &syncRunCommand{} }},
		{"sync status", "[ADDRESS]", "Show when a Connect server synchronizes what", 1, func() command { return &syncStatusCommand{} }},
		{"trust rotate", "ADDRESS", "Give the Kerberos server object of a trust a new key", 1, func() command { return &trustRotateCommand{} }},
		{"clock", "", "Print the lab's time", 0, func() command { return &clockCommand{} }},
		{"clock advance", "DURATION|TIME", "Move the lab's clock forward and do what becomes due", 1, func() command { return &clockAdvanceCommand{} }},
		{"trace", "[ID]", "Show recorded flows, or one phase by phase", 1, func() command { return &traceCommand{} }},
		{"show", "[PLANFILE]", "Print the state, or a saved plan", 1, func() command { return &showCommand{} }},
		{"output", "[NAME]", "Print outputs of the last apply", 1, func() command { return &outputCommand{} }},
		{"graph", "", "Draw what depends on what", 0, func() command { return &graphCommand{} }},
		{"schema", "", "Print every block type with its attributes", 0, func() command { return &schemaCommand{} }},
		{"state list", "[ADDRESS...]", "List the objects of the state", -1, func() command { return &stateListCommand{} }},
		{"state show", "ADDRESS", "Print one object of the state", 1, func() command { return &stateShowCommand{} }},
		{"state mv", "FROM TO", "Give an object another address", 2, func() command { return &stateMvCommand{} }},
		{"state rm", "ADDRESS...", "Forget objects, leaving the lab as it is", -1, func() command { return &stateRmCommand{} }},
		{"state restore", "[BACKUP]", "Put a backup in the place of the state", 1, func() command { return &stateRestoreCommand{} }},
		{"doctor", "", "Say what would fail, and how to mend it", 0, func() command { return &doctorCommand{} }},
		{"version", "", "Print the version", 0, func() command { return &versionCommand{} }},
	}
}

// runsInHolder says whether a command runs in the process that holds the state,
// when that takes commands (serve). Such a command reaches the lab by
// session.act or session.look alone, and reads of its surroundings nothing but
// secrets.
func runsInHolder(name string) bool {
	return slices.Contains([]string{
		"signin",
		"mfa list", "mfa approve", "mfa deny", "mfa code",
		"pin change", "pin reset",
		"password change",
		"revoke sessions", "revoke certificate",
		"status",
		"env",
		"keys", "keys revoke",
		"sync run", "sync status",
		"clock", "clock advance",
		"trust rotate",
	}, name)
}

// run executes a command line and returns its exit code.
func run(ctx context.Context, s *session, args []string) int {
	err := dispatch(ctx, s, args)
	return s.report(err)
}

func dispatch(ctx context.Context, s *session, args []string) error {
	var help, version bool
	global := globalFlags(s, &help, &version)
	if err := global.Parse(args); err != nil {
		return usage("hellolab", global, err)
	}
	rest := global.Args()
	table := commands()
	switch {
	case version:
		rest = []string{"version"}
	case len(rest) == 0 || rest[0] == "help" && len(rest) == 1:
		printOverview(s, global, table)
		if help || len(rest) > 0 {
			return nil
		}
		return exitCode(exitError)
	case rest[0] == "help":
		rest, help = rest[1:], true
	}
	e, rest, err := lookup(table, rest)
	if err != nil {
		return err
	}
	c := e.new()
	fs := e.flagSet(c, s, &help)
	pos, err := parseInterspersed(fs, rest)
	if err != nil {
		return usage("hellolab "+e.name, fs, err)
	}
	if help {
		printUsage(s, e.describe())
		return nil
	}
	if e.max >= 0 && len(pos) > e.max {
		return mistake("Usage: "+e.usage(), "Too many arguments: %s", quoteAll(pos[e.max:]))
	}
	if s.log, err = s.logger(); err != nil {
		return err
	}
	s.systems = newSystems(s.log, s.rand)
	defer s.systems.Close()
	s.line = commandLine{name: e.name, flags: fs, args: pos}
	defer s.line.wipe()
	return c.run(ctx, s, pos)
}

// globalFlags are those that stand before the command.
func globalFlags(s *session, help, version *bool) *flag.FlagSet {
	fs := newFlagSet("hellolab")
	fs.StringVar(&s.dir, "chdir", "", "work in `DIR` instead of the current directory")
	fs.BoolVar(help, "help", false, "show this help, or that of a command")
	fs.BoolVar(help, "h", false, "")
	fs.BoolVar(version, "version", false, "the same as the command version")
	return fs
}

// flagSet is the flags of a command, with those that every command has.
func (e entry) flagSet(c command, s *session, help *bool) *flag.FlagSet {
	fs := newFlagSet(e.name)
	c.flags(fs)
	fs.BoolVar(help, "help", *help, "")
	fs.BoolVar(help, "h", *help, "")
	fs.BoolVar(&s.noColor, "no-color", false, "write without colour")
	return fs
}

// usage is the form of a command line.
func (e entry) usage() string {
	return strings.TrimSpace(fmt.Sprintf("hellolab %s [flags] %s", e.name, e.args))
}

// lookup finds the command that args begin with; of "state list" and "state"
// the longer wins.
func lookup(table []entry, args []string) (entry, []string, error) {
	var best entry
	words := 0
	for _, e := range table {
		name := strings.Fields(e.name)
		if len(name) > words && len(args) >= len(name) && slices.Equal(name, args[:len(name)]) {
			best, words = e, len(name)
		}
	}
	if words > 0 {
		return best, args[words:], nil
	}
	var names, group []string
	for _, e := range table {
		first, second, two := strings.Cut(e.name, " ")
		names = append(names, first)
		if two && first == args[0] {
			group = append(group, second)
		}
	}
	if len(group) > 0 {
		hint := "Its commands are: " + strings.Join(group, ", ") + "."
		if len(args) == 1 {
			return entry{}, nil, mistake(hint, "The command %q needs another word", args[0])
		}
		return entry{}, nil, mistake(didYouMean(args[1], group, hint), "Unknown command: %q", args[0]+" "+args[1])
	}
	return entry{}, nil, mistake(didYouMean(args[0], names, "`hellolab -help` lists the commands."), "Unknown command: %q", args[0])
}

// didYouMean names the known word nearest to what was written: a few letters
// off, or the only one that begins so. Else it falls back.
func didYouMean(given string, known []string, fallback string) string {
	best, distance := "", max(3, len(given)/4)
	var begins []string
	for _, k := range known {
		if d := levenshtein.Distance(given, k, nil); d < distance {
			best, distance = k, d
		}
		if strings.HasPrefix(k, given) {
			begins = append(begins, k)
		}
	}
	if best == "" && len(begins) == 1 {
		best = begins[0]
	}
	if best == "" {
		return fallback
	}
	return fmt.Sprintf("Did you mean %q? %s", best, fallback)
}

func newFlagSet(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(discard{})
	fs.Usage = func() {}
	return fs
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// parseInterspersed parses flags before, between and after the positional
// arguments, which it returns; "--" ends the flags.
func parseInterspersed(fs *flag.FlagSet, args []string) (positional []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		rest := fs.Args()
		if len(rest) == 0 {
			return positional, nil
		}
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			return append(positional, rest...), nil
		}
		positional = append(positional, rest[0])
		args = rest[1:]
	}
}

// usage turns an error of the flag package into a sentence with a hint.
func usage(name string, fs *flag.FlagSet, err error) error {
	const undefined = "flag provided but not defined: -"
	hint := fmt.Sprintf("`%s -help` lists the flags.", name)
	given, ok := strings.CutPrefix(err.Error(), undefined)
	if !ok {
		return mistake(hint, "%s", sentence(err))
	}
	var known []string
	fs.VisitAll(func(f *flag.Flag) { known = append(known, "-"+f.Name) })
	return mistake(didYouMean("-"+given, known, hint), "Unknown flag: -%s", given)
}

func printOverview(s *session, global *flag.FlagSet, table []entry) {
	s.printf("hellolab plans, applies and tries out Windows Hello for Business labs.\n\n")
	s.printf("Usage: hellolab [-chdir=DIR] COMMAND [flags] [arguments]\n\nCommands:\n")
	width := 0
	for _, e := range table {
		width = max(width, len(e.name))
	}
	for _, e := range table {
		s.printf("  %-*s  %s\n", width, e.name, e.summary)
	}
	s.printf("\nGlobal flags, before the command:\n")
	printFlags(s, flagsOf(global))
	s.printf("\n`hellolab COMMAND -help` tells more about one command.\n")
}

func quoteAll(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = view.Quote(a)
	}
	return strings.Join(out, " ")
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }
