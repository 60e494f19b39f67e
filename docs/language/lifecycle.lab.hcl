value "kept" {
  input      = "precious"
  depends_on = [user.alice]

  lifecycle {
    prevent_destroy      = true
    ignore_changes       = [input]
    replace_triggered_by = [value.season]
  }
}
