package directory

import (
	"slices"

	"hellolab/providers/wire/sid"
)

// Requester is who asks for an operation. The zero Requester is anonymous.
type Requester struct {
	SID    sid.SID
	Groups []sid.SID // every group it is in, the domain's and well-known ones
	From   string    // address of its connection, for the journal
	Name   string    // DOMAIN\name, for the journal
	Sealed bool      // nobody can read the connection: secrets may be written on it
}

// Anonymous says whether nobody has signed in.
func (r *Requester) Anonymous() bool { return r.SID.IsZero() }

func (r *Requester) in(groups ...sid.SID) bool {
	return slices.ContainsFunc(groups, func(g sid.SID) bool { return slices.Contains(r.Groups, g) })
}

// rights are what requesters may do. They are the default security descriptors
// of AD's schema, reduced to whom they tell apart (MS-ADTS 5.1.3, 7.1.1):
//
//	Domain Admins, Enterprise Admins, Administrators   everything
//	whom the object's list grants it                   write msDS-KeyCredentialLink and userCertificate
//	the account itself                                 its personal attributes; of a computer, validated, its
//	                                                   DNS name, service names and certificate
//	Replicator                                         read accounts' secrets, by replication
//	whom CN=RegisteredDevices names in managedBy       add, write and delete the devices in it; write
//	                                                   msDS-CloudIssuerPublicCertificates of their service
//	every account of the domain                        read everything but secrets and Password Settings Objects
//	nobody in particular                               read the root DSE
//
// Lists (nTSecurityDescriptor) decide who writes keys and certificates of accounts:
// Key Admins and Enterprise Key Admins by entries of the domain's head object that
// its children inherit, Cert Publishers by an entry of each account's own, a computer
// of itself one validated key credential by an entry for SELF. An account that
// AdminSDHolder protects has its list, and inherits nothing: see ProtectDue. Of
// certificate templates the list is kept for their authorities to read: it says who
// may enroll. Elsewhere lists decide nothing: only administrators write them, and
// an administrator's rights are not taken away by one. In AD the right to
// replicate secrets is two control access rights on the domain's object, which
// an installer of Entra Connect grants to its account; here it is membership in
// the built-in group Replicator. The right to registered devices is an entry in
// the list of their container, which Initialize-ADSyncDeviceWriteBack makes; here
// it is the container's managedBy, which names an account or a group.
type rights struct {
	domain sid.SID
}

func (r rights) admin(who *Requester) bool {
	return who.SID == sid.LocalSystem || who.in(sid.Administrators, r.domain.Account(sid.RIDDomainAdmins), r.domain.Account(sid.RIDEnterpriseAdmins))
}

func (r rights) mayRead(who *Requester) bool { return !who.Anonymous() }

// mayManage says whether who may add, delete and rename objects.
func (r rights) mayManage(who *Requester) bool { return r.admin(who) }

// mayReplicate says whether who may read the secrets of accounts.
func (r rights) mayReplicate(who *Requester) bool { return r.admin(who) || who.in(sid.Replicator) }

// right is on what ground somebody may write an attribute.
type right int

const (
	noRight   right = iota
	anyValue        // as it likes
	validated       // what it is allowed to say of itself (MS-ADTS 3.1.1.5.3.1.1)
)

// selfWritten are the personal attributes that a user may write of itself
// ("Personal-Information" and its like).
var selfWritten = []string{"telephoneNumber", "title", "l", "st", "c", "initials"}

// mayWrite says on what ground who may write attribute of an account or another
// object, whatever its list says. self is whether the object is who's own.
func (r rights) mayWrite(who *Requester, attribute string, self, computer bool) right {
	switch {
	case r.admin(who):
		return anyValue
	case self && computer && slices.Contains([]string{"dNSHostName", "servicePrincipalName"}, attribute):
		return validated
	case self && computer && slices.Contains([]string{"userCertificate", "operatingSystem", "operatingSystemVersion", "msDS-SupportedEncryptionTypes", "description"}, attribute):
		return anyValue
	case self && slices.Contains(selfWritten, attribute):
		return anyValue
	}
	return noRight
}

// Administers says whether somebody may do everything in the domain.
func (d *Directory) Administers(who *Requester) bool { return d.rights.admin(who) }
