# Entra joined devices in a managed tenant: provisioning flow P1, sign-in flow A1.

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

  validation {
    condition     = length(var.pin) >= 6
    error_message = "The policy of this lab asks for at least 6 digits."
  }
}

tenant "contoso" {
  domains     = ["contoso.com"]
  attestation = "required"
}

group "staff" {
  tenant = tenant.contoso
  name   = "Staff"
}

user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  groups   = [group.staff]
  password = var.password
}

user "bo" {
  upn      = "bo@contoso.com"
  tenant   = tenant.contoso
  groups   = [group.staff]
  password = var.password
}

policy "staff" {
  assign                  = [group.staff]
  scope                   = "user"
  use_passport_for_work   = true
  require_security_device = true

  pin_complexity {
    minimum_pin_length = 6
  }
}

device "laptop" {
  join       = "entra"
  tenant     = tenant.contoso
  biometrics = ["face"]
}

device "desk" {
  join   = "entra"
  tenant = tenant.contoso
}

enrollment "alice_laptop" {
  user     = user.alice
  device   = device.laptop
  pin      = var.pin
  gestures = ["face"]
}

enrollment "bo_desk" {
  user   = user.bo
  device = device.desk
  pin    = var.pin
}

check "alice_signs_in" {
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
  }
  expect = "success"
}

check "alice_signs_in_by_face" {
  sign_in {
    user    = user.alice
    device  = device.laptop
    gesture = "face"
  }
  expect = "success"
}

check "wrong_pin_is_refused" {
  sign_in {
    user   = user.bo
    device = device.desk
    pin    = "000000"
  }
  expect = "wrong_pin"
}

check "keys_are_in_the_tpm" {
  assert {
    condition     = enrollment.alice_laptop.key_storage == "tpm" && enrollment.bo_desk.key_storage == "tpm"
    error_message = "A Hello key is in software although every device has a TPM."
  }
}

output "alice_key_id" {
  description = "The kid of every assertion alice's laptop signs."
  value       = enrollment.alice_laptop.key_id
}

output "login_host" {
  value = tenant.contoso.login_host
}
