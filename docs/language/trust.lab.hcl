trust "key" {
  type      = "key"
  tenant    = tenant.contoso
  domain    = domain.corp
  authority = authority.issuing
}

# Turns it on for the computers of a group. On hybrid joined ones Hello is off
# until a policy says otherwise.
policy "computers" {
  assign                = [group.engineers]
  source                = "gpo"
  trust                 = trust.key
  use_passport_for_work = true
}
