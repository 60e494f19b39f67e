package state

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// Open opens a state for writing and makes it when there is none. It holds the
// state's lock until Close. See Options for what it finds wrong, and Error.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := makeFolder(o.dir()); err != nil {
		return nil, err
	}
	for {
		s, err := open(ctx, &o)
		if !errors.Is(err, errAgain) {
			return s, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// errAgain says that the state file came or changed places meanwhile.
var errAgain = errors.New("state: open again")

func open(ctx context.Context, o *Options) (*Store, error) {
	f, warnings, err := openPrivate(o.Path, true)
	if errors.Is(err, fs.ErrNotExist) {
		if exists(o.markerPath()) {
			return nil, vanished(o)
		}
		return initialise(o)
	}
	if err != nil {
		return nil, asError(err, o.Path)
	}
	s, err := openLocked(ctx, o, f)
	if err != nil {
		f.Close()
		return nil, err
	}
	s.warnings = append(warnings, s.warnings...)
	return s, nil
}

func openLocked(ctx context.Context, o *Options, f *os.File) (*Store, error) {
	if err := lockState(ctx, o, f); err != nil {
		return nil, err
	}
	if !samePlace(f, o.Path) {
		return nil, errAgain // restored while we waited
	}
	removeLeftovers(globQuote(o.Path))
	info, err := f.Stat()
	if err != nil {
		return nil, asError(err, o.Path)
	}
	m, err := readMarker(o.markerPath())
	if err != nil {
		return nil, asError(err, o.markerPath())
	}
	v, err := verify(o, f, info.Size(), m)
	if err != nil {
		return nil, err
	}
	if m == nil {
		if err := writeMarker(o.markerPath(), marker{v.head.Lineage, v.head.Serial, v.meta.txid}); err != nil {
			return nil, err
		}
	}
	db, err := openBolt(f, false)
	if err != nil {
		return nil, damaged(o.Path, "%v", err)
	}
	s, err := newStore(o, db, f, v.sealer, committed{v.head.meta(), v.meta.txid}, v.digest)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.warnings = v.warnings
	return s, nil
}

// openBolt hands a file that is locked and verified to bbolt.
func openBolt(f *os.File, readOnly bool) (*bolt.DB, error) {
	bo := &bolt.Options{
		ReadOnly:       readOnly,
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
		PageSize:       pageSize,
		NoStatistics:   true,
		OpenFile:       func(string, int, os.FileMode) (*os.File, error) { return f, nil },
	}
	if !readOnly {
		bo.InitialMmapSize = initialMap()
	}
	db, err := bolt.Open(f.Name(), 0o600, bo)
	if err != nil {
		return nil, err
	}
	db.AllocSize = 1 << 20 // grow by this much, not by 16 MiB
	return db, nil
}

// initialMap is the address space to map at first. Remapping waits for all
// read transactions; with a gigabyte it does not happen while snapshots are open.
func initialMap() int {
	var limit syscall.Rlimit
	if bits.UintSize < 64 || syscall.Getrlimit(syscall.RLIMIT_AS, &limit) != nil || limit.Cur < 16<<30 {
		return 0
	}
	return 1 << 30
}

func newStore(o *Options, db *bolt.DB, f *os.File, sl *sealer, head committed, d digest) (*Store, error) {
	s := &Store{
		o:       *o,
		db:      db,
		file:    f,
		sealer:  sl,
		digest:  d,
		queue:   make(chan *request, queueLength),
		drained: make(chan struct{}),
	}
	s.head.Store(&head)
	s.noteSize()
	s.snapshots.open = map[*Snapshot]struct{}{}
	var err error
	if s.control, err = startControl(s); err != nil {
		return nil, err
	}
	if err := writeHolder(o, s.control.address); err != nil {
		s.control.close()
		return nil, err
	}
	go s.committer()
	return s, nil
}

// initialise makes a new state. It is built under a temporary name, and the
// store goes on with the open file when that got its own name, so that nobody
// ever sees or locks a half-made state.
func initialise(o *Options) (*Store, error) {
	if o.ExpectLineage != "" {
		return nil, &Error{Kind: ErrNotExist, Path: o.Path,
			Detail: fmt.Sprintf("There is no state file %s, and one of lineage %s is expected.", o.Path, o.ExpectLineage)}
	}
	removeLeftovers(globQuote(o.Path))
	removeLeftovers(globQuote(o.keyPath()))
	key, warnings, err := o.key(true)
	if err != nil {
		return nil, asError(err, o.keyPath())
	}
	var id [16]byte
	if _, err := io.ReadFull(o.rand(), id[:]); err != nil {
		return nil, fmt.Errorf("make lineage: %w", err)
	}
	m := Meta{Format: Format, Lineage: hex.EncodeToString(id[:]), Created: o.Now().UTC(), Writer: o.Writer}
	sl, err := newSealer(key, m.Lineage, o.rand())
	if err != nil {
		return nil, err
	}
	f, err := createTemp(o.Path)
	if err != nil {
		return nil, writeError(o.Path, err)
	}
	defer os.Remove(f.Name())
	o.fail("state:init-temp")
	db, err := openBolt(f, false)
	if err != nil {
		f.Close()
		return nil, writeError(o.Path, err)
	}
	s, err := fill(o, db, f, sl, m)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.warnings = warnings
	return s, nil
}

func fill(o *Options, db *bolt.DB, f *os.File, sl *sealer, m Meta) (*Store, error) {
	var txid uint64
	err := db.Update(func(tx *bolt.Tx) error {
		txid = uint64(tx.ID())
		if _, err := tx.CreateBucket(bucketRecords); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(bucketMeta); err != nil {
			return err
		}
		return putHead(tx, m, sl, digest{})
	})
	if err != nil {
		return nil, writeError(o.Path, err)
	}
	o.fail("state:init-filled")
	if err := linkNew(f.Name(), o.Path); errors.Is(err, fs.ErrExist) {
		return nil, errAgain
	} else if err != nil {
		return nil, writeError(o.Path, err)
	}
	o.fail("state:init-placed")
	if err := syncFolder(o.dir()); err != nil {
		return nil, writeError(o.Path, err)
	}
	if err := writeMarker(o.markerPath(), marker{m.Lineage, m.Serial, txid}); err != nil {
		return nil, err
	}
	o.fail("state:init-done")
	return newStore(o, db, f, sl, committed{m, txid}, digest{})
}
