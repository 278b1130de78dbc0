variable "name" {
  description = "The name of the environment and of Tandem's profile, such as staging."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,16}[a-z0-9])?$", var.name))
    error_message = "Use at most 18 lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "project" {
  description = "The id of a Google Cloud project with billing."
  type        = string
}

variable "region" {
  description = "Google's region, also for Confluent Cloud, such as europe-west3."
  type        = string
}

variable "bucket" {
  description = "The bucket to create. Names of buckets are unique in all of Google Cloud."
  type        = string
}

variable "range" {
  description = "The addresses of the cluster's machines."
  type        = string
  default     = "10.10.0.0/20"
}

variable "serverless" {
  description = "Whether the job runs as a serverless batch instead of on a cluster."
  type        = bool
  default     = false
}

variable "deployers" {
  description = "Who deploys besides GitHub Actions, such as user:me@example.com."
  type        = set(string)
  default     = []
}

variable "topics" {
  description = "The topics of your pipelines with their options; the default is that of orders_payments."
  type = map(object({
    partitions = number
    config     = map(string)
  }))
  default = {
    orders_topic_data_v1 = {
      partitions = 4
      config     = { "message.timestamp.type" = "LogAppendTime", "retention.ms" = "604800000" }
    }
    payments_topic_data_v1 = {
      partitions = 4
      config     = { "message.timestamp.type" = "LogAppendTime", "retention.ms" = "604800000" }
    }
    orders_payments_dead_letter_v1 = {
      partitions = 4
      config = {
        "message.timestamp.type" = "LogAppendTime"
        "retention.ms"           = "604800000"
        "max.message.bytes"      = "4194304"
      }
    }
  }
}

variable "kafka_type" {
  description = "The type of Confluent's cluster: basic, without a price for the cluster itself, or standard."
  type        = string
  default     = "basic"

  validation {
    condition     = contains(["basic", "standard"], var.kafka_type)
    error_message = "Use basic or standard."
  }
}

variable "kafka_availability" {
  description = "SINGLE_ZONE, or MULTI_ZONE at a higher price."
  type        = string
  default     = "SINGLE_ZONE"
}

variable "atlas_organization" {
  description = "The id of the organization in Atlas."
  type        = string
}

variable "atlas_region" {
  description = "The same region by Atlas's name, such as EUROPE_WEST_3."
  type        = string
}

variable "atlas_size" {
  description = "The size of Atlas's cluster; smaller ones than M10 allow too few connections."
  type        = string
  default     = "M10"
}

variable "atlas_addresses" {
  description = "More addresses or ranges that may connect to Atlas, by a comment: yours, and those of GitHub's runners."
  type        = map(string)
  default     = {}
}

variable "databases" {
  description = "The databases of your pipelines; the default is that of the included ones."
  type        = set(string)
  default     = ["ecommerce_mart"]
}

variable "github_repository" {
  description = "OWNER/NAME of the repository that deploys; null for none."
  type        = string
  default     = null
}

variable "github_environment" {
  description = "The environment of that repository whose workflows may log in."
  type        = string
  default     = "production"
}

variable "alert_emails" {
  description = "Addresses that get the alerts."
  type        = set(string)
  default     = []
}
