sync "corp" {
  tenant   = tenant.contoso
  domain   = domain.corp
  interval = "30m"

  # Keys have a clock of their own.
  key_export_schedule {
    interval = "1h"
  }

  # Registered devices are written back when somebody asks: sync run -only=device_writeback.
  device_writeback = true
  device_writeback_schedule {
    enabled = false
  }
}
