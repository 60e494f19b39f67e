# Applications with conditional access: who reaches what, with what, from where.

lab {
  required_version = ">= 0.1"
}

variable "password" {
  type        = string
  sensitive   = true
  description = "Password of every user."
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

user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  password = var.password
}

user "carol" {
  upn      = "carol@contoso.com"
  tenant   = tenant.contoso
  password = var.password
  risk     = "high" # as risk detection would say after a leaked password
}

device "laptop" {
  join      = "entra"
  tenant    = tenant.contoso
  joined_by = user.alice
  compliant = true # as device management says
}

device "desk" {
  join      = "entra"
  tenant    = tenant.contoso
  joined_by = user.alice
}

device "home" {
  join = "none"
}

enrollment "alice_laptop" {
  user   = user.alice
  device = device.laptop
  pin    = var.pin
}

# No demands. It asks the tenant at each request whether a token still stands.
application "wiki" {
  tenant                       = tenant.contoso
  continuous_access_evaluation = true
}

# A second factor, and a device that is Entra joined.
application "portal" {
  tenant = tenant.contoso

  require {
    mfa           = true
    joined_device = true
  }
}

# A compliant device, and no user above low risk.
application "payroll" {
  tenant = tenant.contoso

  require {
    compliant_device = true
    max_risk         = "low"
  }
}

check "hello_reaches_everything" {
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [application.wiki, application.portal, application.payroll]
  }
  expect = "success"
}

check "password_lacks_the_second_factor" {
  sign_in {
    user     = user.alice
    device   = device.laptop
    password = var.password
    to       = [application.portal]
  }
  expect = "mfa_required"
}

check "password_suffices_for_the_wiki" {
  sign_in {
    user     = user.alice
    device   = device.laptop
    password = var.password
    to       = [application.wiki]
  }
  expect = "success"
}

check "desk_is_not_compliant" {
  sign_in {
    user     = user.alice
    device   = device.desk
    password = var.password
    to       = [application.payroll]
  }
  expect = "device_not_compliant"
}

check "home_is_asked_for_the_password" {
  sign_in {
    user     = user.alice
    device   = device.home
    password = var.password
    to       = [application.wiki]
  }
  expect = "success"
}

check "home_has_no_token_to_prove_a_device" {
  sign_in {
    user     = user.alice
    device   = device.home
    password = var.password
    to       = [application.payroll]
  }
  expect = "device_not_registered"
}

check "carol_is_a_risk_to_payroll" {
  sign_in {
    user     = user.carol
    device   = device.laptop
    password = var.password
    to       = [application.payroll]
  }
  expect = "access_denied"
}

check "carol_still_signs_in_to_windows" {
  sign_in {
    user     = user.carol
    device   = device.laptop
    password = var.password
    to       = [application.wiki]
  }
  expect = "success"
}

output "portal" {
  description = "Where the portal answers."
  value       = application.portal.url
}
