domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"

  password_policy {
    min_length = 12
  }

  controller "dc1" {}
  controller "dc2" {
    site = "Branch"
  }
}
