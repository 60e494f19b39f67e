# One check or more a scenario, by its number; those of x_ are of no scenario.

check "s01" {
  after  = "31m"
  faults = [fault.s01_sync_paused]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}

check "s02" {
  after  = "31m"
  faults = [fault.s02_kdc_certificate_missing]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "kdc_no_certificate"
}

# Without renewal it ends after a year, and the controller shows it no more.
check "s02_expired" {
  after  = "366d"
  faults = [fault.s02_expired_enrollment_down]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "kdc_no_certificate"
}

# Out of its life by the device's clock alone.
check "s02_clock" {
  after  = "31m"
  faults = [fault.s02_clock_clock_skew]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "kdc_certificate_expired"
}

check "s02_revoked" {
  after  = "31m"
  faults = [fault.s02_revoked_kdc_certificate_revoked]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "kdc_certificate_revoked"
}

check "s03" {
  after  = "31m"
  faults = [fault.s03_kdc_certificate_of_other_domain]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "kdc_certificate_other_domain"
}

check "s04" {
  after  = "31m"
  faults = [fault.s04_kdc_certificate_without_purpose]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "kdc_certificate_no_kdc_purpose"
}

# The hybrid joined device does not mind.
check "s04_hybrid" {
  after  = "31m"
  faults = [fault.s04_hybrid_kdc_certificate_without_purpose]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "success"
}

check "s05" {
  after  = "31m"
  faults = [fault.s05_revocation_unreachable]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "kdc_certificate_unknown_revocation"
}

check "s06" {
  after  = "31m"
  faults = [fault.s06_delta_lists_refused]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "kdc_certificate_unknown_revocation"
}

check "s07" {
  after  = "31m"
  faults = [fault.s07_controller_outdated]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_name_mismatch"
}

# Answers come so late that the second factor is old when the key is registered.
check "s10" {
  faults = [fault.s10_host_slow]
  provision {
    user   = user.bo
    device = device.laptop
    pin    = var.pin
  }
  expect = "mfa_expired"
}

check "s10_none" {
  faults = [fault.s10_none_second_factor_missing]
  provision {
    user   = user.bo
    device = device.laptop
    pin    = var.pin
  }
  expect = "mfa_not_registered"
}

check "s12" {
  after  = "31m"
  faults = [fault.s12_container_deleted]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "no_hello_credential"
}

check "s14" {
  faults = [fault.s14_misconfigured]
  provision {
    user   = user.bo
    device = device.pad
    pin    = var.pin
  }
  expect = "tpm_missing"
}

# Refused before the registration service is asked, by the token service.
check "s18" {
  faults = [fault.s18_disabled_in_tenant]
  provision {
    user   = user.bo
    device = device.laptop
    pin    = var.pin
  }
  expect = "user_disabled"
}

check "s18_device" {
  faults = [fault.s18_device_disabled_in_tenant]
  provision {
    user   = user.bo
    device = device.laptop
    pin    = var.pin
  }
  expect = "device_disabled"
}

check "s19" {
  faults = [fault.s19_misconfigured]
  provision {
    user   = user.bo
    device = device.pad
    pin    = var.pin
  }
  expect = "attestation_failed"
}

# No fault: the server object denies administrators.
check "s23" {
  sign_in {
    user   = user.dora
    device = device.tab
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "cloud_kerberos_denied"
}

# The controller of the site is read-only, and the line to the others is down.
check "s24" {
  faults = [fault.s24_controller_read_only, fault.s24_controller_off]
  sign_in {
    user   = user.cleo
    device = device.tab
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "dc_not_found"
}

check "s25" {
  faults = [fault.s25_kerberos_key_missing]
  provision {
    user   = user.bo
    device = device.tab
    pin    = var.pin
  }
  expect = "no_cloud_tgt"
}

check "s26" {
  faults = [fault.s26_misconfigured]
  provision {
    user   = user.bo
    device = device.tab
    pin    = var.pin
  }
  expect = "unsupported_deployment"
}

check "s27" {
  faults = [fault.s27_misconfigured]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "success"
}

check "s29" {
  after  = "31m"
  faults = [fault.s29_sync_without_key_right]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}

check "s31" {
  after  = "31m"
  faults = [fault.s31_protected_by_adminsdholder]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}

check "s33" {
  faults = [fault.s33_password_expired]
  sign_in {
    user   = user.cleo
    device = device.tab
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "password_expired_on_prem"
}

# Under key trust it is not asked for.
check "s33_key" {
  after  = "31m"
  faults = [fault.s33_key_password_expired]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "success"
}

check "s36" {
  faults = [fault.s36_remote_session]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "remote_session"
}

# No fault: she is in the domain alone.
check "s37" {
  provision {
    user   = user.carol
    device = device.desk
    pin    = var.pin
  }
  expect = "not_work_account"
}

# Cloud AP tries for 126 seconds, and the ticket of the gesture lives 120.
check "s41" {
  faults = [fault.s41_captive_portal]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "hello_ticket_expired"
}

check "s41_hybrid" {
  faults = [fault.s41_hybrid_captive_portal]
  sign_in {
    user   = user.cleo
    device = device.tab
    pin    = var.pin
  }
  expect = "hello_ticket_expired"
}

# A password has no ticket that ends: Cloud AP then takes the sign-in that it keeps.
check "s41_password" {
  faults = [fault.s41_password_captive_portal]
  sign_in {
    user     = user.alice
    device   = device.laptop
    password = var.password
  }
  expect = "success"
}

# No fault: a new key would be of no use before it is synchronized.
check "s40" {
  after = "31m"
  provision {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    reset  = true
  }
  expect = "pin_reset_not_allowed"
}

# The tenant's device goes on: there the key is new at once.
check "s40_entra" {
  after = "31m"
  provision {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    reset  = true
  }
  expect = "success"
}

check "s42" {
  faults = [fault.s42_deleted_in_tenant]
  sign_in {
    user     = user.alice
    device   = device.laptop
    password = var.password
  }
  expect = "device_unknown"
}

# By Hello the key is asked for first.
check "s42_hello" {
  faults = [fault.s42_hello_deleted_in_tenant]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "key_device_unknown"
}

check "s42_disabled" {
  faults = [fault.s42_disabled_disabled_in_tenant]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "key_device_disabled"
}

# After the time has passed: a TPM forgets a guess every 10 minutes.
check "s45" {
  after  = "31m"
  faults = [fault.s45_tpm_locked]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "pin_locked_out"
}

check "s46" {
  after  = "31m"
  faults = [fault.s46_tpm_cleared]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "credential_damaged"
}

# Of the controller that the site has.
check "s51" {
  after  = "31m"
  faults = [fault.s51_kdc_certificate_missing]
  sign_in {
    user   = user.alice
    device = device.branch
    pin    = var.pin
  }
  expect = "kdc_no_certificate"
}

check "s51_elsewhere" {
  after  = "31m"
  faults = [fault.s51_elsewhere_kdc_certificate_missing]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "success"
}

# Where it is off, another one is found.
check "s51_off" {
  after  = "31m"
  faults = [fault.s51_off_controller_off]
  sign_in {
    user   = user.alice
    device = device.branch
    pin    = var.pin
  }
  expect = "success"
}

check "s52" {
  faults = [fault.s52_away]
  sign_in {
    user   = user.cleo
    device = device.tab
    pin    = var.pin
  }
  expect = "cached_logon_missing"
}

check "s52_key" {
  after  = "31m"
  faults = [fault.s52_key_away]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "cached_logon_missing"
}

# No fault: a key alone is no credential for Remote Desktop.
check "s53" {
  after = "31m"
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [service.desktop]
  }
  expect = "service_certificate_missing"
}

# A certificate beside the key is, as a smart card's.
check "s53_certificate" {
  after = "31m"
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [service.desktop]
  }
  expect = "success"
}

# Deleted in the domain alone: a cycle brings it back.
check "x_key_deleted_in_domain" {
  after  = "31m"
  faults = [fault.key_deleted_in_domain]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}

check "x_key_deleted_in_tenant" {
  after  = "31m"
  faults = [fault.key_deleted_in_tenant]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "key_not_found"
}

check "x_keys_not_exported" {
  after  = "31m"
  faults = [fault.keys_not_exported]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}

check "x_staging" {
  after  = "31m"
  faults = [fault.staging]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}

check "x_disabled_in_domain" {
  after  = "31m"
  faults = [fault.disabled_in_domain]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "account_disabled_in_domain"
}

check "x_root_missing" {
  after  = "31m"
  faults = [fault.root_missing]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "kdc_certificate_untrusted"
}

# Key trust does not mind; cloud Kerberos trust needs an update of 2020.
check "x_controller_outdated" {
  faults = [fault.controller_outdated]
  sign_in {
    user   = user.cleo
    device = device.tab
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "dc_not_found"
}

# Cloud AP keeps the sign-in; there are no tokens without a network.
check "x_offline" {
  faults = [fault.offline]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "no_line_of_sight"
}

check "x_offline_windows" {
  faults = [fault.offline_windows]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "success"
}

# For two hours from the cycle on: an hour later it is down
check "x_outage" {
  after  = "90m"
  faults = [fault.outage]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "host_unreachable"
}

# and when it is over, it is over.
check "x_outage_over" {
  after  = "3h"
  faults = [fault.outage_over]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "success"
}

# Nobody asks for risk at this sign-in.
check "x_at_risk" {
  faults = [fault.at_risk]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "success"
}

# An application that lets compliant devices in refuses.
check "x_not_compliant" {
  faults = [fault.not_compliant]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [application.payroll]
  }
  expect = "device_not_compliant"
}

# A sign-in by Hello is a new one: what was revoked does not matter to it.
check "x_sessions_revoked" {
  faults = [fault.sessions_revoked]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "success"
}

# By password, which is what expired.
check "x_password_expired" {
  faults = [fault.password_expired]
  sign_in {
    user     = user.alice
    device   = device.desk
    password = var.password
  }
  expect = "password_expired_on_prem"
}
