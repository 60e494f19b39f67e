sync "corp" {
  tenant   = tenant.contoso
  domain   = domain.corp
  interval = "30m"
}
