# The roles of one identity that deploys: a person, a group or a service account.

variable "member" {
  description = "The identity, as Google's policies name it."
  type        = string
}

variable "project" {
  type = string
}

variable "bucket" {
  type = string
}

variable "account" {
  description = "The service account of the job's machines, by its resource name."
  type        = string
}

variable "secrets" {
  description = "The resource names of the secrets."
  type        = map(string)
}

locals {
  deployer_roles = {
    project = [
      "dataproc.editor",
      "serviceusage.serviceUsageConsumer",
      "logging.viewer",
      "compute.networkViewer",
    ]
    "service account" = ["iam.serviceAccountUser"]
    bucket            = ["storage.objectUser", "storage.legacyBucketReader"]
    # It sees that the secrets exist, not their values.
    secrets = ["secretmanager.viewer"]
  }
}

resource "google_project_iam_member" "deployer" {
  for_each = toset(local.deployer_roles.project)

  project = var.project
  role    = "roles/${each.value}"
  member  = var.member
}

resource "google_service_account_iam_member" "deployer" {
  for_each = toset(local.deployer_roles["service account"])

  service_account_id = var.account
  role               = "roles/${each.value}"
  member             = var.member
}

resource "google_storage_bucket_iam_member" "deployer" {
  for_each = toset(local.deployer_roles.bucket)

  bucket = var.bucket
  role   = "roles/${each.value}"
  member = var.member
}

resource "google_secret_manager_secret_iam_member" "deployer" {
  for_each = { for pair in setproduct(keys(var.secrets), local.deployer_roles.secrets) : join("/", pair) => pair }

  project   = var.project
  secret_id = var.secrets[each.value[0]]
  role      = "roles/${each.value[1]}"
  member    = var.member
}
