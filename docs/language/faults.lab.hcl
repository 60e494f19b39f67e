# Broken on purpose, and off until a check or a test names it.
fault "tenant_down" {
  kind   = "host_down"
  target = tenant.contoso
  window = "2h"
}

fault "phone_lost" {
  kind   = "second_factor_missing"
  target = user.all["bo"]
}

check "nobody_answers_for_an_hour" {
  after  = "1h"
  faults = [fault.tenant_down]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "host_unreachable"
}

check "bo_cannot_provision" {
  faults = [fault.phone_lost]
  provision {
    user   = user.all["bo"]
    device = device.laptop
    pin    = var.pin
  }
  expect = "mfa_not_registered"
}
