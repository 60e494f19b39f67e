package krb

import (
	"errors"
	"strings"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
)

// APReq is an AP-REQ as received or built (RFC 4120 5.5.1).
type APReq struct {
	Options       Flags
	Ticket        Ticket
	Authenticator EncryptedData
}

type apReq struct {
	Version       int            `asn1:"explicit,tag:0"`
	MsgType       int            `asn1:"explicit,tag:1"`
	Options       asn1.BitString `asn1:"explicit,tag:2"`
	Ticket        asn1.RawValue  `asn1:"explicit,tag:3"`
	Authenticator EncryptedData  `asn1:"explicit,tag:4"`
}

// Authenticator proves that a client holds the session key. SeqNumber 0,
// a zero Subkey and a zero Checksum are absent.
type Authenticator struct {
	CRealm    string
	Client    Name
	Checksum  Checksum
	Time      time.Time // with microseconds
	Subkey    Key
	SeqNumber uint32
	AuthData  []AuthData
}

type authenticator struct {
	Version   int        `asn1:"explicit,tag:0"`
	CRealm    string     `asn1:"generalstring,explicit,tag:1"`
	Client    Name       `asn1:"explicit,tag:2"`
	Checksum  Checksum   `asn1:"explicit,optional,tag:3"`
	Micro     int        `asn1:"explicit,tag:4"`
	Time      time.Time  `asn1:"generalized,explicit,tag:5"`
	Subkey    Key        `asn1:"explicit,optional,tag:6"`
	SeqNumber int64      `asn1:"explicit,optional,tag:7"`
	AuthData  []AuthData `asn1:"explicit,optional,tag:8"`
}

// NewAPReq builds an AP-REQ: usage is UsageTGSReqAuth within a TGS-REQ, else
// UsageAPReqAuth.
func NewAPReq(options Flags, t *Ticket, session Key, usage uint32, a *Authenticator) ([]byte, error) {
	plain, err := marshal(authenticator{
		Version: version, CRealm: a.CRealm, Client: a.Client, Checksum: a.Checksum,
		Micro: a.Time.Nanosecond() / 1000, Time: kerberosTime(a.Time),
		Subkey: a.Subkey, SeqNumber: int64(a.SeqNumber), AuthData: a.AuthData,
	}, tagAuthenticator)
	if err != nil {
		return nil, err
	}
	sealed, err := session.Seal(usage, 0, plain)
	if err != nil {
		return nil, err
	}
	raw, err := t.Encode()
	if err != nil {
		return nil, err
	}
	return marshal(apReq{version, MsgAPReq, options.bits(), explicit(3, raw), sealed}, MsgAPReq)
}

// ParseAPReq reads an AP-REQ without opening anything.
func ParseAPReq(b []byte) (*APReq, error) {
	var w apReq
	if err := unmarshal(b, &w, MsgAPReq); err != nil {
		return nil, malformed("AP-REQ", err)
	}
	if w.Version != version {
		return nil, NewError(ErrBadProtocolVersion, "")
	}
	if w.MsgType != MsgAPReq {
		return nil, NewError(ErrMsgType, "")
	}
	t, err := ParseTicket(w.Ticket.Bytes)
	if err == nil {
		err = w.Authenticator.check()
	}
	if err != nil {
		return nil, malformed("AP-REQ", err)
	}
	return &APReq{readFlags(w.Options), *t, w.Authenticator}, nil
}

// Replay remembers authenticators. Seen reports true for one that it was shown
// before, and an error when it cannot take more; it forgets after until.
type Replay interface {
	Seen(what []byte, now, until time.Time) (bool, error)
}

// Acceptor is how a server takes AP-REQs.
type Acceptor struct {
	Key    func(*Ticket) (Key, error) // the key that the ticket should be under
	Usage  uint32                     // UsageAPReqAuth, or UsageTGSReqAuth at a KDC
	Now    time.Time
	Skew   time.Duration // usually Skew
	Replay Replay        // nil: the caller looks for replays
}

// Skew is how far clocks may differ (RFC 4120 8.2, and Windows' default).
const Skew = 5 * time.Minute

// Accept opens the ticket and the authenticator and checks what RFC 4120 3.2.3
// asks for: integrity, the same client in both, time, validity, replay. The
// checksum within the authenticator is the caller's. The ticket part is
// returned with an error of time or replay, too, for the caller's records.
func (r *APReq) Accept(a Acceptor) (*EncTicketPart, *Authenticator, error) {
	key, err := a.Key(&r.Ticket)
	if err != nil {
		return nil, nil, err
	}
	part, err := r.Ticket.Open(key)
	if err != nil {
		return nil, nil, err
	}
	auth, err := r.OpenAuthenticator(part.Key, a.Usage)
	if err != nil {
		return nil, nil, err
	}
	// Windows' realms are names of DNS: clients spell them as they were typed.
	if !auth.Client.Equal(part.Client) || !strings.EqualFold(auth.CRealm, part.CRealm) {
		return part, nil, NewError(ErrBadMatch, "The authenticator names %s, the ticket %s.", auth.Client, part.Client)
	}
	if d := a.Now.Sub(auth.Time); d > a.Skew || -d > a.Skew {
		return part, nil, NewError(ErrSkew, "The client's clock differs by %s.", d.Abs().Round(time.Second))
	}
	if err := part.Valid(a.Now, a.Skew); err != nil {
		return part, nil, err
	}
	if a.Replay != nil {
		seen, err := a.Replay.Seen(r.Authenticator.Cipher, a.Now, auth.Time.Add(a.Skew))
		if err != nil {
			return part, nil, err
		}
		if seen {
			return part, nil, NewError(ErrRepeat, "")
		}
	}
	return part, auth, nil
}

// OpenAuthenticator opens the authenticator with the ticket's session key and
// believes nothing of it: Accept is for who does.
func (r *APReq) OpenAuthenticator(session Key, usage uint32) (*Authenticator, error) {
	plain, err := session.Open(usage, r.Authenticator)
	if err != nil {
		return nil, NewError(ErrBadIntegrity, "The authenticator does not open with the ticket's session key.")
	}
	var w authenticator
	if err := unmarshal(plain, &w, tagAuthenticator); err != nil {
		return nil, malformed("authenticator", err)
	}
	if w.Version != version {
		return nil, NewError(ErrBadProtocolVersion, "")
	}
	err = errors.Join(micros(w.Micro), w.Client.check("client name"), checkText("realm", w.CRealm))
	if w.SeqNumber < -1<<31 || w.SeqNumber >= 1<<32 {
		err = errors.Join(err, errors.New("sequence number beyond 32 bits"))
	}
	if !w.Subkey.IsZero() {
		if _, e := w.Subkey.check(); e != nil {
			return nil, NewError(ErrETypeNoSupport, "The subkey is of an encryption type that is not supported, or of the wrong size.")
		}
	}
	if err != nil {
		return nil, malformed("authenticator", err)
	}
	return &Authenticator{
		CRealm: w.CRealm, Client: w.Client, Checksum: w.Checksum,
		Time:   w.Time.UTC().Add(time.Duration(w.Micro) * time.Microsecond),
		Subkey: w.Subkey, SeqNumber: uint32(w.SeqNumber), AuthData: w.AuthData,
	}, nil
}

// APRep is the content of an AP-REP, the server's proof (RFC 4120 5.5.2).
// SeqNumber 0 and a zero Subkey are absent.
type APRep struct {
	Time      time.Time // the authenticator's, with microseconds
	Subkey    Key
	SeqNumber uint32
}

type encAPRepPart struct {
	Time      time.Time `asn1:"generalized,explicit,tag:0"`
	Micro     int       `asn1:"explicit,tag:1"`
	Subkey    Key       `asn1:"optional,explicit,tag:2"`
	SeqNumber int64     `asn1:"optional,explicit,tag:3"`
}

type apRep struct {
	Version int           `asn1:"explicit,tag:0"`
	MsgType int           `asn1:"explicit,tag:1"`
	EncPart EncryptedData `asn1:"explicit,tag:2"`
}

// Encode seals the AP-REP under the ticket's session key.
func (r APRep) Encode(session Key) ([]byte, error) {
	plain, err := marshal(encAPRepPart{kerberosTime(r.Time), r.Time.Nanosecond() / 1000, r.Subkey, int64(r.SeqNumber)}, tagEncAPRepPart)
	if err != nil {
		return nil, err
	}
	sealed, err := session.Seal(UsageAPRep, 0, plain)
	if err != nil {
		return nil, err
	}
	return marshal(apRep{version, MsgAPRep, sealed}, MsgAPRep)
}

// ParseAPRep opens an AP-REP and checks that it answers the authenticator sent
// at a time: KRB_AP_ERR_MUT_FAIL when it does not.
func ParseAPRep(b []byte, session Key, sent time.Time) (*APRep, error) {
	if IsError(b) {
		e, err := ParseError(b)
		if err != nil {
			return nil, err
		}
		return nil, e
	}
	var w apRep
	if err := unmarshal(b, &w, MsgAPRep); err != nil {
		return nil, malformed("AP-REP", err)
	}
	if w.Version != version || w.MsgType != MsgAPRep {
		return nil, NewError(ErrMsgType, "")
	}
	plain, err := session.Open(UsageAPRep, w.EncPart)
	if err != nil {
		return nil, NewError(ErrBadIntegrity, "The AP-REP does not open with the session key.")
	}
	var p encAPRepPart
	if err := unmarshal(plain, &p, tagEncAPRepPart); err != nil {
		return nil, malformed("AP-REP", err)
	}
	if micros(p.Micro) != nil || p.SeqNumber < -1<<31 || p.SeqNumber >= 1<<32 {
		return nil, malformed("AP-REP", errors.New("number out of range"))
	}
	at := p.Time.UTC().Add(time.Duration(p.Micro) * time.Microsecond)
	if !at.Equal(sent.UTC().Truncate(time.Microsecond)) {
		return nil, NewError(ErrMutualFailed, "")
	}
	if !p.Subkey.IsZero() {
		if _, err := p.Subkey.check(); err != nil {
			return nil, NewError(ErrETypeNoSupport, "The subkey is of an encryption type that is not supported, or of the wrong size.")
		}
	}
	return &APRep{at, p.Subkey, uint32(p.SeqNumber)}, nil
}
