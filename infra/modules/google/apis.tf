locals {
  # Those of a deployment.
  apis = [
    "dataproc",
    "dataprocrm",
    "compute",
    "secretmanager",
    "storage",
    "logging",
    "iam",
    "cloudresourcemanager",
    "serviceusage",
  ]
  # Those of a login by impersonation or by Workload Identity Federation.
  federation_apis = ["iamcredentials", "sts"]
  # That of the alerts.
  more_apis = ["monitoring"]
}

resource "google_project_service" "api" {
  for_each = toset(concat(local.apis, local.federation_apis, local.more_apis))

  project = var.project
  service = "${each.value}.googleapis.com"
  # Other programs may use it.
  disable_on_destroy = false
}
