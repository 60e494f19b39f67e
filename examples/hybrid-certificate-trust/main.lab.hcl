# Hybrid joined devices with certificate trust: provisioning flow P5, sign-in flow
# A7. The tenant is federated with AD FS, whose registration authority has the
# enterprise CA issue a certificate for the Hello key; nobody waits for Connect to
# write the key.

lab {
  required_version = ">= 0.1"
}

variable "password" {
  type        = string
  sensitive   = true
  description = "First password of every user."
}

variable "pin" {
  type        = string
  sensitive   = true
  description = "Hello PIN chosen at enrollment."
}

domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"
}

# It certifies controllers, the registration authority, and users.
authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
}

# AD FS. With an authority it is a certificate registration authority, too, and
# enrolls a certificate as its enrollment agent.
federation "sts" {
  domain    = domain.corp
  authority = authority.issuing
}

tenant "contoso" {
  domains        = ["contoso.com"]
  authentication = "federated"
  federation     = federation.sts
}

# Devices are written to the domain, where AD FS finds them, and so are the
# certificates with which the tenant signs receipts for keys.
sync "corp" {
  tenant           = tenant.contoso
  domain           = domain.corp
  interval         = "30m"
  device_writeback = true
}

trust "certificate" {
  type       = "certificate"
  tenant     = tenant.contoso
  domain     = domain.corp
  federation = federation.sts
}

user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
}

policy "hello" {
  source                  = "gpo"
  trust                   = trust.certificate
  use_passport_for_work   = true
  require_security_device = true
}

device "desk" {
  join   = "hybrid"
  tenant = tenant.contoso
  domain = domain.corp
}

enrollment "alice_desk" {
  user   = user.alice
  device = device.desk
  pin    = var.pin
}

service "files" {
  domain = domain.corp
}

# The certificate is good before any cycle carries the key.
check "everything_at_once" {
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [domain.corp, tenant.contoso, service.files]
  }
  expect = "success"
}

check "and_after_a_cycle" {
  after = "31m"
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [domain.corp, tenant.contoso, service.files]
  }
  expect = "success"
}

check "a_wrong_pin_is_refused" {
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = "000000"
  }
  expect = "wrong_pin"
}

check "the_flow_is_p5" {
  assert {
    condition     = enrollment.alice_desk.flow == "P5" && enrollment.alice_desk.trust == "certificate"
    error_message = "Another flow provisioned the key."
  }
}

check "the_trust_stands" {
  assert {
    condition     = trust.certificate.missing == ""
    error_message = "It lacks something: ${trust.certificate.missing}"
  }
}

output "agent_not_after" {
  description = "When the enrollment agent certificate of AD FS ends; it is renewed 60 days ahead."
  value       = federation.sts.agent_not_after
}
