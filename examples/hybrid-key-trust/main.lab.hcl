# Hybrid joined devices with key trust: provisioning flow P4, sign-in flow A6.
# Accounts and computers live in an Active Directory domain, and Entra Connect
# carries them to the tenant, and Hello keys back.

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

variable "pin_length" {
  type        = number
  default     = 6
  description = "Fewest characters of a PIN."
}

tenant "contoso" {
  domains     = ["contoso.com"]
  attestation = "required"
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

group "staff" {
  domain = domain.corp
  name   = "Staff"
}

# In the domain, and by the first cycle in the tenant.
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

# Group policy turns Hello on: hybrid joined devices do not offer it by themselves.
policy "hello" {
  source                  = "gpo"
  trust                   = trust.key
  use_passport_for_work   = true
  require_security_device = true
  pin_complexity {
    minimum_pin_length = var.pin_length
  }
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

# A file server of the domain that lets in the staff, by their tickets.
service "files" {
  domain    = domain.corp
  authorize = [group.staff]
}

check "refused_before_the_cycle" {
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
  }
  expect = "key_not_synced"
}

check "password_needs_no_cycle" {
  sign_in {
    user     = user.alice
    device   = device.desk
    password = var.password
    to       = [tenant.contoso, domain.corp, service.files]
  }
  expect = "success"
}

check "everything_after_the_cycle" {
  after = "31m"
  sign_in {
    user   = user.alice
    device = device.desk
    pin    = var.pin
    to     = [tenant.contoso, domain.corp, service.files]
  }
  expect = "success"
}

check "a_wrong_pin_is_refused" {
  after = "31m"
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

check "the_flow_is_p4" {
  assert {
    condition     = enrollment.alice_desk.flow == "P4" && enrollment.alice_desk.trust == "key"
    error_message = "Another flow provisioned the key."
  }
}

check "one_id_in_both_directories" {
  assert {
    condition     = device.desk.device_id != "" && startswith(device.desk.sid, domain.corp.sid)
    error_message = "The device is not a computer of the domain."
  }
}

output "alice_key_status" {
  description = "\"waiting_for_sync\" until a cycle has carried the key to the domain."
  value       = enrollment.alice_desk.status
}
