output "login_host" {
  description = "Host of the token service."
  value       = tenant.contoso.login_host
}

output "alice_totp" {
  value     = user.alice.totp_secret
  sensitive = true
}
