package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// Store is a View on the state file, whose lock it holds. All methods are safe
// for concurrent use.
type Store struct {
	o        Options
	db       *bolt.DB
	file     *os.File // the one db has
	sealer   *sealer
	head     atomic.Pointer[committed]
	warnings []string

	digest digest // the committer's

	admission sync.RWMutex // held shared while a request enters the queue
	closed    bool
	queue     chan *request
	drained   chan struct{} // closed when the committer ended
	failure   atomic.Pointer[error]
	wedged    atomic.Bool
	size      atomic.Int64 // of the file, at least
	batches   atomic.Uint64
	commits   atomic.Uint64

	snapshots struct {
		sync.Mutex
		open map[*Snapshot]struct{}
	}
	control *controlServer
}

var _ View = (*Store)(nil)

// Meta implements View.
func (s *Store) Meta() Meta { return s.head.Load().meta }

// Version changes with every commit, once it is durable and before Commit
// returns. It is compared with ==.
func (s *Store) Version() any { return s.head.Load() }

// committed is the identity of the state as of one commit.
type committed struct {
	meta Meta
	txid uint64
}

// Warnings returns sentences about what was put right or deserves a look when
// the state was opened.
func (s *Store) Warnings() []string { return s.warnings }

// Stats counts what a Store did since it was opened.
type Stats struct {
	Commits uint64 // closures committed
	Batches uint64 // transactions they shared, of two fsyncs each
}

// Stats returns the counts as of now.
func (s *Store) Stats() Stats { return Stats{s.commits.Load(), s.batches.Load()} }

// Read implements View. fn sees the last durable state; it must not call
// Commit, nor keep the Reader.
func (s *Store) Read(fn func(Reader) error) error {
	snap, err := s.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	return fn(snap)
}

// Snapshot returns the state as it is now, for as long as it is open. It keeps
// the file from reusing space, so it should not outlive a command. Closing the
// store closes it.
func (s *Store) Snapshot() (*Snapshot, error) {
	s.admission.RLock()
	defer s.admission.RUnlock()
	if s.closed {
		return nil, closedError(s.o.Path)
	}
	tx, err := s.begin()
	if err != nil {
		return nil, err
	}
	snap, err := newSnapshot(s.o.Path, tx, s.sealer, *s.head.Load())
	if err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	s.snapshots.Lock()
	s.snapshots.open[snap] = struct{}{}
	s.snapshots.Unlock()
	snap.release = func() error {
		s.snapshots.Lock()
		delete(s.snapshots.open, snap)
		s.snapshots.Unlock()
		if s.wedged.Load() {
			return nil
		}
		return tx.Rollback()
	}
	return snap, nil
}

// begin starts a read transaction, unless the file was cut under its map.
func (s *Store) begin() (tx *bolt.Tx, err error) {
	if info, err := s.file.Stat(); s.wedged.Load() || err != nil || info.Size() < s.size.Load() {
		return nil, s.broken(replacedError(s.o.Path))
	}
	defer func() {
		if err != nil {
			err = s.wedge(err)
		}
	}()
	defer containFault(s.o.Path, &err)()
	return s.db.Begin(false)
}

func closedError(path string) error { return fmt.Errorf("state %s: %w", path, ErrClosed) }

// Close ends the control socket, waits for the commits that were accepted,
// closes all snapshots and gives the lock back.
func (s *Store) Close() error {
	s.control.close() // first: its handlers may still commit
	s.admission.Lock()
	if s.closed {
		s.admission.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.admission.Unlock()
	<-s.drained
	s.snapshots.Lock()
	open := make([]*Snapshot, 0, len(s.snapshots.open))
	for snap := range s.snapshots.open {
		open = append(open, snap)
	}
	s.snapshots.Unlock()
	var errs []error
	for _, snap := range open {
		errs = append(errs, snap.Close())
	}
	if err := s.usable(); err == nil {
		errs = append(errs, s.noteClose())
	}
	removeHolder(&s.o)
	if s.wedged.Load() {
		errs = append(errs, s.file.Close()) // gives the lock back
	} else {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

// noteClose writes into the marker which commit was the last.
func (s *Store) noteClose() error {
	s.o.fail("state:before-marker")
	h := s.head.Load()
	return writeMarker(s.o.markerPath(), marker{Lineage: h.meta.Lineage, Serial: h.meta.Serial, Commit: h.txid})
}

func replacedError(path string) error {
	return &Error{Kind: ErrWrite, Path: path,
		Detail: fmt.Sprintf("The state file %s was removed, cut or replaced while it was in use.", path), Hint: hintRestore}
}

// Snapshot is one unchanging state: a Reader, and a Base for overlays.
type Snapshot struct {
	reader  *txReader
	meta    Meta
	release func() error // ends the transaction

	mu       sync.Mutex
	users    int
	closed   bool
	idle     chan struct{} // made by Close, closed by the last user
	warnings []string
}

// newSnapshot reads from tx. known spares it decoding the head, if tx is not newer.
func newSnapshot(path string, tx *bolt.Tx, s *sealer, known committed) (*Snapshot, error) {
	r, err := newTxReader(path, tx, s)
	if err != nil {
		return nil, err
	}
	if uint64(tx.ID()) != known.txid {
		h, err := decodeHead(path, tx.Bucket(bucketMeta).Get(keyHead))
		if err != nil {
			return nil, err
		}
		known.meta = h.meta()
	}
	return &Snapshot{reader: r, meta: known.meta}, nil
}

func (s *Snapshot) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return closedError(s.reader.path)
	}
	s.users++
	return nil
}

func (s *Snapshot) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 && s.idle != nil {
		close(s.idle)
	}
}

// Meta returns the identity of the state it is of.
func (s *Snapshot) Meta() Meta { return s.meta }

// Warnings returns sentences about what deserves a look; see Store.Warnings.
func (s *Snapshot) Warnings() []string { return s.warnings }

// Get implements Reader.
func (s *Snapshot) Get(bucket, key string) ([]byte, bool, error) {
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	defer s.leave()
	return s.reader.Get(bucket, key)
}

// Scan implements Reader.
func (s *Snapshot) Scan(bucket, prefix string, fn func(string, []byte) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.reader.Scan(bucket, prefix, fn)
}

// Buckets implements Reader.
func (s *Snapshot) Buckets(prefix string) ([]string, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return s.reader.Buckets(prefix)
}

// WriteTo writes a state file of its own, sealed as the original.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	return s.reader.tx.WriteTo(w)
}

// Close ends the snapshot when the calls under way have returned; later ones
// fail. It must not be called from a Scan of the same snapshot.
func (s *Snapshot) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	var idle chan struct{}
	if s.users > 0 {
		idle = make(chan struct{})
		s.idle = idle
	}
	s.mu.Unlock()
	if idle != nil {
		<-idle
	}
	return s.release()
}

// txReader reads records of a bbolt transaction. On a read transaction it is
// safe for concurrent use: bbolt caches nothing there.
type txReader struct {
	path    string
	tx      *bolt.Tx
	records *bolt.Bucket
	sealer  *sealer
}

func newTxReader(path string, tx *bolt.Tx, s *sealer) (*txReader, error) {
	r := &txReader{path: path, tx: tx, records: tx.Bucket(bucketRecords), sealer: s}
	if r.records == nil || tx.Bucket(bucketMeta) == nil {
		return nil, damaged(path, "it has no records")
	}
	return r, nil
}

func (r *txReader) unseal(key string, sealed []byte) ([]byte, error) {
	v, err := r.sealer.open(domainRecord, key, sealed)
	if err != nil {
		bucket, key := splitKey(key)
		return nil, damaged(r.path, "in %s, %q: %v", bucket, key, err)
	}
	return v, nil
}

func (r *txReader) Get(bucket, key string) (value []byte, ok bool, err error) {
	if err := checkBucket(bucket); err != nil {
		return nil, false, err
	}
	defer containFault(r.path, &err)()
	rk := recordKey(bucket, key)
	sealed := r.records.Get([]byte(rk))
	if sealed == nil {
		return nil, false, nil
	}
	value, err = r.unseal(rk, sealed)
	return value, err == nil, err
}

func (r *txReader) Scan(bucket, prefix string, fn func(string, []byte) error) (err error) {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	defer containFault(r.path, &err)()
	full := []byte(recordKey(bucket, prefix))
	c := r.records.Cursor()
	for k, sealed := c.Seek(full); k != nil && bytes.HasPrefix(k, full); k, sealed = c.Next() {
		rk := string(k)
		v, err := r.unseal(rk, sealed)
		if err != nil {
			return err
		}
		if err := fn(rk[len(bucket)+1:], v); err != nil {
			return err
		}
	}
	return nil
}

func (r *txReader) Buckets(prefix string) (out []string, err error) {
	defer containFault(r.path, &err)()
	c := r.records.Cursor()
	for k, _ := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); {
		bucket, _ := splitKey(string(k))
		if !strings.HasPrefix(bucket, prefix) {
			break
		}
		out = append(out, bucket)
		k, _ = c.Seek([]byte(bucket + "\x01"))
	}
	return out, nil
}

// containFault turns a memory fault into an error: the file is mapped, and
// somebody may cut it while we read. Use as: defer containFault(path, &err)().
func containFault(path string, err *error) func() {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		p := recover()
		if p == nil {
			return
		}
		if _, fault := p.(interface{ Addr() uintptr }); !fault {
			panic(p)
		}
		*err = replacedError(path)
	}
}
