package entra

import (
	"errors"
	"fmt"
	"strconv"

	"hellolab/providers"
)

// The log of changes, from which delta queries are answered: for each user,
// group and device, the place of its last change. An object that is gone keeps
// its place until too many came behind it.
const (
	tableChanges  = "changes"  // sequence → changeRecord
	tableChangeOf = "changeof" // table "/" object id → sequence
	tableGone     = "gone"     // sequence of a change that removed an object → nothing

	keyChangeCount = "changes" // in tableTenant → changeCount
	maxGone        = 10_000
)

// changeRecord names the object that changed.
type changeRecord struct {
	Table string `json:"table"`
	ID    string `json:"id"`
}

// changeCount is where the log stands.
type changeCount struct {
	Last  uint64 `json:"last"`  // sequence of the last change
	Gone  int    `json:"gone"`  // removed objects that are remembered
	Floor uint64 `json:"floor"` // removals up to here are forgotten
}

// sequenceKey orders as numbers do.
func sequenceKey(n uint64) string { return fmt.Sprintf("%016x", n) }

func sequenceOf(key string) (uint64, error) {
	n, err := strconv.ParseUint(key, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("log of changes: %w", err)
	}
	return n, nil
}

func changesOf(r providers.Reader) (changeCount, error) {
	c, err := get[changeCount](r, tableTenant, keyChangeCount)
	if errors.Is(err, errNotFound) {
		return changeCount{}, nil
	}
	if err != nil {
		return changeCount{}, err
	}
	return *c, nil
}

// logChange notes that an object of a table was made or changed.
func logChange(w providers.Writer, table, id string) error { return note(w, table, id, false) }

// logRemoval notes that an object of a table is gone.
func logRemoval(w providers.Writer, table, id string) error { return note(w, table, id, true) }

func note(w providers.Writer, table, id string, gone bool) error {
	c, err := changesOf(w)
	if err != nil {
		return err
	}
	was, ok, err := w.Get(tableChangeOf, table+"/"+id)
	if err != nil {
		return err
	}
	if ok {
		if err := w.Delete(tableChanges, string(was)); err != nil {
			return err
		}
	}
	c.Last++
	now := sequenceKey(c.Last)
	if err := put(w, tableChanges, now, changeRecord{table, id}); err != nil {
		return err
	}
	if gone {
		err = errors.Join(w.Delete(tableChangeOf, table+"/"+id), w.Put(tableGone, now, []byte{1}))
		c.Gone++
	} else {
		err = w.Put(tableChangeOf, table+"/"+id, []byte(now))
	}
	if err != nil {
		return err
	}
	for c.Gone > maxGone {
		if err := forgetOldest(w, &c); err != nil {
			return err
		}
	}
	return put(w, tableTenant, keyChangeCount, c)
}

// forgetOldest drops the removal that is longest ago.
func forgetOldest(w providers.Writer, c *changeCount) error {
	oldest := ""
	err := w.Scan(tableGone, "", func(key string, _ []byte) error { oldest = key; return errEnough })
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if c.Floor, err = sequenceOf(oldest); err != nil {
		return err
	}
	c.Gone--
	return errors.Join(w.Delete(tableGone, oldest), w.Delete(tableChanges, oldest))
}
