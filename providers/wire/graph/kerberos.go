package graph

// KerberosServer is what a tenant's Entra Kerberos holds of a domain: the copy
// of the key of a read-only domain controller that stands for the tenant there.
// The resource is the lab's; the cloud's interface for it is not public. Its
// values are those that Get-AzureADKerberosServer shows of the tenant's side
// (CloudId, CloudKeyVersion, CloudKeyUpdatedOn).
type KerberosServer struct {
	Domain     string `json:"domainDnsName,omitempty"`
	ID         uint16 `json:"id"`                     // msDS-SecondaryKrbTgtNumber
	KeyVersion uint32 `json:"keyVersion"`             // msDS-KeyVersionNumber
	KeyUpdated string `json:"keyUpdatedOn,omitempty"` // when the tenant got the key; it says so itself
	Key        []byte `json:"key,omitempty"`          // of AES-256; written, never returned
}
