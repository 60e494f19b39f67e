package hello

import (
	"fmt"
	"strconv"
	"strings"
)

// Build is a build of Windows, such as 19045.4291. A Revision of 0 where a
// device is meant stands for one with every update.
type Build struct {
	Number   int
	Revision int
}

func (b Build) String() string { return fmt.Sprintf("%d.%d", b.Number, b.Revision) }

// ParseBuild reads a build.
func ParseBuild(text string) (Build, bool) {
	number, revision, ok := strings.Cut(text, ".")
	n, err := strconv.ParseUint(number, 10, 16)
	r, err2 := strconv.ParseUint(revision, 10, 16)
	return Build{int(n), int(r)}, ok && err == nil && err2 == nil
}

// releases are the Windows releases of the lab.
var releases = map[string]Build{
	"windows-10-22h2": {Number: 19045},
	"windows-11-23h2": {Number: 22631},
	"windows-11-24h2": {Number: 26100},
}

// windows11 is where Windows 10 ends.
const windows11 = 22000

// atLeast reports whether a device's build is one of since, which holds the
// oldest build of each release, or newer. The builds of Windows 10 from 19041 on
// are one line with one revision.
func (b Build) atLeast(since []Build) bool {
	var of *Build // the release that b is, or comes after
	for i := range since {
		if s := &since[i]; s.Number <= b.Number && (of == nil || s.Number > of.Number) {
			of = s
		}
	}
	switch {
	case of == nil:
		return false
	case b.Revision == 0:
		return true
	case of.Number == b.Number || b.Number < windows11:
		return b.Revision >= of.Revision
	}
	return true
}
