# Hybrid joined devices with key trust in a tenant that is federated with AD FS:
# provisioning flow P8 (P4, whose phase A passes AD FS as in P2), sign-in flow A6.
# Passwords and second factors are AD FS's to check; Hello sign-ins do not ask it.

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

# AD FS: it signs in the domain's accounts for the tenant.
federation "sts" {
  domain = domain.corp
}

# Its domains are federated with AD FS: browsers and devices are sent there.
tenant "contoso" {
  domains        = ["contoso.com"]
  authentication = "federated"
  federation     = federation.sts
}

sync "corp" {
  tenant   = tenant.contoso
  domain   = domain.corp
  interval = "30m"
}

trust "key" {
  type   = "key"
  tenant = tenant.contoso
  domain = domain.corp
}

# Her password stays in the domain. Her authenticator app is known to the tenant
# and to the adapter of AD FS, with one secret.
user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
}

policy "hello" {
  source                  = "gpo"
  trust                   = trust.key
  use_passport_for_work   = true
  require_security_device = true
}

# It registers by its computer account's claims, which AD FS vouches for: no cycle
# of Connect is waited for.
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

application "portal" {
  tenant = tenant.contoso
  require {
    mfa           = true
    joined_device = true
  }
}

fault "adfs_down" {
  kind   = "host_down"
  target = federation.sts
}

check "refused_before_the_cycle" {
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}

check "the_password_goes_through_adfs" {
  sign_in {
    user     = user.alice
    device   = device.desk
    password = var.password
    to       = [tenant.contoso, domain.corp]
  }
  expect = "success"
}

check "everything_after_the_cycle" {
  after = "31m"
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [tenant.contoso, domain.corp, application.portal]
  }
  expect = "success"
}

# The key is proven to the domain and to the tenant: AD FS has no part in it.
check "hello_needs_no_adfs" {
  after  = "31m"
  faults = [fault.adfs_down]
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [tenant.contoso, domain.corp]
  }
  expect = "success"
}

check "the_flow_is_p8" {
  assert {
    condition     = enrollment.alice_desk.flow == "P8" && enrollment.alice_desk.trust == "key"
    error_message = "Another flow provisioned the key."
  }
}

output "alice_key_status" {
  description = "\"waiting_for_sync\" until a cycle has carried the key to the domain."
  value       = enrollment.alice_desk.status
}
