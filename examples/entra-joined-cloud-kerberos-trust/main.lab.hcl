# Entra joined devices that reach a domain by cloud Kerberos trust: provisioning
# flow P1, sign-in flow A1, and flow A2 at the first use of the domain.

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

sync "corp" {
  tenant   = tenant.contoso
  domain   = domain.corp
  interval = "24h"
}

trust "cloud" {
  type   = "cloud_kerberos"
  tenant = tenant.contoso
  domain = domain.corp
}

group "staff" {
  domain = domain.corp
  name   = "Staff"
}

group "admins" {
  domain     = domain.corp
  well_known = "domain_admins"
}

user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  groups   = [group.staff]
  password = var.password
}

user "carol" {
  upn      = "carol@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  groups   = [group.admins]
  password = var.password
}

# Management turns the trust on; Hello is on by default here.
policy "hello" {
  trust = trust.cloud
}

# At home, with a tunnel that goes up after a sign-in. It needs to trust nothing of
# the domain's: no certificate of a controller is looked at.
device "laptop" {
  join    = "entra"
  tenant  = tenant.contoso
  network = "vpn"
}

# On the road, without one.
device "tablet" {
  join    = "entra"
  tenant  = tenant.contoso
  network = "internet"
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

enrollment "carol_laptop" {
  user   = user.carol
  device = device.laptop
  pin    = var.pin
}

service "files" {
  domain    = domain.corp
  authorize = [group.staff]
}

check "everything_at_once" {
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso, domain.corp, service.files]
  }
  expect = "success"
}

# Unlike on a hybrid joined device the desktop opens for an administrator: only
# the domain refuses her.
check "an_administrator_has_the_tenant" {
  sign_in {
    user   = user.carol
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "success"
}

check "an_administrator_has_no_domain" {
  sign_in {
    user   = user.carol
    device = device.laptop
    pin    = var.pin
    to     = [domain.corp]
  }
  expect = "cloud_kerberos_denied"
}

check "no_domain_on_the_road" {
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

check "keys_stand_for_themselves_nowhere" {
  assert {
    condition     = alltrue([for e in values(enrollment.alice) : e.flow == "P1" && e.trust == "cloud_kerberos" && e.status == "ready"])
    error_message = "A key was not provisioned for use by cloud Kerberos trust."
  }
}

output "alice_key_status" {
  description = "\"ready\" at once: the domain needs no copy of the key."
  value       = { for name, e in enrollment.alice : name => e.status }
}
