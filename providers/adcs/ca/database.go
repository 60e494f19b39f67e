package ca

import (
	"errors"
	"fmt"
	"math/big"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/crl"
)

// Disposition is where a request stands (MS-CSRA, Request_Disposition).
type Disposition int

// Dispositions.
const (
	active            Disposition = 8 // its number is given, its certificate was never made
	UnderSubmission   Disposition = 9
	DispositionIssued Disposition = 20
	Revoked           Disposition = 21
	Denied            Disposition = 31
)

// String returns the disposition's name.
func (d Disposition) String() string {
	switch d {
	case active:
		return "interrupted"
	case UnderSubmission:
		return "pending"
	case DispositionIssued:
		return "issued"
	case Revoked:
		return "revoked"
	case Denied:
		return "denied"
	}
	return fmt.Sprintf("disposition %d", int(d))
}

// row is a request in the section.
type row struct {
	ID          int         `json:"id"`
	Serial      string      `json:"serial,omitempty"`
	Template    string      `json:"template"`
	Requester   string      `json:"requester"`
	SID         string      `json:"sid,omitempty"`
	Disposition Disposition `json:"disposition"`
	Submitted   time.Time   `json:"submitted"`
	Resolved    time.Time   `json:"resolved,omitzero"`
	NotAfter    time.Time   `json:"not_after,omitzero"`
	Certificate []byte      `json:"certificate,omitempty"`
	CSR         []byte      `json:"csr,omitempty"`   // while it is pending
	Names       *Requester  `json:"names,omitempty"` // while it is pending
}

// revocation is a revoked certificate in the section.
type revocation struct {
	At       time.Time  `json:"at"`
	Reason   crl.Reason `json:"reason"`
	NotAfter time.Time  `json:"not_after"`
}

// Row is a request of the database.
type Row struct {
	RequestID   int
	Serial      string // hexadecimal; "": none was given
	Template    string
	Requester   string // DOMAIN\account
	SID         string
	Disposition Disposition
	Submitted   time.Time
	NotAfter    time.Time
	Certificate []byte // DER; nil: none

	RevokedAt time.Time // when Disposition is Revoked
	Reason    crl.Reason
}

func requestKey(id int) string { return fmt.Sprintf("%010d", id) }

func serialKey(serial *big.Int) string { return fmt.Sprintf("%x", serial) }

// outside is a row as callers see it, with its revocation if there is one.
func outside(r *row, v *revocation) Row {
	out := Row{RequestID: r.ID, Serial: r.Serial, Template: r.Template, Requester: r.Requester, SID: r.SID, Disposition: r.Disposition,
		Submitted: r.Submitted, NotAfter: r.NotAfter, Certificate: r.Certificate}
	if v != nil {
		out.Disposition, out.RevokedAt, out.Reason = Revoked, v.At, v.Reason
	}
	return out
}

func (c *CA) row(id int) (*row, error) {
	var r row
	err := c.env.Section.View(func(rd providers.Reader) error { return get(rd, tableRequests, requestKey(id), &r) })
	if errors.Is(err, errNone) {
		return nil, refuse(CodePropertyEmpty, "There is no request %d.", id)
	}
	if err == nil && r.Names != nil {
		r.Names.SID, err = parseSID(r.SID)
	}
	return &r, err
}

// pending is a request that waits for an administrator, or whose approval was
// interrupted.
func (c *CA) pending(id int) (*row, error) {
	r, err := c.row(id)
	if err == nil && r.Disposition != UnderSubmission && (r.Disposition != active || r.CSR == nil) {
		return nil, refuse(CodeBadRequestStatus, "Request %d is not pending.", id)
	}
	return r, err
}

// Find returns the request of a serial number.
func (c *CA) Find(serial *big.Int) (Row, error) {
	var out Row
	err := c.env.Section.View(func(r providers.Reader) (err error) {
		out, err = find(r, serialKey(serial))
		return err
	})
	if errors.Is(err, errNone) {
		return Row{}, refuse(CodePropertyEmpty, "This CA issued no certificate %s.", serialKey(serial))
	}
	return out, err
}

func find(r providers.Reader, serial string) (Row, error) {
	var id int
	var about row
	if err := get(r, tableSerials, serial, &id); err != nil {
		return Row{}, err
	}
	if err := get(r, tableRequests, requestKey(id), &about); err != nil {
		return Row{}, err
	}
	if about.Serial != serial { // an interrupted approval left it, and no certificate bears it
		return Row{}, errNone
	}
	var v revocation
	switch err := get(r, tableRevoked, serial, &v); {
	case errors.Is(err, errNone):
		return outside(&about, nil), nil
	case err != nil:
		return Row{}, err
	}
	return outside(&about, &v), nil
}

// MaxRows bounds one answer of List.
const MaxRows = 1000

var errEnough = errors.New("enough")

// List returns up to MaxRows requests with numbers above after, in order.
func (c *CA) List(after int) ([]Row, error) {
	var out []Row
	err := c.env.Section.View(func(r providers.Reader) error {
		return r.Scan(tableRequests, "", func(key string, value []byte) error {
			if key <= requestKey(after) {
				return nil
			}
			if len(out) == MaxRows {
				return errEnough
			}
			about, err := decode[row](value)
			if err != nil {
				return err
			}
			var v revocation
			switch err := get(r, tableRevoked, about.Serial, &v); {
			case errors.Is(err, errNone):
				out = append(out, outside(about, nil))
			case err != nil:
				return err
			default:
				out = append(out, outside(about, &v))
			}
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return out, err
}
