device "laptop" {
  join          = "entra"
  tenant        = tenant.contoso
  os            = "windows-11-24h2"
  biometrics    = ["face"]
  trusted_roots = [authority.root]
}

# Alice's own: her Microsoft account unlocks it, and her work account is added.
device "phonepc" {
  join           = "registered"
  tenant         = tenant.contoso
  unlock_account = "microsoft"
  work_accounts  = [user.alice]
}
