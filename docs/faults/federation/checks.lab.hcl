# One check or more a scenario, by its number; those of x_ are of no scenario.

# No fault: device management has no profile for a certificate (event 7209).
check "s34" {
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "certificate_missing"
}

# AD FS knows the device and refuses what its sign-in asks for (events 1021 and 362).
check "s09" {
  faults = [fault.s09_scope_missing]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "no_enterprise_prt"
}

check "s43" {
  faults = [fault.s43_domain_removed]
  sign_in {
    user     = user.finn
    device   = device.laptop
    password = var.password
  }
  expect = "upn_suffix_unknown"
}

check "s44" {
  faults = [fault.s44_password_endpoints_off]
  sign_in {
    user     = user.alice
    device   = device.laptop
    password = var.password
  }
  expect = "federation_without_password_endpoint"
}

# The key needs no federation service.
check "s44_hello" {
  faults = [fault.s44_hello_password_endpoints_off]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "success"
}

check "s47" {
  faults = [fault.s47_not_in_ntauth]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "certificate_untrusted"
}

# It is good for two years, and nobody renews it.
check "s49" {
  after  = "740d"
  faults = [fault.s49_agent_template_off]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "registration_authority_not_ready"
}

# The key is provisioned, and the certificate asked for again later (event 365).
check "s49_revoked" {
  faults = [fault.s49_revoked_agent_certificate_revoked]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "success"
}

# What a device that just joined has for a moment.
check "s50" {
  faults = [fault.s50_device_not_written_back]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "no_enterprise_prt"
}

check "x_stopped" {
  faults = [fault.x_stopped_federation_stopped]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "federation_unreachable"
}

# Hello needs no federation service.
check "x_stopped_hello" {
  faults = [fault.x_stopped_hello_federation_stopped]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "success"
}

check "x_down" {
  faults = [fault.x_down_host_down]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "federation_unreachable"
}

check "x_adapter" {
  faults = [fault.x_adapter_adapter_missing]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "federation_refused"
}

check "x_authority_off" {
  faults = [fault.x_authority_off_registration_authority_off]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "registration_authority_not_ready"
}

check "x_template_off" {
  faults = [fault.x_template_off_sign_in_template_off]
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "template_not_ready"
}

check "x_revoked" {
  faults = [fault.x_revoked_sign_in_certificate_revoked]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "certificate_revoked"
}

check "x_lists" {
  faults = [fault.x_lists_lists_closed_to_controllers]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "certificate_revocation_unknown"
}

# What was written stays.
check "x_write_back" {
  faults = [fault.x_write_back_devices_not_written_back]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "success"
}

# The device is the tenant's.
check "x_registration_off" {
  faults = [fault.x_registration_off_device_registration_off]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "success"
}
