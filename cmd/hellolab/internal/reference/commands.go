package reference

import (
	"strings"
)

// Command is one command as help tells of it.
type Command struct {
	Name     string // "state list"
	Usage    string // "hellolab state list [flags] [ADDRESS...]"
	Summary  string // a sentence without its period
	Detail   string // sentences in Markdown, or ""
	Flags    []Flag
	Exits    []Exit
	Examples []string // command lines
}

// Flag is one flag of a command.
type Flag struct {
	Name    string // "-out=FILE"
	Doc     string
	Default string // "" for none worth telling
}

// Exit is an exit code with its meaning.
type Exit struct {
	Code string
	When string
}

// Commands renders the commands, the table of all first.
func Commands(all []Command) string {
	var p page
	var rows [][]string
	for _, c := range all {
		anchor := strings.ReplaceAll(c.Name, " ", "-")
		rows = append(rows, []string{"[" + code(c.Name) + "](#" + anchor + ")", c.Summary + "."})
	}
	p.table([]string{"Command", "What it does"}, rows)
	for _, c := range all {
		p.line("\n### %s\n\n%s.", c.Name, c.Summary)
		if c.Detail != "" {
			p.line("%s", c.Detail)
		}
		p.line("\n    %s", c.Usage)
		p.flags(c.Flags)
		var exits [][]string
		for _, e := range c.Exits {
			exits = append(exits, []string{e.Code, e.When})
		}
		p.table([]string{"Exit", "When"}, exits)
		if len(c.Examples) > 0 {
			p.line("\nExamples:\n")
			for _, e := range c.Examples {
				p.line("    %s", e)
			}
		}
	}
	return p.String()
}

// Flags renders a table of flags.
func Flags(flags []Flag) string {
	var p page
	p.flags(flags)
	return p.String()
}

func (p *page) flags(flags []Flag) {
	var rows [][]string
	for _, f := range flags {
		value := ""
		if f.Default != "" {
			value = code(f.Default)
		}
		rows = append(rows, []string{code(f.Name), f.Doc, value})
	}
	p.table([]string{"Flag", "Meaning", "Default"}, rows)
}
