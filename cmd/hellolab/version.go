package main

import (
	"context"
	"flag"
	"runtime"
	"runtime/debug"

	"hellolab/cmd/hellolab/internal/view"
)

// version is the release; the linker may set it.
var version = "0.1.0-dev"

// programName names this build where files record who wrote them.
func programName() string { return "hellolab " + version }

type versionCommand struct{ json bool }

func (c *versionCommand) flags(fs *flag.FlagSet) {
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

// versionInfo is the JSON of the version command.
type versionInfo struct {
	Version  string `json:"hellolab_version"`
	Platform string `json:"platform"`
	Go       string `json:"go_version"`
	Revision string `json:"revision,omitempty"`
}

func (c *versionCommand) run(_ context.Context, s *session, _ []string) error {
	info := versionInfo{
		Version:  version,
		Platform: runtime.GOOS + "_" + runtime.GOARCH,
		Go:       runtime.Version(),
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, kv := range build.Settings {
			if kv.Key == "vcs.revision" {
				info.Revision = kv.Value
			}
		}
	}
	if c.json {
		return view.WriteIndentedJSON(s.out, info)
	}
	s.printf("hellolab %s on %s (%s)\n", info.Version, info.Platform, info.Go)
	return nil
}
