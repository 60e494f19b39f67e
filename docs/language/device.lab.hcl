device "laptop" {
  join       = "entra"
  tenant     = tenant.contoso
  os         = "windows-11-24h2"
  biometrics = ["face"]
}
