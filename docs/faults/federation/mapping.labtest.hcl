# Certificates that a domain does not map to their accounts: they are issued so, and
# the sign-in is refused.

fault "identifier_missing" {
  kind   = "security_identifier_missing"
  target = authority.issuing
}

run "set_up" {}

run "begin" {
  command = fault
  begin   = [fault.identifier_missing]
}

run "provisioned" {
  command = provision
  provision {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "success"
}

run "not_mapped" {
  command = signin
  sign_in {
    user   = user.bo
    device = device.desk
    pin    = var.pin
  }
  expect = "certificate_other_account"
}
