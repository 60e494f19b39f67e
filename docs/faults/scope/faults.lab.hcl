# The fault of the scenario.

fault "s28_misconfigured" {
  kind   = "misconfigured"
  target = policy.hello
  set    = { scope = "user" }
}
