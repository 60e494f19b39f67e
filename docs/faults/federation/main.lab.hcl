# The scenarios of federation and certificate trust, each by a fault.

variable "password" {
  type      = string
  sensitive = true
  default   = "Corr3ct horse battery staple"
}

variable "pin" {
  type      = string
  sensitive = true
  default   = "739146"
}

domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"
  password_policy {
    max_age = "0s"
  }
}

authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
}

federation "sts" {
  domain    = domain.corp
  authority = authority.issuing
}

tenant "contoso" {
  domains        = ["contoso.com", "fabrikam.com"]
  authentication = "federated"
  federation     = federation.sts
}

sync "corp" {
  tenant           = tenant.contoso
  domain           = domain.corp
  device_writeback = true
}

trust "certificate" {
  type       = "certificate"
  tenant     = tenant.contoso
  domain     = domain.corp
  federation = federation.sts
  authority  = authority.issuing
}

policy "hello" {
  source                = "gpo"
  trust                 = trust.certificate
  use_passport_for_work = true
}

user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
}

user "bo" {
  upn      = "bo@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
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

# Entra joined: its certificates would come by device management, and no profile
# is there for any.
device "laptop" {
  join          = "entra"
  tenant        = tenant.contoso
  joined_by     = user.alice
  trusted_roots = [authority.issuing]
}

enrollment "alice_laptop" {
  user   = user.alice
  device = device.laptop
  pin    = var.pin
}

# Of the tenant's second domain.
user "finn" {
  upn      = "finn@fabrikam.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
}
