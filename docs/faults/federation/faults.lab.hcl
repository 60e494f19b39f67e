# The faults of the scenarios.

fault "s09_scope_missing" {
  kind   = "scope_missing"
  target = federation.sts
}

fault "s43_domain_removed" {
  kind   = "domain_removed"
  target = tenant.contoso
  domain = "fabrikam.com"
}

fault "s44_password_endpoints_off" {
  kind   = "password_endpoints_off"
  target = federation.sts
}

fault "s44_hello_password_endpoints_off" {
  kind   = "password_endpoints_off"
  target = federation.sts
}

fault "s47_not_in_ntauth" {
  kind   = "not_in_ntauth"
  target = authority.issuing
}

fault "s49_agent_template_off" {
  kind   = "agent_template_off"
  target = authority.issuing
}

fault "s49_revoked_agent_certificate_revoked" {
  kind   = "agent_certificate_revoked"
  target = federation.sts
}

fault "s50_device_not_written_back" {
  kind   = "device_not_written_back"
  target = device.desk
}

fault "x_stopped_federation_stopped" {
  kind   = "federation_stopped"
  target = federation.sts
}

fault "x_stopped_hello_federation_stopped" {
  kind   = "federation_stopped"
  target = federation.sts
}

fault "x_down_host_down" {
  kind   = "host_down"
  target = federation.sts
}

fault "x_adapter_adapter_missing" {
  kind   = "adapter_missing"
  target = federation.sts
}

fault "x_authority_off_registration_authority_off" {
  kind   = "registration_authority_off"
  target = federation.sts
}

fault "x_template_off_sign_in_template_off" {
  kind   = "sign_in_template_off"
  target = authority.issuing
}

fault "x_revoked_sign_in_certificate_revoked" {
  kind   = "sign_in_certificate_revoked"
  target = enrollment.alice_desk
}

fault "x_lists_lists_closed_to_controllers" {
  kind   = "lists_closed_to_controllers"
  target = authority.issuing
}

fault "x_write_back_devices_not_written_back" {
  kind   = "devices_not_written_back"
  target = sync.corp
}

fault "x_registration_off_device_registration_off" {
  kind   = "device_registration_off"
  target = federation.sts
}
