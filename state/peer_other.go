//go:build unix && !linux

package state

import "net"

// samePeer relies on the socket's mode and its folder's where the kernel's
// word is not portable.
func samePeer(*net.UnixConn) error { return nil }
