package spec

import (
	"time"

	"hellolab/providers"
)

// Sync is Entra Connect: one server that carries accounts up, and keys and, where
// it is asked to, devices down. Its cycles carry everything that has no schedule
// of its own.
type Sync struct {
	Tenant    providers.Ref `lab:"tenant,required,replace" ref:"tenant" doc:"Tenant that it synchronizes to."`
	Domain    providers.Ref `lab:"domain,required,replace" ref:"domain" doc:"Domain that it synchronizes from."`
	Interval  time.Duration `lab:"interval" default:"30m" doc:"Time between two cycles (Microsoft Entra Connect Sync: Scheduler)."`
	Enabled   bool          `lab:"enabled" default:"true" doc:"Whether cycles run by themselves; one can be run at any time."`
	Staging   bool          `lab:"staging" doc:"Import and synchronize, but export nothing."`
	KeyExport bool          `lab:"key_export" default:"true" doc:"Whether registered Hello keys are written to msDS-KeyCredentialLink."`
	KeyRight  bool          `lab:"key_writeback_right" default:"true" doc:"Whether its account may write keys (member of Key Admins)."`
	Scope     []string      `lab:"scope" doc:"Distinguished names of containers below which objects are synchronized; the whole domain when absent."`

	KeySchedule     *SyncSchedule `lab:"key_export_schedule,block" doc:"When keys are written, apart from the cycles; with each cycle when absent."`
	DeviceWriteback bool          `lab:"device_writeback" default:"false" doc:"Whether devices that are registered with the tenant are written to CN=RegisteredDevices in the domain. Federation services want it before they issue an enterprise token."`
	DeviceSchedule  *SyncSchedule `lab:"device_writeback_schedule,block" doc:"When devices are written, apart from the cycles; with each cycle when absent."`
}

// SyncSchedule is when one part of a synchronization runs.
type SyncSchedule struct {
	Interval *time.Duration `lab:"interval" doc:"Time between two runs; as the cycles' when absent."`
	Enabled  *bool          `lab:"enabled" doc:"Whether it runs by itself, true when absent. With false it is paused: it runs when it is asked to."`
}

// SyncOut is what a sync learns.
type SyncOut struct {
	Host      string `lab:"host,id" doc:"Host of the server."`
	Account   string `lab:"account" doc:"Its account in the domain."`
	Admin     string `lab:"admin_secret,sensitive" doc:"What the lab's administrator asks for a cycle with."`
	LastCycle string `lab:"last_cycle,volatile" doc:"When the last cycle ended, RFC 3339; empty before the first."`
	NextCycle string `lab:"next_cycle,volatile" doc:"When the next one is due; empty when cycles do not run by themselves."`

	LastKeyExport       string `lab:"last_key_export,volatile" doc:"When the last export of keys ended, in a cycle or by itself; empty before the first."`
	NextKeyExport       string `lab:"next_key_export,volatile" doc:"When the next one is due; empty when none runs by itself."`
	LastDeviceWriteback string `lab:"last_device_writeback,volatile" doc:"When the last write-back of devices ended, in a cycle or by itself; empty before the first."`
	NextDeviceWriteback string `lab:"next_device_writeback,volatile" doc:"When the next one is due; empty when none runs by itself."`
}

// Trust is a Hello deployment in a domain, with a tenant or on-premises: infrastructure,
// which policies turn on for people and devices.
type Trust struct {
	Type       string          `lab:"type,required,replace" enum:"key,certificate,cloud_kerberos" doc:"How a device proves a key to the domain: \"key\", the key itself, registered with the account; \"certificate\", a certificate of an enterprise CA for it; \"cloud_kerberos\", by a partial ticket that the tenant issues at the sign-in to it, with the key of a Kerberos server object in the domain (AzureADKerberos)."`
	Tenant     providers.Ref   `lab:"tenant,replace" ref:"tenant" doc:"Tenant that keys are registered with; absent in an on-premises deployment, where the federation service registers them."`
	Domain     providers.Ref   `lab:"domain,required,replace" ref:"domain" doc:"Domain that they are proven to."`
	Authority  providers.Ref   `lab:"authority" ref:"authority" doc:"Of key trust: the authority that certifies the domain's controllers. Of certificate trust: the one that issues sign-in certificates. Any that the domain has when absent."`
	Federation providers.Ref   `lab:"federation" ref:"federation" doc:"AD FS: the certificate registration authority of certificate trust, and in an on-premises deployment also what registers keys."`
	Delivery   string          `lab:"certificate_delivery" enum:"ra,mdm_scep" doc:"Of certificate trust: by whom sign-in certificates are delivered, the registration authority of AD FS or a SCEP profile of device management. Absent: by the former to members of the domain. Entra joined devices have one only where it is \"mdm_scep\"."`
	Allowed    []providers.Ref `lab:"allowed" ref:"group" doc:"Of cloud Kerberos trust: groups of the domain whose members get a full ticket for a partial one (msDS-RevealOnDemandGroup). Absent: Allowed RODC Password Replication Group and Domain Users."`
	Denied     []providers.Ref `lab:"denied" ref:"group" doc:"Of cloud Kerberos trust: groups whose members get none, which wins over allowed (msDS-NeverRevealGroup). Absent: Denied RODC Password Replication Group, Administrators, and the Account, Server and Backup Operators."`
	RecentMFA  bool            `lab:"accept_recent_mfa" doc:"Of certificate trust, and on premises: whether a second factor that is still current is enough to be provisioned with. By default the user is always asked for one: for these flows (P5 to P7) the seeds lack the sentence on the last ten minutes (reading R4)."`
	KeyVersion int             `lab:"key_version" default:"1" doc:"Of cloud Kerberos trust: announces a new key of the server object. Raise it, and apply rotates the key in the domain and in the tenant. Found to be 0 when the two do not have one key, or a part of the object is missing."`
}

// Values of Trust.Type.
const (
	TrustKey           = "key"
	TrustCertificate   = "certificate"
	TrustCloudKerberos = "cloud_kerberos"
)

// TrustOut is what a trust learns.
type TrustOut struct {
	ID      string `lab:"id,id" doc:"Name of the trust: its type, tenant and domain."`
	Missing string `lab:"missing,volatile" doc:"What a certificate trust stands on and is not there now, in sentences: the enrollment agent certificate of AD FS, the templates, the authority among NTAuthCertificates. Empty when all of it is."`
	Server  int    `lab:"server_number" follows:"key_version" doc:"Number of the Kerberos server object, which tickets under its key carry (msDS-SecondaryKrbTgtNumber); 0 without one."`

	// The versions grow together when the key is rotated, which needs no apply.
	DomainKey int `lab:"domain_key_version,volatile" doc:"Version of its key in the domain (msDS-KeyVersionNumber); 0 without one."`
	TenantKey int `lab:"tenant_key_version,volatile" doc:"Version of the copy that the tenant has; 0 without one."`
}
