# Entra joined devices in a tenant that is federated with another vendor's service:
# provisioning flow P2, sign-in flow A1. There is no domain. The service has the
# users' passwords and checks their second factors; the tenant takes its word.

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

federation "idp" {
  kind = "third_party"
  host = "idp.example.com"
}

tenant "contoso" {
  domains        = ["contoso.com"]
  authentication = "federated"
  federation     = federation.idp
}

# Their accounts are at the service, and in the tenant by the id that it calls
# them by.
user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  password = var.password
}

user "bo" {
  upn      = "bo@contoso.com"
  tenant   = tenant.contoso
  password = var.password
}

device "laptop" {
  join   = "entra"
  tenant = tenant.contoso
}

enrollment "alice_laptop" {
  user   = user.alice
  device = device.laptop
  pin    = var.pin
}

application "portal" {
  tenant = tenant.contoso
  require {
    mfa = true
  }
}

fault "idp_down" {
  kind   = "host_down"
  target = federation.idp
}

check "alice_by_pin" {
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso, application.portal]
  }
  expect = "success"
}

check "bo_by_password_at_the_service" {
  sign_in {
    user     = user.bo
    device   = device.laptop
    password = var.password
    to       = [tenant.contoso]
  }
  expect = "success"
}

# A Hello sign-in proves the key to the tenant: the service has no part in it.
check "hello_needs_no_service" {
  faults = [fault.idp_down]
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "success"
}

check "the_flow_is_p2" {
  assert {
    condition     = enrollment.alice_laptop.flow == "P2"
    error_message = "Another flow provisioned the key."
  }
}

output "alice_key" {
  description = "Id of Alice's Hello key."
  value       = enrollment.alice_laptop.key_id
}
