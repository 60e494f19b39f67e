variable "password" {
  type        = string
  sensitive   = true
  description = "First password of every user."
}

variable "pin" {
  type      = string
  sensitive = true

  validation {
    condition     = length(var.pin) >= 6
    error_message = "The policy of this lab asks for at least 6 digits."
  }
}

variable "people" {
  type = map(object({
    name   = string
    remote = optional(bool, false)
  }))
  default = {
    bo = { name = "Bo" }
    cy = { name = "Cy", remote = true }
  }
}
