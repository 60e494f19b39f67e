package passthrough

import "fmt"

// Status is an NTSTATUS (MS-ERREF 2.3.1).
type Status uint32

// Statuses of sign-ins by network.
const (
	StatusSuccess            Status = 0
	StatusNoSuchUser         Status = 0xC0000064
	StatusWrongPassword      Status = 0xC000006A
	StatusLogonFailure       Status = 0xC000006D // what clients hear of the two above
	StatusAccountRestriction Status = 0xC000006E
	StatusPasswordExpired    Status = 0xC0000071
	StatusAccountDisabled    Status = 0xC0000072
	StatusInternalError      Status = 0xC00000E5
	StatusTimeDifference     Status = 0xC0000133
	StatusAccountExpired     Status = 0xC0000193
	StatusPasswordMustChange Status = 0xC0000224
)

var statuses = map[Status]struct{ name, sentence, hint string }{
	StatusSuccess:            {"STATUS_SUCCESS", "The answer is good.", ""},
	StatusNoSuchUser:         {"STATUS_NO_SUCH_USER", "The domain has no such account.", "Check the user name and the domain before it."},
	StatusWrongPassword:      {"STATUS_WRONG_PASSWORD", "The password is wrong.", "Check the password."},
	StatusLogonFailure:       {"STATUS_LOGON_FAILURE", "The user name or the password is wrong.", "Check both; the trace says which of them it is."},
	StatusAccountRestriction: {"STATUS_ACCOUNT_RESTRICTION", "The account may not sign in with NTLM.", "Members of Protected Users, and accounts that need a smart card, sign in with Kerberos."},
	StatusPasswordExpired:    {"STATUS_PASSWORD_EXPIRED", "The password has expired.", "Change the password."},
	StatusAccountDisabled:    {"STATUS_ACCOUNT_DISABLED", "The account is disabled.", "Enable the account."},
	StatusInternalError:      {"STATUS_INTERNAL_ERROR", "The domain could not verify the answer.", "Read the log."},
	StatusTimeDifference:     {"STATUS_TIME_DIFFERENCE_AT_DC", "The answer was made at another time than the domain's.", "Set the client's clock."},
	StatusAccountExpired:     {"STATUS_ACCOUNT_EXPIRED", "The account has expired.", "Set the account's expiry."},
	StatusPasswordMustChange: {"STATUS_PASSWORD_MUST_CHANGE", "The password must be changed before the first sign-in.", "Change the password."},
}

// Name is the status's name in MS-ERREF, its number where this package has none.
func (s Status) Name() string {
	if known, ok := statuses[s]; ok {
		return known.name
	}
	return s.String()
}

// Sentence says what the status means, Hint what to do.
func (s Status) Sentence() string {
	if known, ok := statuses[s]; ok {
		return known.sentence
	}
	return "The domain refused the answer with " + s.String() + "."
}

// Hint is what to do next; empty where nothing is.
func (s Status) Hint() string { return statuses[s].hint }

func (s Status) String() string { return fmt.Sprintf("0x%08X", uint32(s)) }

// ForClient is what a client may hear: not whether it was the name or the
// password that is wrong.
func (s Status) ForClient() Status {
	if s == StatusNoSuchUser || s == StatusWrongPassword {
		return StatusLogonFailure
	}
	return s
}
