policy "staff" {
  assign                  = [group.staff]
  scope                   = "user"
  use_passport_for_work   = true
  require_security_device = true

  pin_complexity {
    minimum_pin_length = 6
    digits             = "require"
    history            = 5
    expiration         = 90
  }
}
