# A company of 40 people, hybrid joined and Entra joined, with key trust and cloud
# Kerberos trust side by side. It is for asking before doing: each variable below
# "What may change" is a change of policy, and `hellolab plan` says whom it touches.

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
  description = "Hello PIN chosen at each enrollment."
}

variable "teams" {
  type = map(object({
    join   = string
    people = list(string)
  }))
  description = "People by team; every one has a computer, which is joined as the team's are."
}

# What may change.

variable "pin_length" {
  type        = number
  default     = 6
  description = "Shortest PIN that policy takes."
}

variable "cloud_teams" {
  type        = list(string)
  default     = ["design"]
  description = "Teams whose computers have cloud Kerberos trust; the others have key trust."
}

variable "key_export" {
  type        = bool
  default     = true
  description = "Whether Connect writes Hello keys to the domain."
}

variable "newcomers" {
  type        = list(string)
  default     = []
  description = "People of the sales team who are about to begin."
}

locals {
  people = merge([
    for team, t in var.teams : {
      for name in concat(t.people, team == "sales" ? var.newcomers : []) : name => { team = team, join = t.join }
    }
  ]...)
  in_cloud = [for name, p in local.people : name if contains(var.cloud_teams, p.team)]
  by_key   = [for name, p in local.people : name if !contains(var.cloud_teams, p.team)]
}

tenant "contoso" {
  domains = ["contoso.com"]
}

domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"
}

authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
}

sync "corp" {
  tenant     = tenant.contoso
  domain     = domain.corp
  key_export = var.key_export
}

trust "key" {
  type   = "key"
  tenant = tenant.contoso
  domain = domain.corp
}

trust "cloud" {
  type   = "cloud_kerberos"
  tenant = tenant.contoso
  domain = domain.corp
}

group "team" {
  for_each = toset(keys(var.teams))

  domain = domain.corp
  name   = title(each.key)
}

# Whoever is privileged gets no full ticket for a partial one.
group "admins" {
  domain     = domain.corp
  well_known = "domain_admins"
}

user "all" {
  for_each = local.people

  upn      = "${each.key}@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  groups   = each.key == "ada" ? [group.team[each.value.team], group.admins] : [group.team[each.value.team]]
  password = var.password
}

device "of" {
  for_each = local.people

  join          = each.value.join
  tenant        = tenant.contoso
  domain        = each.value.join == "hybrid" ? domain.corp : null
  joined_by     = each.value.join == "entra" ? user.all[each.key] : null
  trusted_roots = each.value.join == "entra" ? [authority.issuing] : []
}

enrollment "of" {
  for_each = local.people

  user   = user.all[each.key]
  device = device.of[each.key]
  pin    = var.pin
}

policy "key" {
  source                = "gpo"
  trust                 = trust.key
  use_passport_for_work = true
  assign                = [for name in local.by_key : device.of[name]]
}

policy "cloud" {
  source                = "gpo"
  enabled               = length(local.in_cloud) > 0
  trust                 = trust.cloud
  use_passport_for_work = true
  assign                = [for name in local.in_cloud : device.of[name]]
}

policy "pin" {
  source = "gpo"
  pin_complexity {
    minimum_pin_length = var.pin_length
  }
}

# What all this is for.
service "files" {
  domain = domain.corp
}
