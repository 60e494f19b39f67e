domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"

  controller "dc1" {}

  controller "dc2" {
    site = "Paris"

    kdc_certificate {
      template = "domain_controller_authentication"
    }
  }

  password_policy {
    min_length = 12
    max_age    = "90d"
  }

  interop {
    keyless_cms = true
  }
}
