user "alice" {
  upn      = "alice@${local.domain}"
  tenant   = tenant.contoso
  groups   = [group.staff]
  password = var.password
  mfa      = "push"
}
