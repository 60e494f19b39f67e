# Demonstration values, so that this example runs as it stands. In a lab of
# your own leave the secrets out of this file and set HELLOLAB_VAR_password and
# HELLOLAB_VAR_pin, or keep the file out of version control.

password = "Corr3ct horse battery staple"
pin      = "739146"
