value "season" {
  input = { name = "spring", weeks = 13 }
}
