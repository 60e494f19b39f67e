package hello

import (
	"slices"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// registered checks a personal device with work accounts.
func (v *validation) registered(d *Device) {
	if d.In.JoinedBy != "" {
		v.problem(d.Addr, "joined_by", "joined_by_of_registered", "Nobody joins a registered device",
			"A registered device is its owner's already, and each work account registers it when it is added. Remove joined_by, and name the users in work_accounts.")
	}
	switch by := d.In.UnlockAccount; {
	case !d.Knows("unlock_account"):
	case by == spec.UnlockWork:
		v.problem(d.Addr, "unlock_account", "unlock_by_work_account", "Work account unlocks a personal device",
			"A registered device is unlocked by a Microsoft account or a local one; only a joined device is unlocked by work accounts. Set unlock_account to \"microsoft\" or \"local\", or join to \"entra\".")
	case UnlockAccount(d.In) != spec.UnlockMicrosoft && d.UnlockPIN != nil:
		v.problem(d.Addr, "unlock_pin", "unlock_pin_without_microsoft_account", "PIN without Microsoft account",
			"unlock_pin is what the Microsoft account's owner chooses, and the device is unlocked by a local account. Remove unlock_pin, or set unlock_account to \"microsoft\".")
	case d.UnlockPIN != nil && !d.Exists():
		for _, broken := range DefaultPINRules().Check(*d.UnlockPIN) {
			v.problem(d.Addr, "unlock_pin", broken.Rule, "PIN against Windows' rules", "%s Choose another PIN.", broken.Sentence)
		}
	}
	v.workAccounts(d)
}

// unlock checks that a device that is not registered has nothing of one that is.
func (v *validation) unlock(d *Device) {
	if len(d.In.WorkAccounts) > 0 {
		v.problem(d.Addr, "work_accounts", "work_accounts_unregistered", "Work accounts on a device that is not registered",
			"Work accounts are added to registered devices; join is %q here. Remove work_accounts, or set join to \"registered\".", d.In.Join)
	}
	can, why := []string{spec.UnlockWork}, "a joined device is unlocked by the work accounts of its tenant"
	if d.In.Join == string(NotJoined) {
		can, why = []string{spec.UnlockMicrosoft, spec.UnlockLocal}, "a device that is joined to nothing knows no work account"
	}
	if by := d.In.UnlockAccount; by != "" && !slices.Contains(can, by) {
		v.problem(d.Addr, "unlock_account", "unlock_account_of_join", "Account cannot unlock the device",
			"unlock_account is %q, and %s. Remove unlock_account, or set join to \"registered\".", by, why)
	}
	if d.UnlockPIN != nil {
		v.problem(d.Addr, "unlock_pin", "unlock_pin_unregistered", "PIN without effect",
			"unlock_pin is for registered devices; elsewhere each enrollment brings its own PIN. Remove it.")
	}
}

func (v *validation) workAccounts(d *Device) {
	if !d.Knows("work_accounts", "tenant") {
		return
	}
	if len(d.In.WorkAccounts) == 0 {
		v.problem(d.Addr, "work_accounts", "registered_without_work_account", "No work account",
			"A device is registered by adding a work account, and none is named. Set work_accounts, or set join to \"none\".")
		return
	}
	seen, ofTenant := map[providers.Ref]bool{}, map[providers.Ref]string{}
	whole := true // every account, and its tenant, is known
	for _, ref := range d.In.WorkAccounts {
		if seen[ref] {
			v.problem(d.Addr, "work_accounts", "work_account_twice", "Work account added twice", "%s is named twice. Remove one.", ref)
			continue
		}
		seen[ref] = true
		u := v.Users[string(ref)]
		if u == nil || !u.Knows("tenant") {
			whole = false
			continue
		}
		if other, taken := ofTenant[u.In.Tenant]; taken {
			v.problem(d.Addr, "work_accounts", "work_accounts_of_one_tenant", "Two work accounts of one tenant",
				"%s and %s both live in %s; the lab keeps one work account of each tenant on a device. Remove one of them.", other, u.Addr, u.In.Tenant)
			continue
		}
		ofTenant[u.In.Tenant] = u.Addr
		if !d.Exists() {
			v.addable(d, u)
		}
	}
	if _, ok := ofTenant[d.In.Tenant]; !ok && whole && d.In.Tenant != "" {
		v.problem(d.Addr, "tenant", "tenant_of_no_work_account", "No work account of the tenant",
			"No work account of the device lives in %s, so the device is not registered there. Name the tenant of one of its work accounts.", d.In.Tenant)
	}
}

// addable checks what a work account needs to be added.
func (v *validation) addable(d *Device, u *User) {
	if !u.In.EnabledInTenant && u.Knows("enabled_in_tenant") {
		v.problem(d.Addr, "work_accounts", "work_account_disabled", "Disabled user",
			"%s is disabled, so the tenant would refuse the sign-in that registers the device (AADSTS50057). Enable it, or remove it from work_accounts.", u.Addr)
	}
	if !u.HasPassword {
		v.problem(d.Addr, "work_accounts", "work_account_without_password", "User without password",
			"%s must sign in with a password to be added to the device. Set password on the user.", u.Addr)
	}
}
