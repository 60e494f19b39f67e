user "carol" {
  upn      = "carol@${local.domain}"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
}

enrollment "carol_laptop" {
  user   = user.carol
  device = device.laptop
  pin    = var.pin
}

certificate "carol_vpn" {
  enrollment = enrollment.carol_laptop
  authority  = authority.issuing
  purpose    = "vpn"
}
