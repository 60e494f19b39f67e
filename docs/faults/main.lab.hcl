# The lab on which docs/faults.md is tried out: the failure scenarios of a Windows
# Hello for Business deployment, each by a fault.

tenant "contoso" {
  domains     = ["contoso.com"]
  attestation = "preferred"
  lifecycle {
    ignore_changes = [device_quota] # an administrator's, not these files'
  }
}

domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"
  controller "dc1" {
    site = "HQ"
  }
  controller "dc2" {
    site = "Branch"
  }
}

authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
  ocsp        = false # its lists tell alone
}

sync "corp" {
  tenant = tenant.contoso
  domain = domain.corp
}

trust "key" {
  type   = "key"
  tenant = tenant.contoso
  domain = domain.corp
}

policy "hello" {
  source                = "gpo"
  trust                 = trust.key
  use_passport_for_work = true
}

policy "intune" {
  source                = "mdm"
  use_passport_for_work = true
}

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

variable "late" {
  type        = bool
  default     = false
  description = "Whether further devices are there, one of each join."
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

# In the domain alone.
user "carol" {
  upn      = "carol@corp.contoso.com"
  domain   = domain.corp
  password = var.password
}

device "desk" {
  join   = "hybrid"
  tenant = tenant.contoso
  domain = domain.corp
  site   = "HQ"
}

device "branch" {
  join   = "hybrid"
  tenant = tenant.contoso
  domain = domain.corp
  site   = "Branch"
}

device "laptop" {
  join          = "entra"
  tenant        = tenant.contoso
  joined_by     = user.alice
  trusted_roots = [authority.issuing]
  compliant     = true
}

device "pad" {
  join      = "entra"
  tenant    = tenant.contoso
  joined_by = user.bo
  tpm       = "none"
}

device "spare" {
  enabled   = var.late
  join      = "entra"
  tenant    = tenant.contoso
  joined_by = user.bo
}

device "late" {
  enabled = var.late
  join    = "hybrid"
  tenant  = tenant.contoso
  domain  = domain.corp
}

enrollment "alice_desk" {
  user   = user.alice
  device = device.desk
  pin    = var.pin
}

enrollment "alice_branch" {
  user   = user.alice
  device = device.branch
  pin    = var.pin
}

enrollment "alice_laptop" {
  user   = user.alice
  device = device.laptop
  pin    = var.pin
}

application "payroll" {
  tenant = tenant.contoso
  require {
    compliant_device = true
  }
}

# Cloud Kerberos trust beside key trust: of one device, which is in the branch.

trust "cloud" {
  type   = "cloud_kerberos"
  tenant = tenant.contoso
  domain = domain.corp
}

policy "cloud" {
  assign                = [device.tab]
  source                = "gpo"
  trust                 = trust.cloud
  use_passport_for_work = true
}

device "tab" {
  join   = "hybrid"
  tenant = tenant.contoso
  domain = domain.corp
  site   = "Branch"
}

user "cleo" {
  upn      = "cleo@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
}

group "admins" {
  domain     = domain.corp
  well_known = "domain_admins"
}

user "dora" {
  upn      = "dora@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  groups   = [group.admins]
  password = var.password
}

enrollment "cleo_tab" {
  user   = user.cleo
  device = device.tab
  pin    = var.pin
}

enrollment "dora_tab" {
  user   = user.dora
  device = device.tab
  pin    = var.pin
}

# A desktop of the domain that is reached by Remote Desktop, and what it takes: a
# certificate beside the key.

service "desktop" {
  domain = domain.corp
  kind   = "rdp"
  name   = "desktop01"
}

certificate "alice_laptop" {
  enrollment = enrollment.alice_laptop
  authority  = authority.issuing
  purpose    = "rdp"
}
