package pac

import (
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/sid"
)

// Partial is the PAC of a partial ticket-granting ticket: what an issuer says of
// an account of which it knows the identifier and the name, and no group. Such
// an issuer is Entra ID, which holds a read-only domain controller's key. It is
// signed with that key for both, and the number of that controller. The domain's
// own KDC believes nothing of it but who the account is.
//
// client is the name of the ticket's client and authTime its time of
// authentication.
func Partial(account sid.SID, client string, authTime time.Time) *PAC {
	l := NewLogonInfo()
	l.LogonTime = filetime.From(authTime)
	l.EffectiveName = client
	l.UserID, l.PrimaryGroupID = account.RID(), sid.RIDDomainUsers
	l.LogonDomainID = account.Domain()
	l.UserAccountControl = samNormalAccount
	return &PAC{
		LogonInfo:  l,
		ClientInfo: &ClientInfo{ClientID: filetime.From(authTime), Name: client},
		Attributes: &Attributes{Flags: PACGivenImplicitly},
		Requestor:  account,
	}
}
