application "portal" {
  tenant        = tenant.contoso
  name          = "Portal"
  redirect_uris = ["http://localhost"]

  require {
    mfa              = true
    compliant_device = true
    max_risk         = "low"
  }
}

application "wiki" {
  tenant                       = tenant.contoso
  continuous_access_evaluation = true
}

check "alice_reaches_the_wiki" {
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [application.wiki]
  }
  expect = "success"
}
