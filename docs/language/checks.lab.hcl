check "alice_signs_in" {
  sign_in {
    user   = user.alice
    device = device.laptop
    pin    = var.pin
    to     = [tenant.contoso]
  }
  expect = "success"
}

check "her_face_opens_it_tomorrow" {
  after = "1d"
  sign_in {
    user    = user.alice
    device  = device.laptop
    gesture = "face"
  }
  expect = "success"
}

check "bo_has_no_hello" {
  sign_in {
    user    = user.all["bo"]
    device  = device.laptop
    gesture = "face"
  }
  expect = "no_hello_credential"
}

check "key_is_in_the_tpm" {
  assert {
    condition     = enrollment.alice_laptop.key_storage == "tpm"
    error_message = "The key is in software."
  }
}
