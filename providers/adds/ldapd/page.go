package ldapd

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"hellolab/providers/wire/ldapmsg"
)

// pagedResult is what is left of a result that a client takes in pages (RFC
// 2696). It is a snapshot: what changes meanwhile does not move entries across
// pages. Its cookie is good once, on its own connection, for the same search.
type pagedResult struct {
	server *Server
	cookie []byte
	key    string // of the search
	ops    [][]byte
	end    error // what the last page ends with
}

func (p *pagedResult) bytes() int {
	n := 0
	for _, op := range p.ops {
		n += len(op)
	}
	return n
}

// release gives the memory back.
func (p *pagedResult) release() { p.server.release(p.bytes()) }

// cookieSize is how long a cookie is, in random octets.
const cookieSize = 16

// firstPage answers the begin of what was gathered and keeps the rest. end is
// nil, or that there is more than the client's size limit.
func (c *conn) firstPage(paged *ldapmsg.Paged, key string, end error, done *outcome) error {
	p := &pagedResult{server: c.server, key: key, ops: done.ops, end: end}
	done.ops, done.reserved = nil, 0
	return c.page(p, paged.Size, done)
}

// nextPage answers the page that a cookie stands for.
func (c *conn) nextPage(paged *ldapmsg.Paged, key string, done *outcome) error {
	c.mu.Lock()
	i := slices.IndexFunc(c.pages, func(p *pagedResult) bool { return bytes.Equal(p.cookie, paged.Cookie) })
	var p *pagedResult
	if i >= 0 {
		p = c.pages[i]
		c.pages = slices.Delete(c.pages, i, i+1)
	}
	c.mu.Unlock()
	if p == nil {
		return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorInvalidParameter, "The cookie of the paged search is unknown, used or forgotten.")
	}
	if p.key != key {
		p.release()
		return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorInvalidParameter, "The cookie is of another search.")
	}
	if paged.Size == 0 { // the client gives the rest up
		p.release()
		control, err := ldapmsg.PagedResponse(0, nil)
		done.controls = append(done.controls, control)
		return err
	}
	return c.page(p, paged.Size, done)
}

// page moves up to size entries of p to the answer. What is left waits under a
// new cookie; too many of those, and the oldest is forgotten.
func (c *conn) page(p *pagedResult, size int, done *outcome) error {
	if size == 0 || size > c.server.limits.PageSize {
		size = c.server.limits.PageSize
	}
	size = min(size, len(p.ops))
	total := len(p.ops)
	done.ops, p.ops = p.ops[:size:size], p.ops[size:]
	for _, op := range done.ops {
		done.reserved += len(op)
	}
	done.Entries = size
	end := p.end
	var cookie []byte
	if len(p.ops) > 0 {
		end = nil
		cookie = make([]byte, cookieSize)
		if _, err := io.ReadFull(c.server.config.Rand, cookie); err != nil {
			p.release()
			return fmt.Errorf("make a cookie: %w", err)
		}
		p.cookie = cookie
		c.keep(p)
	}
	control, err := ldapmsg.PagedResponse(total, cookie)
	if err != nil {
		return err
	}
	done.controls = append(done.controls, control)
	return end
}

func (c *conn) keep(p *pagedResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages = append(c.pages, p)
	for len(c.pages) > c.server.limits.PagedResults {
		c.pages[0].release()
		c.pages = c.pages[1:]
	}
}
