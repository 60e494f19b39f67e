# Values that win over all others, in every run of the file.
variables {
  pin = "739146"
}

# The command is apply when there is none.
run "set_up" {
  assert {
    condition     = run.set_up.changes["enrollment.alice_laptop"] == "create"
    error_message = "There is no enrollment to make."
  }
}

run "alice_signs_in" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  assert {
    condition     = run.alice_signs_in.flow == "A1"
    error_message = "Signed in by ${run.alice_signs_in.flow}."
  }
}

run "a_wrong_pin" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = "000000"
  }
  expect = "wrong_pin"
}

# On for this run alone.
run "while_nobody_answers" {
  command = signin
  faults  = [fault.tenant_down]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "host_unreachable"
}

# On until a run ends it, or its window does.
run "break_it" {
  command = fault
  begin   = [fault.tenant_down]
}

run "wait" {
  command = advance
  by      = "3h"
}

run "it_is_over" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
}

run "lose_the_laptop" {
  command = revoke
  revoke {
    user   = user.alice
    device = device.laptop
    from   = "entra"
  }
}

run "no_key_no_entry" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "key_not_found"
}

run "what_would_change" {
  command = plan
  assert {
    condition     = run.what_would_change.changes["enrollment.alice_laptop"] == "create"
    error_message = "Another plan than to provision her again: ${jsonencode(run.what_would_change.changes)}."
  }
}
