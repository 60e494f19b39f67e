# Hybrid joined devices with cloud Kerberos trust: provisioning flow P3, sign-in
# flow A5. The tenant holds the key of a read-only controller that does not exist,
# and its tickets stand for Hello keys in the domain: no certificates, and no key
# that has to be copied there.

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

# Cycles are far apart, and nobody waits for one.
sync "corp" {
  tenant   = tenant.contoso
  domain   = domain.corp
  interval = "24h"
}

# The Kerberos server object AzureADKerberos in the domain; its key goes to the
# tenant, too.
trust "cloud" {
  type   = "cloud_kerberos"
  tenant = tenant.contoso
  domain = domain.corp
}

group "staff" {
  domain = domain.corp
  name   = "Staff"
}

# Whoever is privileged gets no full ticket for a partial one.
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

# Group policy turns Hello on, and the trust: two switches of the computer.
policy "hello" {
  source                  = "gpo"
  trust                   = trust.cloud
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

enrollment "carol_desk" {
  user   = user.carol
  device = device.desk
  pin    = var.pin
}

# A file server that lets in the staff by their tickets, and one of old that takes
# NTLM: the exchange of tickets brings what that needs.
service "files" {
  domain    = domain.corp
  authorize = [group.staff]
}

service "old" {
  domain    = domain.corp
  kind      = "ntlm"
  authorize = [group.staff]
}

check "everything_at_once" {
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [tenant.contoso, domain.corp, service.files, service.old]
  }
  expect = "success"
}

check "a_password_does_it_too" {
  sign_in {
    user     = user.alice
    device   = device.desk
    password = var.password
    to       = [tenant.contoso, service.files]
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

# An administrator provisions, for the tenant knows nothing of her groups, and is
# refused at the domain.
check "an_administrator_is_refused" {
  sign_in {
    user   = user.carol
    device = device.desk
    pin    = var.pin
  }
  expect = "cloud_kerberos_denied"
}

check "an_administrator_has_a_password" {
  sign_in {
    user     = user.carol
    device   = device.desk
    password = var.password
    to       = [tenant.contoso, domain.corp]
  }
  expect = "success"
}

check "the_flow_is_p3" {
  assert {
    condition     = enrollment.alice_desk.flow == "P3" && enrollment.alice_desk.trust == "cloud_kerberos"
    error_message = "Another flow provisioned the key."
  }
}

check "nothing_waits_for_a_cycle" {
  assert {
    condition     = enrollment.alice_desk.status == "ready"
    error_message = "The key is not usable everywhere yet."
  }
}

output "alice_key_status" {
  description = "\"ready\" at once: the domain needs no copy of the key."
  value       = enrollment.alice_desk.status
}
