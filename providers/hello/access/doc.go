// Package access decides, without asking any system, how a sign-in ends: for a
// user on a device, to the tenant, an application, a domain or a service of it.
// It is what previews are made of. The systems never call it; that what it says
// is what they do is for a test to show, which runs the real sign-ins.
//
// A decision needs a hello.World, what is declared, and Facts, what the systems
// hold beside it: keys, certificates, sessions, passwords' ages. Package survey
// reads Facts of a lab. Of a lab that is only planned, Planned derives them from
// those of today; of a later time, Facts.Later does.
//
// # What it decides
//
//	A1   sign-in on an Entra joined or registered device, by key or password
//	A2   from there to the domain, by a partial ticket of the tenant's
//	A3   from there to the domain, by the key
//	A5   sign-in on a hybrid joined device, to the tenant and with its partial
//	     ticket to the domain
//	A6   the same by the key, or the password, with the token behind the desktop
//	A4   from an Entra joined device to the domain, by a certificate for the key
//	A7   sign-in on a hybrid joined device by a certificate for the key
//	A8   sign-in on a domain joined device, by the key or a certificate, with the
//	     token of AD FS behind the desktop
//	APP  applications from a device that is joined to nothing
//
// to the tenant, to its applications with conditional access, to a domain and
// to its services by Kerberos and NTLM. Of other flows the verdict is Unknown:
// it says so, and never that nothing changes.
//
// # What it does not know
//
// That a gesture is right, that hosts answer, that a TPM works: what nobody
// declares to be otherwise. Where several controllers differ and chance picks
// one, the verdict is Degraded.
package access
