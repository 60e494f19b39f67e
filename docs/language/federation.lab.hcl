# AD FS of a domain: with an authority it is a certificate registration authority,
# too. Its name is sts. and the domain's. A tenant that is federated with it has a
# sync from its domain.
federation "sts" {
  domain    = domain.corp
  authority = authority.issuing
  mfa_rule  = "on_request"

  lifetimes {
    prt = "7d"
  }
}

# Another vendor's service, with accounts of its own: those of the users of
# tenants that are federated with it.
federation "okta" {
  kind = "third_party"
  host = "idp.example.com"
}

# A tenant whose users that service signs in. What it verified as a second factor
# counts.
tenant "fabrikam" {
  domains        = ["fabrikam.com"]
  authentication = "federated"
  federation     = federation.okta

  mfa {
    federated_behavior = "accept"
  }
}
