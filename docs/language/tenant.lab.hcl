tenant "contoso" {
  domains     = ["contoso.com"]
  attestation = "required"

  mfa {
    provider = "builtin"
  }

  lifetimes {
    mfa = "15m"
  }
}
