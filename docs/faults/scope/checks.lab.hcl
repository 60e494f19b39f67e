# Both in device scope: the ticket of the tenant opens the domain.
check "s28_device" {
  after = "31m"
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "success"
}

# Hello in user scope: cloud Kerberos trust is ignored, and the key is proven to a
# controller that has no certificate to prove itself by.
check "s28" {
  after  = "31m"
  faults = [fault.s28_misconfigured]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "kdc_no_certificate"
}
