package tpm

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/google/go-tpm/tpm2"
)

// The commands of every key, written by hand: go-tpm finds a command's form by
// reflection, which takes longer than the TPM does for most of these.

var errReply = errors.New("the TPM's answer is too short")

// below sends a command about the storage root key, whose authorization value is
// empty, and returns what follows the answer's header.
func (s *session) below(cc tpm2.TPMCC, params ...[]byte) ([]byte, error) {
	cmd := binary.BigEndian.AppendUint16(make([]byte, 0, 1500), uint16(tpm2.TPMSTSessions))
	cmd = append(cmd, 0, 0, 0, 0) // its size, once it is known
	cmd = binary.BigEndian.AppendUint32(cmd, uint32(cc))
	cmd = binary.BigEndian.AppendUint32(cmd, uint32(srkHandle))
	cmd = binary.BigEndian.AppendUint32(cmd, 9) // size of the authorization: handle, no nonce, no attributes, no value
	cmd = binary.BigEndian.AppendUint32(cmd, uint32(tpm2.TPMRSPW))
	cmd = append(cmd, 0, 0, 0, 0, 0)
	cmd = append(cmd, slices.Concat(params...)...)
	binary.BigEndian.PutUint32(cmd[2:], uint32(len(cmd)))
	rsp, err := s.Send(cmd)
	if err != nil {
		return nil, err
	}
	if rc := tpm2.TPMRC(binary.BigEndian.Uint32(rsp[6:])); rc != tpm2.TPMRCSuccess {
		return nil, rc
	}
	return rsp[10:], nil
}

// next takes a sized buffer off b.
func next(b []byte) (part, rest []byte, err error) {
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return nil, nil, errReply
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	return b[2:n], b[n:], nil
}

// load loads a key (TPM2_Load, Part 3, 12.2).
func (s *session) load(blob []byte) (*loaded, error) {
	public, private, err := splitBlob(blob)
	if err != nil {
		return nil, err
	}
	rsp, err := s.below(tpm2.TPMCCLoad, sized(private), sized(public))
	if err != nil {
		return nil, err
	}
	if len(rsp) < 8 { // handle, size of what follows
		return nil, errReply
	}
	name, _, err := next(rsp[8:])
	if err != nil {
		return nil, err
	}
	return &loaded{s, tpm2.TPMHandle(binary.BigEndian.Uint32(rsp)), tpm2.TPM2BName{Buffer: name}}, nil
}

// createOpen creates a key without authorization value (TPM2_Create, Part 3, 12.1).
func (s *session) createOpen(tpl tpm2.TPMTPublic) (public, private []byte, err error) {
	// No sensitive data, the template, no outside information, no PCRs.
	rsp, err := s.below(tpm2.TPMCCCreate, []byte{0, 4, 0, 0, 0, 0}, tpm2.Marshal(tpm2.New2B(tpl)), []byte{0, 0, 0, 0, 0, 0})
	if err != nil {
		return nil, nil, err
	}
	if len(rsp) < 4 { // size of what follows
		return nil, nil, errReply
	}
	private, rsp, err = next(rsp[4:])
	if err == nil {
		public, _, err = next(rsp)
	}
	return public, private, err
}

// flush makes room again (TPM2_FlushContext, Part 3, 28.4).
func (l *loaded) flush() {
	cmd := binary.BigEndian.AppendUint16(nil, uint16(tpm2.TPMSTNoSessions))
	cmd = binary.BigEndian.AppendUint32(cmd, 14)
	cmd = binary.BigEndian.AppendUint32(cmd, uint32(tpm2.TPMCCFlushContext))
	l.s.Send(binary.BigEndian.AppendUint32(cmd, uint32(l.handle)))
}
