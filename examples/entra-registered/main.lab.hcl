# A personal device in a managed tenant: its owner's Microsoft account unlocks
# it, and a work account is added. Provisioning flow P1 into the container that
# the owner has, sign-in flow A1 by the account's broker.

lab {
  required_version = ">= 0.1"
}

variable "password" {
  type        = string
  sensitive   = true
  description = "Password of the work account."
}

variable "pin" {
  type        = string
  sensitive   = true
  description = "The device's one PIN: chosen when Windows is set up, and bound by the organisation's policy later."

  validation {
    condition     = length(var.pin) >= 6
    error_message = "The policy of this lab asks for at least 6 digits."
  }
}

tenant "contoso" {
  domains     = ["contoso.com"]
  attestation = "required"
}

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

policy "staff" {
  assign                = [user.alice, user.bo]
  scope                 = "user"
  use_passport_for_work = true

  pin_complexity {
    minimum_pin_length = 6
  }
}

device "phonepc" {
  join           = "registered"
  tenant         = tenant.contoso
  unlock_account = "microsoft"
  unlock_pin     = var.pin
  work_accounts  = [user.alice]
  biometrics     = ["face"]
}

device "tablet" {
  join           = "registered"
  tenant         = tenant.contoso
  unlock_account = "local"
  work_accounts  = [user.bo]
}

enrollment "alice_phonepc" {
  user     = user.alice
  device   = device.phonepc
  pin      = var.pin
  gestures = ["face"]
}

check "alice_signs_in_to_work" {
  sign_in {
    user   = user.alice
    device = device.phonepc
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "success"
}

check "alice_signs_in_to_work_by_face" {
  sign_in {
    user    = user.alice
    device  = device.phonepc
    gesture = "face"
  }
  expect = "success"
}

check "bo_has_no_work_account_there" {
  sign_in {
    user   = user.bo
    device = device.phonepc
    pin    = var.pin
  }
  expect = "not_work_account"
}

check "bo_has_not_enrolled" {
  sign_in {
    user   = user.bo
    device = device.tablet
    pin    = var.pin
  }
  expect = "no_hello_credential"
}

check "the_key_names_the_device" {
  assert {
    condition     = enrollment.alice_phonepc.device_id == device.phonepc.device_id
    error_message = "The work key is registered for another device."
  }
}
