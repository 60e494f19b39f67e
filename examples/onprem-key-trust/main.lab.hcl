# On-premises with key trust: provisioning flow P6, sign-in flow A8. There is no
# tenant: AD FS signs users in, verifies their second factor with its adapter, and
# registers devices and keys in the domain's own directory.

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

# Controllers get their certificates here: without one, no key signs in.
authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
}

# AD FS, with the Enterprise Device Registration Service and an adapter for
# second factors.
federation "sts" {
  domain    = domain.corp
  authority = authority.issuing
}

# Without a tenant: AD FS registers the keys.
trust "key" {
  type       = "key"
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
  trust                   = trust.key
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

# AD FS writes the key to the directory when it registers it: nobody waits.
check "the_key_opens_everything_at_once" {
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

check "the_flow_is_p6" {
  assert {
    condition     = enrollment.alice_desk.flow == "P6" && enrollment.alice_desk.trust == "key"
    error_message = "Another flow provisioned the key."
  }
}

output "alice_key_status" {
  description = "\"ready\" at once: there is nothing to wait for."
  value       = enrollment.alice_desk.status
}
