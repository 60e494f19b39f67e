package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"hellolab/providers/windows/eventlog"
)

// Records writes entries of one device's log, oldest first, each with its
// fields below: lab time, number, level and sentence, as Get-WinEvent has them.
// Each channel is named above, with its place in Event Viewer; where there are
// several, each entry names its own.
// The last field is the id that `hellolab trace` takes.
func Records(w io.Writer, records []eventlog.Record, style Style) error {
	var b strings.Builder
	var channels []eventlog.Channel
	for _, r := range records {
		if !slices.Contains(channels, r.Channel) {
			channels = append(channels, r.Channel)
			fmt.Fprintf(&b, "%s on %s\n%s\n\n", style.paint(bold, Escape(string(r.Channel))), Escape(r.Device), Escape(r.Path))
		}
	}
	for _, r := range records {
		fmt.Fprintf(&b, "%s  %3d  %s  %s\n", r.At.UTC().Format("2006-01-02T15:04:05.000Z"), r.ID, level(r.Level, style), Escape(r.Message))
		line := func(name, value string) {
			if value != "" {
				fmt.Fprintf(&b, "    %s: %s\n", Escape(name), Escape(value))
			}
		}
		if len(channels) > 1 {
			line("LogName", string(r.Channel))
		}
		line("User", r.User)
		for _, f := range r.Data {
			line(f.Name, f.Value)
		}
		line("Correlation", r.Correlation)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func level(l eventlog.Level, style Style) string {
	text := pad(string(l), len(eventlog.Information))
	switch l {
	case eventlog.Error:
		return style.paint(red, text)
	case eventlog.Warning:
		return style.paint(yellow, text)
	}
	return text
}
