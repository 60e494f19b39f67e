policy "afar" {
  assign                = [group.team["remote"]]
  use_passport_for_work = true

  dynamic "pin_complexity" {
    for_each = length(local.remote) > 0 ? [8] : []
    content {
      minimum_pin_length = pin_complexity.value
    }
  }
}
