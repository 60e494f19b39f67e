# The faults of the scenarios. `hellolab check -with=NAME` tries one on every check.

fault "s01_sync_paused" {
  kind   = "sync_paused"
  target = sync.corp
}

fault "s02_kdc_certificate_missing" {
  kind   = "kdc_certificate_missing"
  target = domain.corp
}

fault "s02_expired_enrollment_down" {
  kind   = "enrollment_down"
  target = authority.issuing
}

fault "s02_clock_clock_skew" {
  kind   = "clock_skew"
  target = device.desk
  by     = "366d"
}

fault "s02_revoked_kdc_certificate_revoked" {
  kind   = "kdc_certificate_revoked"
  target = domain.corp
}

fault "s03_kdc_certificate_of_other_domain" {
  kind   = "kdc_certificate_of_other_domain"
  target = domain.corp
}

fault "s04_kdc_certificate_without_purpose" {
  kind   = "kdc_certificate_without_purpose"
  target = domain.corp
}

fault "s04_hybrid_kdc_certificate_without_purpose" {
  kind   = "kdc_certificate_without_purpose"
  target = domain.corp
}

fault "s05_revocation_unreachable" {
  kind   = "revocation_unreachable"
  target = authority.issuing
}

fault "s06_delta_lists_refused" {
  kind   = "delta_lists_refused"
  target = authority.issuing
}

fault "s07_controller_outdated" {
  kind   = "controller_outdated"
  target = domain.corp
  build  = "17763.300"
}

fault "s10_host_slow" {
  kind   = "host_slow"
  target = tenant.contoso
  delay  = "3m"
}

fault "s10_none_second_factor_missing" {
  kind   = "second_factor_missing"
  target = user.bo
}

fault "s12_container_deleted" {
  kind   = "container_deleted"
  target = enrollment.alice_desk
}

fault "s14_misconfigured" {
  kind   = "misconfigured"
  target = policy.hello
  set    = { require_security_device = true }
}

fault "s18_disabled_in_tenant" {
  kind   = "disabled_in_tenant"
  target = user.bo
}

fault "s18_device_disabled_in_tenant" {
  kind   = "disabled_in_tenant"
  target = device.laptop
}

fault "s19_misconfigured" {
  kind   = "misconfigured"
  target = tenant.contoso
  set    = { attestation = "required" }
}

fault "s24_controller_read_only" {
  kind       = "controller_read_only"
  target     = domain.corp
  controller = "dc2"
}

fault "s24_controller_off" {
  kind       = "controller_off"
  target     = domain.corp
  controller = "dc1"
}

fault "s25_kerberos_key_missing" {
  kind   = "kerberos_key_missing"
  target = trust.cloud
}

fault "s26_misconfigured" {
  kind   = "misconfigured"
  target = policy.cloud
  set    = { use_certificate_for_on_prem_auth = true }
}

fault "s27_misconfigured" {
  kind   = "misconfigured"
  target = policy.intune
  set    = { use_passport_for_work = false }
}

fault "s29_sync_without_key_right" {
  kind   = "sync_without_key_right"
  target = sync.corp
}

fault "s31_protected_by_adminsdholder" {
  kind   = "protected_by_adminsdholder"
  target = user.alice
}

fault "s33_password_expired" {
  kind   = "password_expired"
  target = user.cleo
}

fault "s33_key_password_expired" {
  kind   = "password_expired"
  target = user.alice
}

fault "s36_remote_session" {
  kind   = "remote_session"
  target = device.desk
}

fault "s41_captive_portal" {
  kind   = "captive_portal"
  target = device.laptop
}

fault "s41_hybrid_captive_portal" {
  kind   = "captive_portal"
  target = device.tab
}

fault "s41_password_captive_portal" {
  kind   = "captive_portal"
  target = device.laptop
}

fault "s42_deleted_in_tenant" {
  kind   = "deleted_in_tenant"
  target = device.laptop
}

fault "s42_hello_deleted_in_tenant" {
  kind   = "deleted_in_tenant"
  target = device.laptop
}

fault "s42_disabled_disabled_in_tenant" {
  kind   = "disabled_in_tenant"
  target = device.laptop
}

fault "s45_tpm_locked" {
  kind   = "tpm_locked"
  target = device.desk
  after  = "31m"
}

fault "s46_tpm_cleared" {
  kind   = "tpm_cleared"
  target = device.desk
}

fault "s51_kdc_certificate_missing" {
  kind       = "kdc_certificate_missing"
  target     = domain.corp
  controller = "dc2"
}

fault "s51_elsewhere_kdc_certificate_missing" {
  kind       = "kdc_certificate_missing"
  target     = domain.corp
  controller = "dc2"
}

fault "s51_off_controller_off" {
  kind       = "controller_off"
  target     = domain.corp
  controller = "dc2"
}

fault "s52_away" {
  kind   = "away"
  target = device.tab
}

fault "s52_key_away" {
  kind   = "away"
  target = device.desk
}

fault "key_deleted_in_domain" {
  kind   = "key_deleted_in_domain"
  target = enrollment.alice_desk
  after  = "31m"
}

fault "key_deleted_in_tenant" {
  kind   = "key_deleted_in_tenant"
  target = enrollment.alice_laptop
}

fault "keys_not_exported" {
  kind   = "keys_not_exported"
  target = sync.corp
}

fault "staging" {
  kind   = "sync_staging"
  target = sync.corp
}

fault "disabled_in_domain" {
  kind   = "disabled_in_domain"
  target = user.alice
}

fault "root_missing" {
  kind   = "root_missing"
  target = device.laptop
}

fault "controller_outdated" {
  kind   = "controller_outdated"
  target = domain.corp
  build  = "17763.100"
}

fault "offline" {
  kind   = "offline"
  target = device.laptop
}

fault "offline_windows" {
  kind   = "offline"
  target = device.laptop
}

fault "outage" {
  kind   = "host_down"
  target = tenant.contoso
  after  = "31m"
  window = "2h"
}

fault "outage_over" {
  kind   = "host_down"
  target = tenant.contoso
  after  = "31m"
  window = "2h"
}

fault "at_risk" {
  kind   = "at_risk"
  target = user.alice
}

fault "not_compliant" {
  kind   = "not_compliant"
  target = device.laptop
}

fault "sessions_revoked" {
  kind   = "sessions_revoked"
  target = user.alice
}

fault "password_expired" {
  kind   = "password_expired"
  target = user.alice
}
