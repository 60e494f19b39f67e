group "staff" {
  tenant = tenant.contoso
  name   = "Staff"
}
