package view

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"hellolab/providers/wire/phone"
)

// Waiting is a sign-in that waits on a user's phone.
type Waiting struct {
	User string `json:"user"` // address
	phone.Notification
}

// Phones writes the sign-ins that wait on phones, one a line: whose, until
// when, by lab time now, for which application, and the id that tells it from
// others.
func Phones(w io.Writer, waiting []Waiting, now time.Time) error {
	var b strings.Builder
	width := 0
	for _, n := range waiting {
		width = max(width, utf8.RuneCountInString(Escape(n.User)))
	}
	for _, n := range waiting {
		left := max(0, n.Expires.Sub(now)).Round(time.Second)
		fmt.Fprintf(&b, "%s  %s left  application %s  %s\n", pad(Escape(n.User), width), pad(left.String(), 4), Escape(n.Application), Escape(n.ID))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
