# What this lab promises, from nothing: each run goes on where the one before
# ended. `hellolab test` runs it on a lab that is thrown away.

fault "crl_unreachable" {
  kind   = "revocation_unreachable"
  target = authority.issuing
}

fault "desk_lost" {
  kind   = "disabled_in_tenant"
  target = device.desk
}

run "plan" {
  command = plan
  assert {
    condition     = run.plan.add == 12 && run.plan.changes["enrollment.alice_desk"] == "create"
    error_message = "Another plan than expected: ${join(", ", keys(run.plan.changes))}."
  }
}

run "set_up" {
  command = apply
  assert {
    condition     = enrollment.alice_desk.flow == "P4" && enrollment.alice_desk.status == "waiting_for_sync"
    error_message = "Alice's key is ${enrollment.alice_desk.status}."
  }
}

run "too_early" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
  assert {
    condition     = run.too_early.flow == "A6" && run.too_early.phase == "B"
    error_message = "Refused in another phase: ${run.too_early.flow} ${run.too_early.phase}."
  }
}

run "half_an_hour" {
  command = advance
  by      = "31m"
  assert {
    condition     = enrollment.alice_desk.status == "ready"
    error_message = "No cycle has carried the key to the domain."
  }
}

run "everything" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [tenant.contoso, domain.corp, service.files]
  }
}

# A longer PIN is asked for: the preview says whom that touches.
run "what_if_pins_were_longer" {
  command = plan
  variables {
    pin_length = 8
  }
  assert {
    condition     = run.what_if_pins_were_longer.change == 1 && run.what_if_pins_were_longer.impact.changed_enrollments == 1
    error_message = "Another impact: ${jsonencode(run.what_if_pins_were_longer.impact)}."
  }
  assert {
    condition     = run.what_if_pins_were_longer.impact.lost_sign_ins == 0
    error_message = "Somebody could not sign in any more."
  }
}

# On for this run alone.
run "without_revocation_lists" {
  command = signin
  faults  = [fault.crl_unreachable]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "kdc_certificate_unknown_revocation"
}

# On until it is ended.
run "lose_the_desk" {
  command = fault
  begin   = [fault.desk_lost]
}

run "the_tenant_refuses_it" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "key_device_disabled"
}

run "find_it_again" {
  command = fault
  end     = [fault.desk_lost]
}

run "revoke_the_key" {
  command = revoke
  revoke {
    user   = user.alice
    device = device.desk
  }
}

run "no_key_any_more" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}

run "nor_after_a_cycle" {
  command = sync
}

run "nothing_came_back" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}
