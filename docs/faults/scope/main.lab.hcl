# The scenario of two scopes: Hello is turned on by a profile of device management
# for users, cloud Kerberos trust by one for devices.

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

tenant "contoso" {
  domains = ["contoso.com"]
}

domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"
}

sync "corp" {
  tenant = tenant.contoso
  domain = domain.corp
}

trust "cloud" {
  type   = "cloud_kerberos"
  tenant = tenant.contoso
  domain = domain.corp
}

policy "cloud" {
  source = "mdm"
  trust  = trust.cloud
}

policy "hello" {
  source                = "mdm"
  use_passport_for_work = true
}

user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
}

device "laptop" {
  join      = "entra"
  tenant    = tenant.contoso
  joined_by = user.alice
}

enrollment "alice_laptop" {
  user   = user.alice
  device = device.laptop
  pin    = var.pin
}
