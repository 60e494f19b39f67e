package state

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

func get[T any](r Reader, bucket, key string) (T, bool, error) {
	var v T
	b, ok, err := r.Get(bucket, key)
	if err != nil || !ok {
		return v, false, err
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, false, fmt.Errorf("state: decode %s %q: %w", bucket, key, err)
	}
	return v, true, nil
}

func put[T any](w Writer, bucket, key string, v T) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("state: encode %s %q: %w", bucket, key, err)
	}
	return w.Put(bucket, key, b)
}

func list[T any](r Reader, bucket string, add func(key string, v T)) error {
	return r.Scan(bucket, "", func(key string, b []byte) error {
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return fmt.Errorf("state: decode %s %q: %w", bucket, key, err)
		}
		add(key, v)
		return nil
	})
}

// GetObject returns the record of the object at addr.
func GetObject(r Reader, addr string) (Object, bool, error) {
	return get[Object](r, BucketObjects, addr)
}

// PutObject writes o under its address.
func PutObject(w Writer, o Object) error { return put(w, BucketObjects, o.Addr, o) }

// DeleteObject forgets the object at addr.
func DeleteObject(w Writer, addr string) error { return w.Delete(BucketObjects, addr) }

// Objects returns all objects, ordered by address string.
func Objects(r Reader) ([]Object, error) {
	var out []Object
	err := list(r, BucketObjects, func(_ string, o Object) { out = append(out, o) })
	return out, err
}

// GetIntent returns the intent left for addr.
func GetIntent(r Reader, addr string) (Intent, bool, error) {
	return get[Intent](r, BucketIntents, addr)
}

// PutIntent writes i under its address.
func PutIntent(w Writer, i Intent) error { return put(w, BucketIntents, i.Addr, i) }

// DeleteIntent removes the intent of addr.
func DeleteIntent(w Writer, addr string) error { return w.Delete(BucketIntents, addr) }

// Intents returns all intents, ordered by address string.
func Intents(r Reader) ([]Intent, error) {
	var out []Intent
	err := list(r, BucketIntents, func(_ string, i Intent) { out = append(out, i) })
	return out, err
}

// GetOutput returns a root output value.
func GetOutput(r Reader, name string) (Output, bool, error) {
	return get[Output](r, BucketOutputs, name)
}

// PutOutput writes a root output value.
func PutOutput(w Writer, name string, o Output) error { return put(w, BucketOutputs, name, o) }

// DeleteOutput removes a root output value.
func DeleteOutput(w Writer, name string) error { return w.Delete(BucketOutputs, name) }

// Outputs returns all root output values by name.
func Outputs(r Reader) (map[string]Output, error) {
	out := map[string]Output{}
	err := list(r, BucketOutputs, func(name string, o Output) { out[name] = o })
	return out, err
}

const keyClockOffset = "clock_offset" // 8 bytes, big-endian nanoseconds

// ClockOffset returns how far the lab's clock is ahead of the machine's.
func ClockOffset(r Reader) (time.Duration, error) {
	n, err := getUint64(r, BucketLab, keyClockOffset)
	return time.Duration(n), err
}

// SetClockOffset sets how far the lab's clock is ahead of the machine's.
func SetClockOffset(w Writer, d time.Duration) error {
	return putUint64(w, BucketLab, keyClockOffset, uint64(d))
}

// getUint64 returns 0 for a record that is not there.
func getUint64(r Reader, bucket, key string) (uint64, error) {
	b, ok, err := r.Get(bucket, key)
	if err != nil || !ok {
		return 0, err
	}
	if len(b) != 8 {
		return 0, fmt.Errorf("state: %s %q has %d bytes, not 8", bucket, key, len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

func putUint64(w Writer, bucket, key string, n uint64) error {
	return w.Put(bucket, key, binary.BigEndian.AppendUint64(nil, n))
}

// BumpSerial moves the serial of the state on by one, with the other writes of
// the commit, and returns it. w must be the Writer a View's Commit gave.
func BumpSerial(w Writer) (uint64, error) {
	b, ok := w.(*buffer)
	if !ok {
		return 0, fmt.Errorf("state: serial of a %T cannot move", w)
	}
	if b.done {
		return 0, errDone
	}
	b.meta.Serial++
	return b.meta.Serial, nil
}
