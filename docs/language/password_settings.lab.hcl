password_settings "administrators" {
  domain     = domain.corp
  precedence = 10
  applies_to = [group.engineers, user.alice]
  min_length = 14
  max_age    = "30d"
}

# Their passwords do not expire: they sign in with Windows Hello.
password_settings "hello" {
  domain     = domain.corp
  precedence = 20
  applies_to = [group.hello]
  max_age    = "0s"
}
