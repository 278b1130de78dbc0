locals {
  secrets = ["kafka", "mongo"]
}

# The job reads the passwords here, with the identity of its machine.
resource "google_secret_manager_secret" "password" {
  for_each = toset(local.secrets)

  project   = var.project
  secret_id = "tandem-${var.name}-${each.value}-password"

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_version" "password" {
  for_each = toset(local.secrets)

  secret      = google_secret_manager_secret.password[each.value].id
  secret_data = var.secrets[each.value]
}
