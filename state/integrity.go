package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// This file reads a bbolt file without bbolt, through bounded reads, before
// bbolt maps it: bbolt trusts its pages, so a damaged one makes it panic, fault
// or walk in circles. What passes here is a tree bbolt can walk, whose
// records are exactly those of the last commit. docs/adr/0003 gives the reasons.
//
// Layout (bbolt 1.4 and later, file version 2, integers in native order):
//
//	page     0 id u64 | 8 flags u16 | 10 count u16 | 12 overflow u32 | 16 elements
//	branch   0 pos u32 | 4 ksize u32 | 8 page u64          pos counts from the element
//	leaf     0 flags u32 | 4 pos u32 | 8 ksize u32 | 12 vsize u32
//	meta     16 magic u32 | 20 version u32 | 24 page size u32 | 28 flags u32 | 32 root u64 |
//	         40 sequence u64 | 48 freelist u64 | 56 pages u64 | 64 txid u64 | 72 FNV-1a of 16..72
//	bucket   0 root u64 | 8 sequence u64 | 16 inline page when root is 0
const (
	pageSize       = 4096 // on every system, so that files move between them
	pageHeader     = 16
	branchElement  = 16
	leafElement    = 16
	bucketHeader   = 16
	flagBranch     = 0x01
	flagLeaf       = 0x02
	flagBucket     = 0x01
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	noFreelist     = ^uint64(0)
	maxDepth       = 32
	maxPageRun     = 1 << 16 // pages of one node: 256 MiB
	minFileSize    = 4 * pageSize
	maxMetaEntries = 16
)

var order = binary.NativeEndian

// boltMeta is a valid meta page.
type boltMeta struct {
	root     uint64
	freelist uint64
	pages    uint64 // high water mark: pages below it are in use or free
	txid     uint64
}

func parseMeta(b []byte) (boltMeta, bool) {
	if len(b) < 80 || order.Uint32(b[16:]) != boltMagic || order.Uint32(b[20:]) != boltVersion {
		return boltMeta{}, false
	}
	h := fnv.New64a()
	h.Write(b[16:72])
	if order.Uint64(b[72:]) != h.Sum64() || order.Uint32(b[24:]) != pageSize {
		return boltMeta{}, false
	}
	return boltMeta{
		root:     order.Uint64(b[32:]),
		freelist: order.Uint64(b[48:]),
		pages:    order.Uint64(b[56:]),
		txid:     order.Uint64(b[64:]),
	}, true
}

// walk is one pass over all reachable pages of a file.
type walk struct {
	r     io.ReaderAt
	pages uint64
	seen  []uint64 // bit per page
	// leaf is called for each entry, in key order, with slices valid during the call.
	leaf func(bucket, key, value []byte) error
	free [][]byte // page buffers for reuse
}

// readMeta finds the meta page bbolt will use. torn says that the other one is
// not valid.
func readMeta(r io.ReaderAt, size int64) (m boltMeta, torn bool, err error) {
	if size < minFileSize {
		return m, false, fmt.Errorf("it is cut to %d bytes", size)
	}
	var b [2 * pageSize]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return m, false, fmt.Errorf("its first pages cannot be read: %w", err)
	}
	m0, ok0 := parseMeta(b[:pageSize])
	m1, ok1 := parseMeta(b[pageSize:])
	switch {
	case !ok0 && !ok1:
		return m, false, fmt.Errorf("both of its headers are invalid")
	case !ok1 || ok0 && m0.txid > m1.txid:
		m = m0
	default:
		m = m1
	}
	if m.freelist != noFreelist {
		return m, false, fmt.Errorf("another program wrote it")
	}
	if m.pages > uint64(size)/pageSize {
		return m, false, fmt.Errorf("it is cut to %d bytes, and had %d", size, m.pages*pageSize)
	}
	return m, !ok0 || !ok1, nil
}

// walkRecords checks all pages in use and calls leaf for every entry.
func walkRecords(r io.ReaderAt, m boltMeta, leaf func(bucket, key, value []byte) error) error {
	w := &walk{r: r, pages: m.pages, seen: make([]uint64, m.pages/64+1), leaf: leaf}
	return w.page(m.root, nil, nil, nil, 0)
}

// page walks the node at id, whose keys must lie in [low, high), as part of bucket.
func (w *walk) page(id uint64, bucket, low, high []byte, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d is nested too deep", id)
	}
	if id < 2 || id >= w.pages {
		return fmt.Errorf("page %d does not exist", id)
	}
	buf, err := w.read(id)
	if err != nil {
		return err
	}
	defer func() { w.free = append(w.free, buf) }()
	return w.node(id, buf, bucket, low, high, depth)
}

// read returns the whole node at id and marks its pages.
func (w *walk) read(id uint64) ([]byte, error) {
	var buf []byte
	if n := len(w.free); n > 0 {
		buf, w.free = w.free[n-1], w.free[:n-1]
	} else {
		buf = make([]byte, pageSize)
	}
	buf = buf[:pageSize]
	if _, err := w.r.ReadAt(buf, int64(id)*pageSize); err != nil {
		return nil, fmt.Errorf("page %d cannot be read: %w", id, err)
	}
	if got := order.Uint64(buf); got != id {
		return nil, fmt.Errorf("page %d calls itself %d", id, got)
	}
	run := uint64(order.Uint32(buf[12:])) + 1
	if run > maxPageRun || id+run > w.pages {
		return nil, fmt.Errorf("page %d claims %d pages", id, run)
	}
	for i := id; i < id+run; i++ {
		if w.seen[i/64]&(1<<(i%64)) != 0 {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		w.seen[i/64] |= 1 << (i % 64)
	}
	if run == 1 {
		return buf, nil
	}
	if need := int(run * pageSize); cap(buf) < need {
		buf = append(buf, make([]byte, need-len(buf))...)
	} else {
		buf = buf[:need]
	}
	if _, err := w.r.ReadAt(buf[pageSize:], int64(id+1)*pageSize); err != nil {
		return nil, fmt.Errorf("page %d cannot be read: %w", id+1, err)
	}
	return buf, nil
}

func (w *walk) node(id uint64, b, bucket, low, high []byte, depth int) error {
	count := int(order.Uint16(b[10:]))
	switch flags := order.Uint16(b[8:]); flags {
	case flagLeaf:
		return w.leafNode(id, b, count, bucket, low, high, depth)
	case flagBranch:
		return w.branchNode(id, b, count, bucket, low, high, depth)
	default:
		return fmt.Errorf("page %d has type %#x", id, flags)
	}
}

func (w *walk) branchNode(id uint64, b []byte, count int, bucket, low, high []byte, depth int) error {
	if count == 0 {
		return fmt.Errorf("page %d is an empty branch", id)
	}
	key, err := w.keys(id, b, count, branchElement, 0, low, high)
	if err != nil {
		return err
	}
	for i := range count {
		upper := high
		if i+1 < count {
			upper = key(i + 1)
		}
		child := order.Uint64(b[pageHeader+i*branchElement+8:])
		if err := w.page(child, bucket, key(i), upper, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) leafNode(id uint64, b []byte, count int, bucket, low, high []byte, depth int) error {
	if count == 0 && low != nil {
		return fmt.Errorf("page %d is an empty leaf", id)
	}
	key, err := w.keys(id, b, count, leafElement, 4, low, high)
	if err != nil {
		return err
	}
	for i := range count {
		e := pageHeader + i*leafElement
		at := uint64(e) + uint64(order.Uint32(b[e+4:])) + uint64(order.Uint32(b[e+8:]))
		n := uint64(order.Uint32(b[e+12:]))
		if at+n > uint64(len(b)) {
			return fmt.Errorf("page %d has a value outside of it", id)
		}
		value := b[at : at+n : at+n]
		switch flags := order.Uint32(b[e:]); {
		case flags == flagBucket && bucket == nil:
			if err := w.bucket(id, key(i), value, depth); err != nil {
				return err
			}
		case flags == 0 && bucket != nil:
			if err := w.leaf(bucket, key(i), value); err != nil {
				return err
			}
		default:
			return fmt.Errorf("page %d has an entry with flags %#x", id, flags)
		}
	}
	return nil
}

// bucket walks a bucket given by its entry in the root.
func (w *walk) bucket(id uint64, name, value []byte, depth int) error {
	if !bytes.Equal(name, bucketMeta) && !bytes.Equal(name, bucketRecords) {
		return fmt.Errorf("page %d has a bucket %q", id, name)
	}
	if len(value) < bucketHeader {
		return fmt.Errorf("page %d has a bucket of %d bytes", id, len(value))
	}
	if root := order.Uint64(value); root != 0 {
		return w.page(root, name, nil, nil, depth+1)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != flagLeaf {
		return fmt.Errorf("page %d has a bucket without a page", id)
	}
	return w.leafNode(id, inline, int(order.Uint16(inline[10:])), name, nil, nil, depth+1)
}

// keys checks that the keys of a node lie inside it, rise, and are in
// [low, high); it returns a function from index to key. posAt is the offset of
// pos in an element; the key's size follows it.
func (w *walk) keys(id uint64, b []byte, count, size, posAt int, low, high []byte) (func(int) []byte, error) {
	end := pageHeader + count*size
	if end > len(b) {
		return nil, fmt.Errorf("page %d claims %d entries", id, count)
	}
	key := func(i int) []byte {
		e := pageHeader + i*size
		at := e + int(order.Uint32(b[e+posAt:]))
		return b[at : at+int(order.Uint32(b[e+posAt+4:]))]
	}
	prev := low
	for i := range count {
		e := uint64(pageHeader + i*size)
		at, n := e+uint64(order.Uint32(b[e+uint64(posAt):])), uint64(order.Uint32(b[e+uint64(posAt)+4:]))
		if at < uint64(end) || n == 0 || at+n > uint64(len(b)) {
			return nil, fmt.Errorf("page %d has a key outside of it", id)
		}
		k := key(i)
		if c := bytes.Compare(prev, k); prev != nil && (c > 0 || c == 0 && i > 0) {
			return nil, fmt.Errorf("page %d has keys out of order", id)
		}
		prev = k
	}
	if high != nil && prev != nil && count > 0 && bytes.Compare(prev, high) >= 0 {
		return nil, fmt.Errorf("page %d has keys of its neighbour", id)
	}
	return key, nil
}
