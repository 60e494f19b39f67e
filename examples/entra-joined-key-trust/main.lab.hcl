# Entra joined devices that reach a domain by key trust: provisioning flow P1,
# sign-in flow A1, and flow A3 at the first use of the domain.

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

tenant "contoso" {
  domains     = ["contoso.com"]
  attestation = "required"
}

domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"
}

# Its lists are published to the internet, too: a device away from the domain's
# network can ask whether a controller's certificate is revoked.
authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"

  crl {
    reachable_from = ["onsite", "internet"]
  }
}

sync "corp" {
  tenant = tenant.contoso
  domain = domain.corp
}

trust "key" {
  type   = "key"
  tenant = tenant.contoso
  domain = domain.corp
}

group "staff" {
  domain = domain.corp
  name   = "Staff"
}

user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  groups   = [group.staff]
  password = var.password
}

user "bo" {
  upn      = "bo@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
}

# Management turns the trust on.
policy "hello" {
  trust                 = trust.key
  use_passport_for_work = true
}

# At home, with a tunnel that goes up after a sign-in. A device of no domain is
# told by management which roots to trust, or it would trust no controller.
device "laptop" {
  join          = "entra"
  tenant        = tenant.contoso
  network       = "vpn"
  trusted_roots = [authority.issuing]
}

# On the road, without one.
device "tablet" {
  join          = "entra"
  tenant        = tenant.contoso
  network       = "internet"
  trusted_roots = [authority.issuing]
}

enrollment "alice" {
  for_each = {
    laptop = device.laptop
    tablet = device.tablet
  }

  user   = user.alice
  device = each.value
  pin    = var.pin
}

enrollment "bo_laptop" {
  user   = user.bo
  device = device.laptop
  pin    = var.pin
}

# A file server of the domain that lets in the staff, by their tickets.
service "files" {
  domain    = domain.corp
  authorize = [group.staff]
}

# Unlike on a hybrid joined device the desktop opens at once: the tenant knows
# the key, and only the domain does not.
check "the_tenant_before_the_cycle" {
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "success"
}

check "no_domain_before_the_cycle" {
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "key_not_synced"
}

check "everything_after_the_cycle" {
  after = "31m"
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso, domain.corp, service.files]
  }
  expect = "success"
}

check "bo_is_no_staff" {
  after = "31m"
  sign_in {
    user   = user.bo
    device = device.laptop
    pin    = var.pin
    to     = [service.files]
  }
  expect = "service_refused"
}

check "no_domain_on_the_road" {
  after = "31m"
  sign_in {
    user   = user.alice
    device = device.tablet
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "no_line_of_sight"
}

check "the_tenant_on_the_road" {
  sign_in {
    user   = user.alice
    device = device.tablet
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "success"
}

check "keys_are_trusted_by_the_domain" {
  assert {
    condition     = alltrue([for e in values(enrollment.alice) : e.flow == "P1" && e.trust == "key"])
    error_message = "A key was not provisioned for use in the domain."
  }
}

output "alice_key_status" {
  description = "\"waiting_for_sync\" until a cycle has carried the key to the domain."
  value       = { for name, e in enrollment.alice : name => e.status }
}
