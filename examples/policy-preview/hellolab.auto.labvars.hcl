# Demonstration values, so that this example runs as it stands. In a lab of
# your own leave the secrets out of this file and set HELLOLAB_VAR_password and
# HELLOLAB_VAR_pin, or keep the file out of version control.

password = "Corr3ct horse battery staple"
pin      = "739146"

teams = {
  sales = {
    join   = "entra"
    people = ["aaron", "bella", "carl", "dora", "emil", "fay", "gus", "hana", "ivo", "june"]
  }
  design = {
    join   = "entra"
    people = ["karl", "lena", "milo", "nora", "otto", "pia", "quinn", "rosa", "sam", "tess"]
  }
  finance = {
    join   = "hybrid"
    people = ["ugo", "vera", "walt", "xenia", "yann", "zoe", "abel", "beth", "cato", "dana"]
  }
  it = {
    join   = "hybrid"
    people = ["ada", "brian", "cleo", "dirk", "elsa", "finn", "gwen", "hugo", "ines", "jack"]
  }
}
