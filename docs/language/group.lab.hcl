group "staff" {
  tenant = tenant.contoso
  name   = "Staff"
}

group "engineers" {
  domain = domain.corp
  name   = "Engineers"
}
