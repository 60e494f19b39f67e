# Scenarios of several steps: a device that joins, which is not there before, and a
# key that vanishes.

fault "registration_down" {
  kind   = "host_down"
  target = tenant.contoso
  host   = tenant.contoso.registration_host
}

fault "one_device" {
  kind   = "misconfigured"
  target = tenant.contoso
  set    = { device_quota = 1 }
}

fault "point_missing" {
  kind   = "connection_point_missing"
  target = domain.corp
}

fault "s08_controller_outdated" {
  kind       = "controller_outdated"
  target     = domain.corp
  build      = "17763.1500"
  controller = "dc1"
}

run "set_up" {}

# The plan keeps to the device: one of the whole lab would end the staging first.
run "not_carried" {
  variables {
    late = true
  }
  plan_options {
    target = [device.late]
  }
  faults = [fault.staging]
  expect = "device_not_synced"
}

# The point is found, and nobody answers where it leads.
run "not_answered" {
  variables {
    late = true
  }
  plan_options {
    target = [device.late]
  }
  faults = [fault.registration_down]
  expect = "host_unreachable"
}

# It works once, and then not until the next cycle.
run "keys_come" {
  command = advance
  by      = "31m"
}

run "outdate" {
  command = fault
  begin   = [fault.s08_controller_outdated]
}

run "s08" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
}

run "s08_next" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}

# The password goes on.
run "s08_password" {
  command = signin
  sign_in {
    user     = user.alice
    device   = device.desk
    password = var.password
  }
}

run "keys_come_again" {
  command = advance
  by      = "31m"
}

run "s08_cycle" {
  command = signin
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
}

# Bo has a device already.
run "one_too_many" {
  variables {
    late = true
  }
  plan_options {
    target = [device.spare]
  }
  faults = [fault.one_device]
  expect = "device_quota"
}

run "hide_the_point" {
  command = fault
  begin   = [fault.point_missing]
  end     = [fault.s08_controller_outdated]
}

run "not_found" {
  variables {
    late = true
  }
  plan_options {
    target = [device.late]
  }
  expect = "connection_point_missing"
}
