enrollment "alice_laptop" {
  user     = user.alice
  device   = device.laptop
  pin      = var.pin
  gestures = ["face"]
}
