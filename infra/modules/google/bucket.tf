resource "google_storage_bucket" "tandem" {
  name                        = var.bucket
  project                     = var.project
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # Each batch deletes about a dozen objects of the checkpoint. With soft delete, each costs for another week.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  # Deletes drivers' output. Without the prefix, the rule would delete the checkpoint, too. A cluster's own files have
  # the same prefix, but their names do not end in a digit.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 30
      matches_prefix = ["google-cloud-dataproc-metainfo/"]
      matches_suffix = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    }
  }

  depends_on = [google_project_service.api]
}
