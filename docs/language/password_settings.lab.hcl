password_settings "engineers" {
  domain     = domain.corp
  precedence = 10
  applies_to = [group.engineers]
  min_length = 14
  max_age    = "30d"
}

# Carol's password does not expire: she signs in with Windows Hello.
password_settings "hello" {
  domain     = domain.corp
  precedence = 20
  applies_to = [user.carol]
  max_age    = "0s"
}
