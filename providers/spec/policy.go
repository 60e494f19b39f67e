package spec

import "hellolab/providers"

// Policy is a Windows Hello for Business policy, the PassportForWork settings
// and the two that only group policy has. Names are the CSP's.
type Policy struct {
	Assign                       []providers.Ref         `lab:"assign" ref:"group,user,device" doc:"Whom it reaches; everyone when absent."`
	Source                       string                  `lab:"source" default:"mdm" enum:"mdm,gpo,tenant_wide" doc:"Where it comes from; group policy wins over a profile of device management (MDM). The tenant-wide policy of Intune loses to both, reaches every device of a tenant, and that only when it is enrolled: later edits do not reach it."`
	Scope                        string                  `lab:"scope" default:"device" enum:"device,user" doc:"Computer or user settings; user wins setting by setting."`
	Trust                        providers.Ref           `lab:"trust" ref:"trust" doc:"Trust that the policy turns on: short for the switch that its type needs."`
	UseCloudTrustForOnPremAuth   *bool                   `lab:"use_cloud_trust_for_on_prem_auth" doc:"Prove the key to the domain by cloud Kerberos trust."`
	UseCertificateForOnPremAuth  *bool                   `lab:"use_certificate_for_on_prem_auth" doc:"Prove the key to the domain by a certificate; wins over cloud Kerberos trust. With neither, the key itself is proven."`
	UsePassportForWork           *bool                   `lab:"use_passport_for_work" doc:"Whether Hello is provisioned. Unset: on for Entra joined devices."`
	DisablePostLogonProvisioning *bool                   `lab:"disable_post_logon_provisioning" doc:"Do not start provisioning after sign-in; unset: false."`
	RequireSecurityDevice        *bool                   `lab:"require_security_device" doc:"Only devices with a usable TPM may provision; unset: false, and true in a tenant-wide policy."`
	ExcludeSecurityDevices       *ExcludeSecurityDevices `lab:"exclude_security_devices,block" doc:"Modules that do not count as a TPM."`
	EnablePINRecovery            *bool                   `lab:"enable_pin_recovery" doc:"Keep a secret by which the PIN reset service resets a forgotten PIN without loss of keys; unset: false."`
	ProvisionForSecurityKeys     *bool                   `lab:"enable_windows_hello_provisioning_for_security_keys" doc:"Start provisioning also after a sign-in with a security key; unset: false. Windows 11."`
	HelloCertificatesAsSmartCard *bool                   `lab:"use_hello_certificates_as_smart_card_certificates" doc:"Show certificates of Hello as those of a smart card; unset: false."`
	TurnOffSmartCardEmulation    *bool                   `lab:"turn_off_smart_card_emulation" doc:"Do not show Hello as a smart card at all; unset: false. Computer settings of group policy only."`
	EnumerateEmulatedSmartCards  *bool                   `lab:"allow_enumeration_of_emulated_smart_card_for_all_users" doc:"Show every user the emulated smart cards of all, for two accounts of one person; unset: false. Computer settings of group policy only."`
	PINComplexity                *PINComplexity          `lab:"pin_complexity,block" doc:"What a PIN must look like, and how long it is good."`
	Biometrics                   *Biometrics             `lab:"biometrics,block" doc:"Biometric gestures."`
	DeviceUnlock                 *DeviceUnlock           `lab:"device_unlock,block" doc:"Multi-factor unlock: one factor of each group, never one twice."`
	DynamicLock                  *DynamicLock            `lab:"dynamic_lock,block" doc:"Lock the device when its user is away."`
	SecurityKey                  *SecurityKey            `lab:"security_key,block" doc:"Security keys (FIDO2)."`
	Remote                       *Remote                 `lab:"remote,block" doc:"Phone sign-in."`
}

// PINComplexity is the PINComplexity node of the CSP. Letters, special
// characters and digits are "allow", "require" or "forbid".
type PINComplexity struct {
	MinimumPINLength  *int   `lab:"minimum_pin_length" doc:"4 to 127; unset: 4, and 6 by group policy or in a tenant-wide policy. When the two lengths are no valid pair, Windows ignores both."`
	MaximumPINLength  *int   `lab:"maximum_pin_length" doc:"4 to 127, above the minimum; unset: 127."`
	UppercaseLetters  string `lab:"uppercase_letters" enum:"allow,require,forbid" doc:"Upper-case letters; unset behaves as forbid, by group policy as allow."`
	LowercaseLetters  string `lab:"lowercase_letters" enum:"allow,require,forbid" doc:"Lower-case letters; unset behaves as forbid, by group policy as allow."`
	SpecialCharacters string `lab:"special_characters" enum:"allow,require,forbid" doc:"Special characters; unset behaves as forbid, by group policy as allow."`
	Digits            string `lab:"digits" enum:"allow,require,forbid" doc:"Digits; unset behaves as require, by group policy as allow."`
	History           *int   `lab:"history" doc:"How many former PINs may not come back, the present one among them: 0 to 50; unset: 0, and 5 in a tenant-wide policy."`
	Expiration        *int   `lab:"expiration" doc:"Days after which a PIN must be changed, 0 to 730; 0: never. Unset: 0, and 41 in a tenant-wide policy."`
}

// Biometrics is the Biometrics node of the CSP.
type Biometrics struct {
	UseBiometrics        *bool `lab:"use_biometrics" doc:"Whether biometric gestures may be used; unset means yes."`
	EnhancedAntiSpoofing *bool `lab:"facial_features_use_enhanced_anti_spoofing" doc:"Take a face only from a camera that can tell a picture from a person; unset: false."`
	ESSPeripherals       *bool `lab:"enable_ess_with_supported_peripherals" doc:"Enhanced Sign-in Security: built-in sensors only, those that are plugged in are blocked; unset: true. Windows 11."`
}

// ExcludeSecurityDevices is the ExcludeSecurityDevices node of the CSP.
type ExcludeSecurityDevices struct {
	TPM12 *bool `lab:"tpm12" doc:"Do not use a TPM of version 1.2; unset: false."`
}

// DeviceUnlock is the DeviceUnlock node of the CSP. Factors are "pin",
// "fingerprint", "face" and "trusted_signal", or the GUIDs that Windows has for
// them.
type DeviceUnlock struct {
	GroupA  []string `lab:"group_a" doc:"First factors: \"pin\", \"fingerprint\", \"face\", or their GUIDs; all three when absent."`
	GroupB  []string `lab:"group_b" doc:"Second factors: the same, and \"trusted_signal\"; \"trusted_signal\" and \"pin\" when absent."`
	Plugins string   `lab:"plugins" doc:"Rules of the trusted signal, XML as in the CSP: rule elements, of which one must hold, with signals of type ipConfig, wifi or bluetooth."`
}

// DynamicLock is the DynamicLock node of the CSP.
type DynamicLock struct {
	DynamicLock *bool  `lab:"dynamic_lock" doc:"Lock when the signal is lost; unset: false. It never affects who can sign in."`
	Plugins     string `lab:"plugins" doc:"Rule of the signal, XML as in the CSP."`
}

// SecurityKey is the SecurityKey node of the CSP.
type SecurityKey struct {
	UseForSignin *bool `lab:"use_security_key_for_signin" doc:"Let security keys sign in to Windows; unset: false."`
}

// Remote is the Remote node of the CSP.
type Remote struct {
	UseRemotePassport *bool `lab:"use_remote_passport" doc:"Let a phone be used as a companion device; unset: false."`
}

// Values of Policy.Source.
const (
	SourceMDM        = "mdm"
	SourceGPO        = "gpo"
	SourceTenantWide = "tenant_wide"
)
