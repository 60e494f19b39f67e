# Scenarios of a device that joins: it is not there before.

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
