package main

import (
	"flag"
	"fmt"

	"hellolab/cmd/hellolab/internal/reference"
)

// manual is what help and docs/cli.md tell of a command beyond its line in the
// table and its flags.
type manual struct {
	detail   string
	exits    []reference.Exit // besides 1, which is a mistake or a failure everywhere
	examples []string
}

// manuals returns the manual of every command, by name.
func manuals() map[string]manual {
	return map[string]manual{
		"init": {
			detail:   "An empty lab is one file, `main.lab.hcl`. Existing files are never overwritten; a folder that is a lab already gets what it lacks, a `.gitignore`.",
			examples: []string{"hellolab init -example entra-joined mylab", "hellolab init mylab"},
		},
		"fmt": {
			detail:   "A folder stands for its files of the language; `-` for standard input, formatted to standard output. The names of files that change are printed.",
			exits:    []reference.Exit{{Code: "3", When: "with `-check`, something would change"}},
			examples: []string{"hellolab fmt", "hellolab fmt -check -diff -recursive", "hellolab fmt -"},
		},
		"validate": {
			detail:   "Variables may be without a value. The state is not opened.",
			examples: []string{"hellolab validate", "hellolab validate -json"},
		},
		"plan": {
			detail:   "What changed behind the state's back comes first, then what would be done, then outputs, then the sign-ins that change: of each enrollment to Windows, the tenant, its applications, and the user's domain and its services, and the unlock of a session where it ends otherwise than a sign-in, NOW and AFTER an apply of the plan, or by the time of -at. WHY ends with the row of the table of effects, the phase and the code of a refusal, and what stands behind it: D, documents; I, inferred from them; C, reports from the field; ?, ours.",
			exits:    []reference.Exit{{Code: "2", When: "with `-detailed-exitcode`, there are changes, or sign-ins that change"}},
			examples: []string{"hellolab plan", "hellolab plan -out=next.plan", "hellolab plan -detailed-exitcode -concise", "hellolab plan -at=+30d", "hellolab plan -format=markdown"},
		},
		"apply": {
			detail:   "Without a plan file it plans, shows the plan and asks. After its steps it does what lab time has made due; what of that fails is a warning. It ends with the outputs and the verdicts of the checks, which are warnings here. The state is backed up before anything changes. An apply that was cut off is settled by the next one.",
			examples: []string{"hellolab apply", "hellolab apply -auto-approve -var-file=ci.labvars.hcl", "hellolab apply next.plan"},
		},
		"destroy": {
			detail:   "The same as `apply -destroy`. It needs no files: a folder that has none destroys what the state holds.",
			examples: []string{"hellolab destroy", "hellolab destroy -auto-approve"},
		},
		"check": {
			detail:   "Each check runs on a view of its own that is thrown away: a wrong PIN in a check counts nowhere. Without names all checks run. A fault named by `-with` is on in every check, besides the check's own: what fails then is what it costs. With `-at` every check begins at that time, and its own `after` counts from there.",
			exits:    []reference.Exit{{Code: "1", When: "a check did not end as it expects"}},
			examples: []string{"hellolab check", "hellolab check -junit=checks.xml alice_signs_in", "hellolab check -with=tenant_down", "hellolab check -at=30d"},
		},
		"test": {
			detail:   "Test files are those whose names end in `.labtest.hcl`, in the lab folder and in its folder `tests`. The runs of a file follow each other on a lab that begins with nothing and is thrown away; files run side by side. The state is neither read nor written. What happened is recorded: `hellolab trace` shows it.",
			exits:    []reference.Exit{{Code: "1", When: "a run did not end as it expects, or could not be run"}},
			examples: []string{"hellolab test", "hellolab test -filter=main.labtest.hcl -junit=tests.xml", "hellolab test -json"},
		},
		"signin": {
			detail:   "Tokens land in the device's caches, and a wrong PIN counts. USER and DEVICE are addresses. Without USER it is the owner of a registered device who unlocks it, which involves no tenant. With no way to sign in given, the PIN is asked for. Where policy asks for a new PIN, or the domain for a new password, the sign-in ends there unless it is given (-new-pin, -new-password). With -ccache the session's tickets of a domain are written to a file of the owner's alone, which programs of MIT's and Heimdal's take as their cache; one that exists is not replaced.",
			exits:    []reference.Exit{{Code: "1", When: "the sign-in was refused"}},
			examples: []string{"hellolab signin user.alice device.laptop", "hellolab signin user.alice device.laptop -pin=env:PIN", "hellolab signin user.alice device.laptop -gesture=face", "hellolab signin user.alice device.laptop -to=domain.corp -ccache=alice.cc"},
		},
		"pin change": {
			detail:   "Windows' sign-in options: the old PIN opens the container, and its protector gets a new seal. Keys, registration and other gestures stay, and nobody outside the device hears of it. The new PIN must be what policy wants, and none of the last that it remembers. Which sign-ins that changes is shown first, by doing it on a throwaway view of the state. The configuration goes on naming the old PIN, which only a new enrollment reads; checks that sign in with it are refused from then on.",
			exits:    []reference.Exit{{Code: "1", When: "the change was refused"}},
			examples: []string{"hellolab pin change user.alice device.laptop", "hellolab pin change user.alice device.laptop -pin=env:PIN -new-pin=env:NEW_PIN"},
		},
		"pin reset": {
			detail:   "\"I forgot my PIN\". Where policy had the PIN reset service take part (enable_pin_recovery), the service opens the container for a user who proves two factors: keys are kept and wrapped anew. Else, or with -destructive, the provisioning flow runs again: another container, another key, which takes the place of the old one in the tenant. With key trust the domain takes the new key after the next cycle of Connect, and has the old one until then. From the lock screen, that is without an unlocked session, the password is needed, and a hybrid joined device with key trust allows no destructive reset. Which sign-ins it changes is shown first, by doing it on a throwaway view of the state.",
			exits:    []reference.Exit{{Code: "1", When: "the reset was refused"}},
			examples: []string{"hellolab pin reset user.alice device.laptop", "hellolab pin reset user.alice device.laptop -new-pin=env:NEW_PIN -password=env:PASSWORD"},
		},
		"password change": {
			detail:   "Ctrl+Alt+Del on a computer of the domain, with a controller in sight. The tenant hears of it from Connect's next cycle. Which sign-ins it changes is shown first. Another way is `signin -password -new-password`, where the domain asks for a new one. The configuration goes on naming the old password: nothing is planned for it until password_version grows, and checks that sign in with it are refused.",
			exits:    []reference.Exit{{Code: "1", When: "the change was refused"}},
			examples: []string{"hellolab password change user.alice", "hellolab password change user.alice -device=device.desk -password=env:PASSWORD -new-password=env:NEW_PASSWORD"},
		},
		"revoke sessions": {
			detail:   "Microsoft Graph's revokeSignInSessions: primary refresh tokens and refresh tokens of the user are void at once, on every device. Access tokens stay good until they end, unless an application asks the tenant. Hello keys, and tickets of a domain, are not touched: the next sign-in brings new tokens. Which sign-ins it changes, and which stay open, is shown first.",
			examples: []string{"hellolab revoke sessions user.alice"},
		},
		"revoke certificate": {
			detail: "THUMBPRINT is the SHA-1 of a certificate that an authority of the lab issued, or its serial number, or the first 8 digits or more of either; `-list` lists them. " +
				"It is revoked at once, as certutil -revoke does, and nobody learns of it before a list says so: the next that is due, or with `-publish` one that is published now. Who holds an older list or OCSP answer may take the certificate until that ends; when that is, is told. " +
				"Which sign-ins change is shown first, as they are once everybody has the new list: with a controller's certificate, those that it proves itself in. " +
				"A controller that lost its certificate gets another one when its template is set to \"none\", applied, set back and applied. Only certificateHold can be revoked again, for another reason; of what is revoked for good `-publish` publishes the list. " +
				"The JSON has thumbprint, serial, authority, template, requester, not_after; reason, revoked_at; with a revocation also published, listed_from and refused_by. `-list -json` is an array of them.",
			examples: []string{"hellolab revoke certificate -list", "hellolab revoke certificate 3F9A0C71 -publish", "hellolab revoke certificate 3F9A0C71 -reason=superseded -json -auto-approve"},
		},
		"mfa list": {
			detail:   "USER is an address; without it, all users whose mfa is \"push\". The number is not listed: who approves must see the sign-in page.",
			examples: []string{"hellolab mfa list", "hellolab mfa list user.alice -json"},
		},
		"mfa approve": {
			detail:   "For clients from outside that sign in on the tenant's page; whoever signs in at a device of the lab answers by themselves. NUMBER is what the page shows. A wrong one ends the sign-in, and counts.",
			exits:    []reference.Exit{{Code: "1", When: "the approval was not heard"}},
			examples: []string{"hellolab mfa approve user.alice 42", "hellolab mfa approve user.alice 42 -id=0b7b1e4c-7f3f-4f9b-8a51-2f6a9c1d4e10"},
		},
		"mfa deny": {
			exits:    []reference.Exit{{Code: "1", When: "the denial was not heard"}},
			examples: []string{"hellolab mfa deny user.alice"},
		},
		"mfa code": {
			detail:   "The code is that of the lab's clock. Each works once, for about a minute.",
			examples: []string{"hellolab mfa code user.alice"},
		},
		"serve": {
			detail: "Each host of the lab gets a loopback address of its own for life, and its ports are bound there, each for TCP, UDP or both, or 10,000 higher where that may not be; a proxy beside them connects to hosts of the lab and nowhere else. The folder of `-export` holds `ca.pem`, `hosts` (for /etc/hosts), `env` (for a shell) and, written last, `lab.json`. " +
				"With a domain it also holds `krb5.conf`, `ldap.conf`, and PEM files of the authorities that the domain's directory publishes; its roots are in `ca.pem`, too. Kerberos clients are led to addresses. The URLs of `ldap.conf` have controllers' names where /etc/hosts knows them, else addresses, which do for passwords; LDAP by Kerberos or TLS needs the names. One program gets them without that file by nss_wrapper: `LD_PRELOAD=libnss_wrapper.so`, for which `env` names `hosts`. " +
				"The state is held meanwhile; `signin`, `pin`, `password`, `mfa`, `keys`, `revoke`, `status`, `sync`, `trust rotate` and `clock` in another shell run in the lab that is served. What lab time makes due, such as a certificate to renew, is done at the start and every minute. To interrupt it is to end it well.",
			examples: []string{"hellolab serve", "hellolab serve -hosts=microsoft -export=/tmp/lab", "hellolab serve -clock=wall -proxy=127.0.0.1:8443"},
		},
		"run": {
			detail:   "COMMAND gets the variables that `hellolab env` prints, and the signals that are sent to hellolab. Flags of hellolab stand before `--`.",
			exits:    []reference.Exit{{Code: "N", When: "COMMAND ended with N; 128 and more: by a signal; 126, 127: it could not be run, or was not found"}},
			examples: []string{"hellolab run -- sh -c 'curl -s $HELLOLAB_TENANT_CONTOSO_AUTHORITY/v2.0/.well-known/openid-configuration'", "hellolab run -hosts=microsoft -- ./mytests", "hellolab run -- sh -c 'kinit alice && kvno host/dc1'"},
		},
		"env": {
			detail:   "For `eval \"$(hellolab env)\"` while `hellolab serve` runs. KRB5_CONFIG, KRB5CCNAME and LDAPCONF lead to the first domain; tickets go to a cache in the export's folder, and your own stay. The proxy of a lab is for its hosts alone: in that shell nothing else is reached over HTTPS by programs that heed HTTPS_PROXY.",
			examples: []string{"hellolab env", "hellolab env -json"},
		},
		"status": {
			detail:   "What the device believes, without asking anybody: joined or not, its certificate or those of its work accounts, the domain it is a member of, and for one user the Hello key, the primary refresh token, tickets, and whether Hello would be offered. Sections, labels and their columns are dsregcmd's, so that what reads its output reads this. The container that NgcSet tells of is a logical group of keys: there is no file and no registry key to look for. -files lists the databases of the device's sensors where Windows has them, with what seals the key of each; the files are virtual, and their layout is the lab's. Fields the lab has no equal of are left out or blank: those of device management, and what is found only by asking (DeviceAuthStatus, KeySignTest, tests of the connection).",
			examples: []string{"hellolab status device.laptop", "hellolab status device.laptop -user=user.alice", "hellolab status -files device.laptop", "hellolab status -json device.laptop"},
		},
		"explain": {
			detail: "The policy in force with each value's origin (event 5003 of Windows' HelloForBusiness log), the flows chosen and why, the check that Windows makes before it offers Hello, each sign-in, and an unlock that ends otherwise, with every condition in the order in which the systems check them, and what an administrator's steps against the credential would end. What is not met says why, and what would have to change. " +
				"Where the lab holds the user and the device, that is read from its systems: tenants over Graph, domains over LDAP, the device itself. Else, or with -planned, it is what would hold once the files are applied. With -at, what is due by then is done first, on a view that is thrown away. Nothing changes, and a state that an apply or a serve holds is read meanwhile; of a lab served with -clock=wall it is what the state holds. " +
				"The JSON has user, device, at, applied; policy (settings: name, value, level, policy, default, overridden), choice (join, deployment, authentication, trust, provisioning, sign_in, domain, why), provisioning (enrolled, will_provision, event, device_event, checks, deployment), sign_ins (to, \"\" for Windows; flow, verdict, reason, phase, conditions, remarks), endings (step, how, ways) and gaps. A condition has name, needs, verdict (met, not_met, partly, later, asks, unknown), code, status, why, mend, at and event. Verdicts of sign-ins are allowed, degraded, at_risk, refused, none and unknown.",
			examples: []string{"hellolab explain user.alice device.laptop", "hellolab explain user.alice device.laptop -to=domain.corp -at=30m", "hellolab explain -planned -json user.alice device.laptop"},
		},
		"timeline": {
			detail: "With no change at all: every sign-in of each enrollment is decided as it is now and at each time at which something ends, up to -until, and those that change are told, with how they end from then on, why, and what helps. " +
				"What ends is the life of certificates, PINs, passwords, accounts, tickets and cached logons; changes within five minutes are told together. What the lab does by itself ends nothing and is listed apart: renewals of KDC certificates, revocation lists, cycles of Connect; and so is what has been stopped of it. A primary refresh token is renewed by each sign-in; the session that nobody renews ends with it. " +
				"The marks after WHY are those of `plan`. Nothing changes, and a state that an apply or a serve holds is read meanwhile; of a lab served with -clock=wall it is what the state holds. " +
				"The JSON has now, until, enrollments, changed_enrollments, sign_ins, undecided_sign_ins; events (from, through, and the members of a row of the plan's impact, with mend); renewed (at, address, controller, ends), upkeep (address, what, runs, every, next, last, why), sessions (user, device, ends) and gaps.",
			examples: []string{"hellolab timeline", "hellolab timeline -until=+365d", "hellolab timeline -until=2028-02-29 -json"},
		},
		"events": {
			detail: "Three logs of Windows, under Applications and Services Logs, Microsoft, Windows. user-device-registration: registration of the device and of Hello keys, each with what the service said when it refused. " +
				"aad: authentication of users to the tenant, primary refresh tokens and refused tokens, each with the tenant's code; errors are in its Operational channel, the rest in the Analytic one. helloforbusiness: policy, prerequisites, provisioning and sign-ins of Windows Hello for Business. " +
				"The oldest entry comes first, in lab time. " +
				"Every entry comes of a recorded step, and names the flow for `hellolab trace`. Checks and tests run on a copy of the device and leave none. " +
				"Recordings outlive the lab they were made in, and a device that is replaced under its name.",
			examples: []string{"hellolab events device.laptop", "hellolab events -log=aad device.laptop", "hellolab events -json -log=helloforbusiness device.laptop"},
		},
		"keys": {
			detail: "USER is an address, a UPN or DOMAIN\\name; without it, every account that has a key. Domains are read over LDAP, tenants over Graph. " +
				"Marks: `malformed`, a value that domain controllers pass over, with the reason; `weak`, a key that can be broken; `foreign`, a user's key that neither a synchronization nor AD FS wrote: its source is the domain itself, and its device none that AD FS registered, or the tenant has it for another account. " +
				"Between a tenant and a domain that are synchronized: `synced`, a key that both have; `waiting for sync`, one that the domain has not got yet, or will not get, with the reason; `orphaned`, one that the tenant does not have any more, or whose device is gone.",
			examples: []string{"hellolab keys", "hellolab keys user.alice", "hellolab keys -json 'CORP\\alice'"},
		},
		"keys revoke": {
			detail: "Before anything is asked it is done on a view that is thrown away, and told: which sign-ins end, on which devices of the user the rest stay open, and which come back by themselves, as when Connect writes a key again that the tenant still has. " +
				"With DEVICE it is the key of the user's enrollment there; else ID names one in a domain by its first 8 digits or more, also one that is of no device. What the other directory has of the key stays there, and running sessions keep tickets and tokens until they end.",
			examples: []string{"hellolab keys revoke user.alice device.laptop -from=both", "hellolab keys revoke user.alice -key=3f9a0c71b2d4", "hellolab keys revoke alice@corp.contoso.com -key=3f9a0c71b2d4 -from=ad -auto-approve"},
		},
		"inspect": {
			detail: "It works offline, on anything: what is read need not be of this lab. FILE is binary, PEM, base64 or JSON; `-` is standard input. " +
				"The first format that knows the input decodes it; tokens, certificates, keys, tickets and messages inside are decoded, too. " +
				"What was verified is said, with what, and so is what was not. With `-keytab`, Kerberos tickets are opened and their PACs checked. Private keys, session keys, the keys of a keytab and passwords are not shown; of long lists the first 64 entries are. Times are told from now, with `-lab` and `-device` from the lab's own. " +
				"The formats, in the order of asking:\n\n" + formatTable(),
			examples: []string{
				"hellolab inspect token.txt", "hellolab inspect -key=jwks.json -", "hellolab inspect -session-key=env:KEY reply.jwe",
				"hellolab inspect -keytab=service.keytab /tmp/krb5cc_1000", "hellolab inspect -key=ca.pem corp.crl",
				"hellolab inspect -lab prt.txt", "hellolab inspect -device=device.laptop",
			},
		},
		"sync run": {
			detail:   "A cycle runs on the server and is waited for; what it wrote is told, and what it could not write. ADDRESS is that of a sync; it may be left out where there is one. It works with `enabled = false`, too.",
			exits:    []reference.Exit{{Code: "1", When: "something was not synchronized"}},
			examples: []string{"hellolab sync run", "hellolab sync run sync.corp -initial", "hellolab sync run -json"},
		},
		"sync status": {
			detail:   "Each part of what the server does is told with its schedule: when it ran last and how that ended, and when it is due. ADDRESS is that of a sync; it may be left out where there is one.",
			examples: []string{"hellolab sync status", "hellolab sync status sync.corp -json"},
		},
		"trust rotate": {
			detail: "ADDRESS is that of a trust of type `cloud_kerberos`. The key of its Kerberos server object becomes another in the domain, and the tenant gets a copy at once, as Set-AzureADKerberosServer -RotateServerKey does; the versions before and after are told. " +
				"It also mends a key that differs in the two. Partial tickets that devices hold are good for as long as the domain takes the former key; the next sign-in to the tenant brings new ones. Which sign-ins that changes is shown first. The declared `key_version` stays as it is, and the next plan finds nothing to do.",
			examples: []string{"hellolab trust rotate trust.cloud", "hellolab trust rotate -impact=none trust.cloud", "hellolab trust rotate -json trust.cloud"},
		},
		"clock": {
			detail:   "Lab time is this machine's, moved by the offset that the state stores. While the lab is served it is the time of the services.",
			examples: []string{"hellolab clock", "hellolab clock -json"},
		},
		"clock advance": {
			detail: "The clock goes forward only, by a duration such as `30m`, `4h` or `90d`, or to a time such as `2028-02-29` or `2028-02-29T08:00:00Z`; at most to the year 2120. " +
				"What is due then is done at once, and told: certificates that are renewed, lists that are published, synchronization cycles. Of what was to happen several times meanwhile the last time is done. Trouble with it is a warning. " +
				"While the lab is served, its services move on without a restart; with `-clock=wall` nothing of it is kept. To try one sign-in later than now, `after` of a check leaves the clock alone.",
			examples: []string{"hellolab clock advance 30m", "hellolab clock advance 14d", "hellolab clock advance 2028-02-29", "hellolab clock advance -json 365d"},
		},
		"trace": {
			detail:   "ID is that of a flow, the beginning of it, or `last`. Recordings outlive the lab they were made in.",
			examples: []string{"hellolab trace", "hellolab trace last", "hellolab trace -json last", "hellolab trace -services"},
		},
		"show": {
			detail:   "Sensitive values are not shown.",
			examples: []string{"hellolab show", "hellolab show -json next.plan"},
		},
		"output": {
			examples: []string{"hellolab output", "hellolab output -raw login_host"},
		},
		"graph": {
			detail:   "It reads the files alone.",
			examples: []string{"hellolab graph", "hellolab graph -format=mermaid"},
		},
		"schema": {
			detail:   "The same as the tables of docs/language.md; for programs with `-json`.",
			examples: []string{"hellolab schema", "hellolab schema -json"},
		},
		"state list": {
			detail:   "ADDRESS is one object, `user.all` for all instances of a block, or a kind.",
			examples: []string{"hellolab state list", "hellolab state list user"},
		},
		"state show": {
			examples: []string{"hellolab state show device.laptop"},
		},
		"state mv": {
			detail:   "References of other objects follow. The state is backed up before. Rename the block in the files, too, or the next plan wants it back.",
			examples: []string{"hellolab state mv user.alice user.alicia"},
		},
		"state rm": {
			detail:   "The state is backed up before.",
			examples: []string{"hellolab state rm value.old"},
		},
		"state restore": {
			detail:   "BACKUP is a file that `-list` names; without it the newest that is whole is taken. The state that was there is kept beside.",
			examples: []string{"hellolab state restore -list", "hellolab state restore"},
		},
		"doctor": {
			detail: "It asks the services of the lab as clients do (Kerberos, TLS, revocation lists, LDAP) on a throwaway view of the state, and changes nothing: what is due is not done first. " +
				"Findings are errors when clients are refused, warnings when some are or soon will be, and notes when it matters to some only. " +
				"With `-outside` the ports that `hellolab serve` will bind and the hosts' names are tried on this machine, too.",
			exits:    []reference.Exit{{Code: "1", When: "an error was found"}},
			examples: []string{"hellolab doctor", "hellolab doctor -json -outside"},
		},
		"version": {
			examples: []string{"hellolab version", "hellolab version -json"},
		},
	}
}

// describe is a command as help and the reference tell of it.
func (e entry) describe() reference.Command {
	m := manuals()[e.name]
	return reference.Command{
		Name:     e.name,
		Usage:    e.usage(),
		Summary:  e.summary,
		Detail:   m.detail,
		Flags:    flagsOf(e.flagSet(e.new(), &session{}, new(bool))),
		Exits:    exitsOf(m.exits),
		Examples: m.examples,
	}
}

func exitsOf(special []reference.Exit) []reference.Exit {
	failed := "a mistake, or something failed"
	for i, e := range special {
		if e.Code == "1" {
			special, failed = special[:i:i], e.When+"; "+failed
		}
	}
	return append([]reference.Exit{{Code: "0", When: "done"}, {Code: "1", When: failed}}, special...)
}

// flagsOf lists the flags that are worth telling of.
func flagsOf(fs *flag.FlagSet) []reference.Flag {
	var out []reference.Flag
	fs.VisitAll(func(f *flag.Flag) {
		value, doc := flag.UnquoteUsage(f)
		if doc == "" {
			return
		}
		r := reference.Flag{Name: "-" + f.Name, Doc: doc}
		if value != "" {
			r.Name += "=" + value
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0s" && f.DefValue != "0" {
			r.Default = f.DefValue
		}
		out = append(out, r)
	})
	return out
}

func printUsage(s *session, c reference.Command) {
	s.printf("%s.\n\nUsage: %s\n\nFlags:\n", c.Summary, c.Usage)
	printFlags(s, c.Flags)
	s.printf("\nExit codes:\n")
	for _, e := range c.Exits {
		s.printf("  %s  %s\n", e.Code, e.When)
	}
	s.printf("\nExamples:\n")
	for _, e := range c.Examples {
		s.printf("  %s\n", e)
	}
}

func printFlags(s *session, flags []reference.Flag) {
	width := 0
	for _, f := range flags {
		width = max(width, len(f.Name))
	}
	for _, f := range flags {
		doc := f.Doc
		if f.Default != "" {
			doc += fmt.Sprintf(" (default %s)", f.Default)
		}
		s.printf("  %-*s  %s\n", width, f.Name, doc)
	}
}
