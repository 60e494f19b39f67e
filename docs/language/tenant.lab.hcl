tenant "contoso" {
  domains     = ["contoso.com"]
  attestation = "required"

  lifetimes {
    mfa = "15m"
  }
}
