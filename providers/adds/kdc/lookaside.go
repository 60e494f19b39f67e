package kdc

import (
	"crypto/sha256"
	"sync"
)

// maxLookaside bounds how many replies wait for their clients to come by TCP.
const maxLookaside = 512

// lookaside keeps the replies that were too long for a datagram: the client
// sends the same bytes by TCP, where they would be a replay. Each is given out
// once. When it is full the oldest go, and their clients start again.
type lookaside struct {
	mu    sync.Mutex
	reply map[[32]byte][]byte
	order [][32]byte // oldest first; may name replies that were given out
}

func (l *lookaside) put(message, reply []byte) {
	id := sha256.Sum256(message)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reply == nil {
		l.reply = map[[32]byte][]byte{}
	}
	if len(l.order) == maxLookaside {
		delete(l.reply, l.order[0])
		l.order = append(l.order[:0], l.order[1:]...)
	}
	l.reply[id], l.order = reply, append(l.order, id)
}

func (l *lookaside) take(message []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.reply) == 0 {
		return nil
	}
	id := sha256.Sum256(message)
	reply := l.reply[id]
	delete(l.reply, id)
	return reply
}
