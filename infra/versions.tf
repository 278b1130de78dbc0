# Runs with OpenTofu, too. `init` writes the exact versions to .terraform.lock.hcl: commit that file.
terraform {
  required_version = ">= 1.8"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.0"
    }
    confluent = {
      source  = "confluentinc/confluent"
      version = "~> 2.12"
    }
    mongodbatlas = {
      source  = "mongodb/mongodbatlas"
      version = "~> 2.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }

  # The state holds the two passwords. Keep it in a bucket that few people may read, and fill this in:
  # backend "gcs" {
  #   bucket = "BUCKET_OF_THE_STATE"
  #   prefix = "tandem/staging"
  # }
}
