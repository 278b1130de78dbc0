variable "name" {
  type = string
}

variable "project" {
  type = string
}

variable "region" {
  type = string
}

variable "bucket" {
  type = string
}

variable "range" {
  type = string
}

variable "secrets" {
  description = "The passwords of Kafka and MongoDB."
  type        = object({ kafka = string, mongo = string })
}
