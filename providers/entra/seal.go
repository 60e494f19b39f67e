package entra

import (
	"io"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sealed"
)

// newSealer returns what seals a tenant's primary refresh tokens, refresh tokens,
// codes and states of sign-in pages. Each text begins with the tenant's id: where
// several tenants answer on one host, it says whose it is (tenantOf).
func newSealer(tenant guid.GUID, master []byte, rand io.Reader) *sealed.Sealer {
	return sealed.New("tenant", tenant[:], master, rand)
}

// Purposes: a token sealed for one does not open as another.
const (
	purposePRT     = "prt"
	purposeRefresh = "refresh"
	purposeCode    = "code"
	purposeDevice  = "device code"
	purposeSubject = "subject"
	purposeFlow    = "flow"
	purposeAIK     = "aik"
	purposeNonce   = "nonce"
	purposeGuess   = "guess"
	purposeDelta   = "delta"
	purposePIN     = "pin reset"

	purposeKerberos      = "kerberos server" // keys of domains
	purposeCloudKerberos = "cloud krbtgt"
)
