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

# The other way into the domain: the tenant issues tickets with the key of an
# object in the domain. Raise key_version, or run `hellolab trust rotate
# trust.cloud`, and the key is another one.
trust "cloud" {
  type        = "cloud_kerberos"
  tenant      = tenant.contoso
  domain      = domain.corp
  denied      = [group.no_cloud_kerberos]
  key_version = 1
}

# The domain's own group, in which its administrators are.
group "no_cloud_kerberos" {
  domain     = domain.corp
  well_known = "denied_rodc_replication"
}

group "branch_office" {
  domain = domain.corp
  name   = "Branch office"
}

policy "branch_office" {
  assign                = [group.branch_office]
  source                = "gpo"
  trust                 = trust.cloud
  use_passport_for_work = true
}
