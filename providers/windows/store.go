package windows

import (
	"context"
	"encoding/json"
	"fmt"

	"hellolab/providers"
)

// Tables of a device's section; see the package comment.
const (
	tableMachine    = "machine"
	tableTPM        = "tpm"
	tablePool       = "keypool"
	tableContainer  = "container"
	tableSensor     = "sensor"
	tableEarlier    = "sensordb"
	tableWinBio     = "winbio"
	tableModule     = "sensormodule"
	tableEnrollment = "enrollment"
	tableSession    = "session"
	tablePRT        = "prt"
	tableWAM        = "wam"
	tableWork       = "work"
	tableKerberos   = "kerberos"
	tableCloud      = "cloudtickets"
	tableCached     = "cached"
	tableCloudCache = "cloudcache"
	tableEnterprise = "enterpriseprt"
	tablePersonal   = "personal"
)

// load reads one JSON value; ok is false when there is none.
func load[T any](r providers.Reader, table, key string) (v T, ok bool, err error) {
	data, ok, err := r.Get(table, key)
	if err != nil || !ok {
		return v, false, err
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, false, fmt.Errorf("%s %q of the device: %w", table, key, err)
	}
	return v, true, nil
}

func put(w providers.Writer, table, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s %q of the device: %w", table, key, err)
	}
	return w.Put(table, key, data)
}

// view reads one JSON value of a section by itself.
func view[T any](s providers.Section, table, key string) (v T, ok bool, err error) {
	err = s.View(func(r providers.Reader) error {
		v, ok, err = load[T](r, table, key)
		return err
	})
	return v, ok, err
}

// imageStore keeps a TPM's image in the device's section. Its writes are
// records, not configuration: a wrong PIN makes no plan read the device again.
type imageStore struct{ section providers.Section }

func (s imageStore) LoadImage() (image []byte, err error) {
	err = s.section.View(func(r providers.Reader) error {
		image, _, err = r.Get(tableTPM, "image")
		return err
	})
	return image, err
}

func (s imageStore) SaveImage(ctx context.Context, image []byte) error {
	return s.section.Record(ctx, func(w providers.Writer) error { return w.Put(tableTPM, "image", image) })
}
