user "all" {
  for_each = var.people

  upn          = "${each.key}@${local.domain}"
  display_name = each.value.name
  tenant       = tenant.contoso
  groups       = [group.team[each.value.remote ? "remote" : "office"]]
  password     = var.password
}

group "team" {
  for_each = toset(["office", "remote"])

  tenant = tenant.contoso
  name   = title(each.key)
}

value "round" {
  count = 3
  input = "round ${count.index + 1}"
}

value "extra" {
  enabled = length(local.remote) > 0
  input   = "only when somebody works from afar"
}
