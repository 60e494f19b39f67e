# On-premises with certificate trust: provisioning flow P7, sign-in flow A8. There
# is no tenant: AD FS signs users in and registers devices and keys, and its
# registration authority has the enterprise CA issue a certificate for the key.

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

# AD FS: the Enterprise Device Registration Service, an adapter for second factors,
# and, with an authority, the certificate registration authority.
federation "sts" {
  domain    = domain.corp
  authority = authority.issuing
}

# Without a tenant: AD FS registers the keys, and their certificates.
trust "certificate" {
  type       = "certificate"
  domain     = domain.corp
  federation = federation.sts
}

group "staff" {
  domain = domain.corp
  name   = "Staff"
}

# The codes of her authenticator app are the adapter's to check.
user "alice" {
  upn      = "alice@corp.contoso.com"
  domain   = domain.corp
  groups   = [group.staff]
  password = var.password
}

user "bo" {
  upn      = "bo@corp.contoso.com"
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
  join   = "domain"
  domain = domain.corp
}

enrollment "alice_desk" {
  user   = user.alice
  device = device.desk
  pin    = var.pin
}

# A file server of the domain that lets in the staff, by their tickets.
service "files" {
  domain    = domain.corp
  authorize = [group.staff]
}

check "the_certificate_opens_everything" {
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [domain.corp, service.files]
  }
  expect = "success"
}

check "the_password_still_does" {
  sign_in {
    user     = user.alice
    device   = device.desk
    password = var.password
    to       = [service.files]
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

check "bo_is_no_staff" {
  sign_in {
    user     = user.bo
    device   = device.desk
    password = var.password
    to       = [service.files]
  }
  expect = "service_refused"
}

check "the_flow_is_p7" {
  assert {
    condition     = enrollment.alice_desk.flow == "P7" && enrollment.alice_desk.trust == "certificate"
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
