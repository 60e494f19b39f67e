service "intranet" {
  domain    = domain.corp
  authorize = [group.engineers]
}

service "archive" {
  domain = domain.corp
  kind   = "ntlm"
  name   = "archive01"
}
