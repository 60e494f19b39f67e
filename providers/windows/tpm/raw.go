package tpm

import (
	"encoding/binary"
	"errors"

	"github.com/google/go-tpm/tpm2"
)

// The two commands of every use of a key, written by hand: go-tpm finds a
// command's form by reflection, which takes longer than the TPM does for these.

var errReply = errors.New("the TPM's answer is too short")

// load loads a key below the storage root key (TPM2_Load, Part 3, 12.2), whose
// authorization value is empty.
func (s *session) load(blob []byte) (*loaded, error) {
	public, private, err := splitBlob(blob)
	if err != nil {
		return nil, err
	}
	cmd := make([]byte, 0, 64+len(blob))
	cmd = binary.BigEndian.AppendUint16(cmd, uint16(tpm2.TPMSTSessions))
	cmd = append(cmd, 0, 0, 0, 0) // its size, once it is known
	cmd = binary.BigEndian.AppendUint32(cmd, uint32(tpm2.TPMCCLoad))
	cmd = binary.BigEndian.AppendUint32(cmd, uint32(srkHandle))
	cmd = binary.BigEndian.AppendUint32(cmd, 9) // size of the authorization: handle, no nonce, no attributes, no value
	cmd = binary.BigEndian.AppendUint32(cmd, uint32(tpm2.TPMRSPW))
	cmd = append(cmd, 0, 0, 0, 0, 0)
	cmd = append(append(cmd, sized(private)...), sized(public)...)
	binary.BigEndian.PutUint32(cmd[2:], uint32(len(cmd)))
	rsp, err := s.Send(cmd)
	if err != nil {
		return nil, err
	}
	if rc := tpm2.TPMRC(binary.BigEndian.Uint32(rsp[6:])); rc != tpm2.TPMRCSuccess {
		return nil, rc
	}
	// Header, handle, size of what follows, name.
	if len(rsp) < 20 || len(rsp)-20 < int(binary.BigEndian.Uint16(rsp[18:])) {
		return nil, errReply
	}
	name := rsp[20 : 20+binary.BigEndian.Uint16(rsp[18:])]
	return &loaded{s, tpm2.TPMHandle(binary.BigEndian.Uint32(rsp[10:])), tpm2.TPM2BName{Buffer: name}}, nil
}

// flush makes room again (TPM2_FlushContext, Part 3, 28.4).
func (l *loaded) flush() {
	cmd := binary.BigEndian.AppendUint16(nil, uint16(tpm2.TPMSTNoSessions))
	cmd = binary.BigEndian.AppendUint32(cmd, 14)
	cmd = binary.BigEndian.AppendUint32(cmd, uint32(tpm2.TPMCCFlushContext))
	l.s.Send(binary.BigEndian.AppendUint32(cmd, uint32(l.handle)))
}
