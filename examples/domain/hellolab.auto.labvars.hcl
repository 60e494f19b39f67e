# Demonstration values, so that this example runs as it stands. In a lab of
# your own leave the password out of this file and set HELLOLAB_VAR_password,
# or keep the file out of version control.

password = "Corr3ct horse battery staple"

people = {
  alice = { name = "Alice Adams", team = "finance" }
  bo    = { name = "Bo Berg", team = "engineering" }
  carol = { name = "Carol Cruz", team = "engineering" }
}
