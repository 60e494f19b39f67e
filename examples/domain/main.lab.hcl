# On premises: an Active Directory domain with two controllers, its people and
# their groups, two authorities and a member server. Any Kerberos or LDAP client
# may be pointed at it.

lab {
  required_version = ">= 0.1"
}

variable "password" {
  type        = string
  sensitive   = true
  description = "First password of every user."
}

variable "people" {
  type        = map(object({ name = string, team = string }))
  description = "Who works here, by account name."
}

domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"

  password_policy {
    min_length = 12
    min_age    = "0s" # whoever has a password may change it at once
  }

  controller "dc1" {}

  controller "dc2" {
    os   = "windows-server-2025"
    site = "Branch"
  }
}

group "team" {
  for_each = toset([for person in var.people : person.team])

  domain = domain.corp
  name   = title(each.key)
}

user "all" {
  for_each = var.people

  upn          = "${each.key}@contoso.com"
  display_name = each.value.name
  domain       = domain.corp
  password     = var.password
  groups       = [group.team[each.value.team]]
}

# New this week: the first sign-in asks for a password of their own.
user "newcomer" {
  upn              = "newcomer@contoso.com"
  display_name     = "Nora Newcomer"
  domain           = domain.corp
  password         = var.password
  password_expired = true
}

# What Entra Connect runs as: it may write the Hello keys of others.
user "sync" {
  upn      = "sync@contoso.com"
  domain   = domain.corp
  password = var.password
}

group "key_admins" {
  domain     = domain.corp
  well_known = "key_admins"
  members    = [user.sync]
}

# Two authorities: a root, and one below it that issues to controllers, people
# and machines. Controllers enroll by themselves.
authority "root" {
  domain      = domain.corp
  common_name = "Contoso Root CA"
  ntauth      = false
}

authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
  parent      = authority.root
}

# A member server that lets in engineers by their tickets.
service "intranet" {
  domain    = domain.corp
  authorize = [group.team["engineering"]]
}

check "the_realm_is_the_name_in_capitals" {
  assert {
    condition     = domain.corp.realm == upper(domain.corp.dns_name)
    error_message = "Clients look for another realm."
  }
}

check "accounts_are_the_domains" {
  assert {
    condition     = alltrue([for u in values(user.all) : startswith(u.sid, domain.corp.sid)])
    error_message = "An account has an identifier of another domain."
  }
}

output "administrator" {
  description = "The account that may change everything."
  value       = domain.corp.admin_upn
}

output "administrator_password" {
  value     = domain.corp.admin_password
  sensitive = true
}
