policy "staff" {
  assign                  = [group.staff]
  scope                   = "user"
  use_passport_for_work   = true
  require_security_device = true

  pin_complexity {
    minimum_pin_length = 6
    digits             = "require"
  }
}

# Where a face or a finger alone does not unlock: the PIN besides, or the
# domain's network around.
policy "kiosks" {
  assign = [device.laptop]

  device_unlock {
    group_a = ["face", "fingerprint"]
    group_b = ["pin", "trusted_signal"]
    plugins = "<rule schemaVersion=\"1.0\"><signal type=\"ipConfig\"><dnsSuffix>corp.contoso.com</dnsSuffix></signal></rule>"
  }
}
