locals {
  # The roles of the job's machines. The roles of who deploys stand in the module deployer.
  job_roles = {
    project = ["dataproc.worker"]
    bucket  = ["storage.objectUser"]
    secrets = ["secretmanager.secretAccessor"]
  }
}

resource "google_service_account" "job" {
  account_id   = "tandem-${var.name}-job"
  project      = var.project
  display_name = "Tandem's job in ${var.name}"

  depends_on = [google_project_service.api]
}

resource "google_project_iam_member" "job" {
  for_each = toset(local.job_roles.project)

  project = var.project
  role    = "roles/${each.value}"
  member  = google_service_account.job.member
}

resource "google_storage_bucket_iam_member" "job" {
  for_each = toset(local.job_roles.bucket)

  bucket = google_storage_bucket.tandem.name
  role   = "roles/${each.value}"
  member = google_service_account.job.member
}

resource "google_secret_manager_secret_iam_member" "job" {
  for_each = { for pair in setproduct(local.secrets, local.job_roles.secrets) : join("/", pair) => pair }

  project   = var.project
  secret_id = google_secret_manager_secret.password[each.value[0]].secret_id
  role      = "roles/${each.value[1]}"
  member    = google_service_account.job.member
}
