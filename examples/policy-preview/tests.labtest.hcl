# Three changes of policy, each asked about first and then made: what the preview
# says of everybody is what then happens.

run "set_up" {
  command = apply
  assert {
    condition     = length(run.set_up.changes) > 130 && length([for e in enrollment.of : e.flow if e.flow == "P3" || e.flow == "P4"]) == 20
    error_message = "Not all 40 people have Hello."
  }
}

run "a_cycle" {
  command = advance
  by      = "31m"
  assert {
    condition     = alltrue([for e in enrollment.of : e.status != "waiting_for_sync"])
    error_message = "Keys wait."
  }
}

# First change: a PIN of 8. Everybody is asked for another, and nobody is locked
# out.
run "longer_pins" {
  command = plan
  variables {
    pin_length = 8
  }
  assert {
    condition     = run.longer_pins.impact.changed_enrollments == 40 && run.longer_pins.impact.lost_sign_ins == 0
    error_message = "Another impact: ${jsonencode(run.longer_pins.impact)}."
  }
  assert {
    condition     = alltrue([for r in run.longer_pins.impact.rows : r.after.action == "change_pin" && r.after.rule == "N1"])
    error_message = "Something else changes: ${jsonencode(run.longer_pins.impact)}."
  }
}

# Second: cloud Kerberos trust for the IT team, on hybrid joined computers. The same
# keys go on; Ada's does not, for she is an administrator of the domain.
run "cloud_trust_for_it" {
  command = plan
  variables {
    cloud_teams = ["design", "it"]
  }
  assert {
    condition     = run.cloud_trust_for_it.impact.enrollments == 40 && run.cloud_trust_for_it.impact.changed_enrollments == 1
    error_message = "Another impact: ${jsonencode(run.cloud_trust_for_it.impact)}."
  }
  assert {
    condition     = run.cloud_trust_for_it.impact.rows[0].enrollments[0].user == "user.all[\"ada\"]" && run.cloud_trust_for_it.impact.rows[0].after.reason == "cloud_kerberos_denied"
    error_message = "Somebody else loses: ${jsonencode(run.cloud_trust_for_it.impact.rows[0])}."
  }
}

# Third: Connect stops writing keys. Nobody notices who has one there, and who
# begins gets none.
run "no_more_keys" {
  command = plan
  variables {
    key_export = false
  }
  assert {
    condition     = run.no_more_keys.impact.changed_enrollments == 0
    error_message = "Somebody notices: ${jsonencode(run.no_more_keys.impact)}."
  }
}

run "no_more_keys_for_newcomers" {
  command = plan
  variables {
    key_export = false
    newcomers  = ["kim", "lou"]
  }
  assert {
    condition     = run.no_more_keys_for_newcomers.impact.changed_enrollments == 2
    error_message = "Another impact: ${jsonencode(run.no_more_keys_for_newcomers.impact)}."
  }
  assert {
    condition = length([
      for r in run.no_more_keys_for_newcomers.impact.rows : r
      if r.after.verdict == "refused" && r.after.reason == "key_not_synced" && r.after.rule == "C4" && contains(r.to, "domain.corp")
    ]) == 1
    error_message = "They are not refused in the domain: ${jsonencode(run.no_more_keys_for_newcomers.impact)}."
  }
}

# All of it, for real.
run "do_it" {
  command = apply
  variables {
    cloud_teams = ["design", "it"]
    key_export  = false
    newcomers   = ["kim"]
  }
}

run "wait_for_nothing" {
  command = advance
  by      = "2h"
}

run "ada_is_refused" {
  command = signin
  sign_in {
    user   = user.all["ada"]
    device = device.of["ada"]
    pin    = var.pin
  }
  expect = "cloud_kerberos_denied"
}

run "brian_is_not" {
  command = signin
  sign_in {
    user   = user.all["brian"]
    device = device.of["brian"]
    pin    = var.pin
    to     = [tenant.contoso, domain.corp, service.files]
  }
  assert {
    condition     = run.brian_is_not.flow == "A5"
    error_message = "By flow ${run.brian_is_not.flow}."
  }
}

run "vera_is_not" {
  command = signin
  sign_in {
    user   = user.all["vera"]
    device = device.of["vera"]
    pin    = var.pin
    to     = [tenant.contoso, domain.corp, service.files]
  }
}

run "kim_reaches_the_tenant" {
  command = signin
  variables {
    newcomers = ["kim"]
  }
  sign_in {
    user   = user.all["kim"]
    device = device.of["kim"]
    pin    = var.pin
    to     = [tenant.contoso]
  }
}

run "and_not_the_domain" {
  command = signin
  variables {
    newcomers = ["kim"]
  }
  sign_in {
    user   = user.all["kim"]
    device = device.of["kim"]
    pin    = var.pin
    to     = [service.files]
  }
  expect = "key_not_synced"
}

run "ask_for_longer_pins" {
  command = apply
  variables {
    pin_length  = 8
    cloud_teams = ["design", "it"]
    key_export  = false
    newcomers   = ["kim"]
  }
}

run "tess_is_asked_for_another" {
  command = signin
  sign_in {
    user   = user.all["tess"]
    device = device.of["tess"]
    pin    = var.pin
  }
  expect = "change_pin_prompt"
}
