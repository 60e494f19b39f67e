# AD FS of a domain: with an authority it is a certificate registration authority,
# too. Its name is sts. and the domain's.
federation "sts" {
  domain    = domain.corp
  authority = authority.issuing
  mfa_rule  = "on_request"

  lifetimes {
    prt = "7d"
  }
}

# A tenant whose users AD FS signs in. What it verified as a second factor counts.
tenant "fabrikam" {
  domains        = ["fabrikam.com"]
  authentication = "federated"
  federation     = federation.sts

  mfa {
    federated_behavior = "accept"
  }
}

# Another vendor's service, with accounts of its own: those of the users of
# tenants that are federated with it.
federation "okta" {
  kind = "third_party"
  host = "idp.example.com"
}
