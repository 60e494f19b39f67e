trust "key" {
  type      = "key"
  tenant    = tenant.contoso
  domain    = domain.corp
  authority = authority.issuing
}

# Turns it on for everyone's computers. On hybrid joined ones Hello is off
# until a policy says otherwise.
policy "computers" {
  source                = "gpo"
  trust                 = trust.key
  use_passport_for_work = true
}
