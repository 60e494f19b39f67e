locals {
  domain = tenant.contoso.domains[0]
  remote = [for key, person in var.people : key if person.remote]
}
