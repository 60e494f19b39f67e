# What this lab promises, from nothing: each run goes on where the one before
# ended. `hellolab test` runs it on a lab that is thrown away.

fault "adfs_down" {
  kind   = "host_down"
  target = federation.sts
}

fault "lists_unreachable" {
  kind   = "revocation_unreachable"
  target = authority.issuing
}

run "set_up" {
  command = apply
  assert {
    condition     = enrollment.alice_desk.flow == "P5" && trust.certificate.missing == ""
    error_message = "Alice went through ${enrollment.alice_desk.flow}; the trust lacks: ${trust.certificate.missing}"
  }
}

# Before any cycle.
run "at_once" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [domain.corp, tenant.contoso, service.files]
  }
  assert {
    condition     = run.at_once.flow == "A7"
    error_message = "She signed in by ${run.at_once.flow}."
  }
}

# The sign-in asks AD FS for a token behind the desktop, and does without.
run "without_adfs" {
  command = signin
  faults  = [fault.adfs_down]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [domain.corp, tenant.contoso]
  }
}

# The controller cannot learn whether her certificate is revoked.
run "without_revocation_lists" {
  command = signin
  faults  = [fault.lists_unreachable]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "certificate_revocation_unknown"
}

# Connect goes on carrying keys, and nobody waited for it.
run "half_an_hour" {
  command = advance
  by      = "31m"
  assert {
    condition     = enrollment.alice_desk.status == "ready"
    error_message = "Her key is ${enrollment.alice_desk.status}."
  }
}

run "as_before" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [domain.corp, tenant.contoso]
  }
}
