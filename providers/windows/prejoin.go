package windows

import (
	"context"
	"errors"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/drs"
)

// Phases of a hybrid join, in dsregcmd's words. What comes behind the join is
// none of them: the device is registered then.
const (
	phasePreCheck = "pre-check"
	phaseDiscover = "discover"
	phaseJoin     = "join"
	phasePostJoin = "post-join"
)

// joinStep is a step of a hybrid join with the phase that it is of; "" before the
// device is a computer of its domain.
type joinStep struct {
	phase string
	do    func(context.Context) error
}

// JoinAttempt is a registration of a domain's member that failed, as dsregcmd's
// "Diagnostic Data" has it.
type JoinAttempt struct {
	At            time.Time `json:"at"`
	Type          string    `json:"registration_type"` // "sync": Connect makes the device object
	Phase         string    `json:"error_phase"`       // pre-check, discover, join or post-join
	ClientCode    string    `json:"client_error_code"` // HRESULT, 0x801c03f2
	ServerCode    string    `json:"server_error_code,omitempty"`
	ServerMessage string    `json:"server_message,omitempty"`
	HTTPStatus    int       `json:"https_status,omitempty"`
	RequestID     string    `json:"request_id,omitempty"`
}

// Client error codes of phases, where the refusal has none of its own (Microsoft,
// "Troubleshoot Microsoft Entra hybrid joined devices"). For other failures the
// lab has Windows' unspecified one.
const (
	codeNoPoint      = "0x801c001d" // DSREG_AUTOJOIN_ADCONFIG_READ_FAILED
	codeNoDiscovery  = "0x801c0021" // DSREG_AUTOJOIN_DISC_FAILED
	codeNoController = "0x8007054b" // ERROR_NO_SUCH_DOMAIN
	codeUnspecified  = "0x80004005" // E_FAIL
)

// errNoPoint says that the domain tells its computers of no tenant.
var errNoPoint = errors.New("the domain's service connection point cannot be read")

// attemptOf is what is kept of a join that err ended in a phase; nil of one that
// ended before the device was in its domain.
func attemptOf(phase, request string, err error, at time.Time) *JoinAttempt {
	if phase == "" || errors.Is(err, context.Canceled) {
		return nil
	}
	a := &JoinAttempt{At: at, Type: "sync", Phase: phase, ClientCode: codeUnspecified, RequestID: request}
	var refusal *drs.Error
	switch errors.As(err, &refusal); {
	case outOfSight(err):
		a.Phase, a.ClientCode = phasePreCheck, codeNoController
	case errors.Is(err, errNoPoint):
		a.ClientCode = codeNoPoint
	case phase == phaseDiscover:
		a.ClientCode = codeNoDiscovery
	}
	if status := reasonOf(err).Status; strings.HasPrefix(status, "0x801C") {
		a.ClientCode = strings.ToLower(status)
	}
	if refusal != nil {
		a.ServerCode, a.ServerMessage, a.HTTPStatus = string(refusal.Type), refusal.Sentence, refusal.Status
	}
	return a
}

// keepAttempt keeps what went wrong; nil forgets what was kept, for the device is
// joined.
func (m *machine) keepAttempt(ctx context.Context, a *JoinAttempt) error {
	if _, ok, err := view[JoinAttempt](m.env.Section, tableMachine, keyAttempt); err != nil || !ok && a == nil {
		return err
	}
	return m.env.Section.Record(context.WithoutCancel(ctx), func(w providers.Writer) error {
		if a == nil {
			return w.Delete(tableMachine, keyAttempt)
		}
		return put(w, tableMachine, keyAttempt, a)
	})
}

// keyAttempt is where it lies, beside the machine's record.
const keyAttempt = "attempt"
