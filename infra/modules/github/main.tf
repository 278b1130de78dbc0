# Workload Identity Federation: workflows of one repository and environment act as a service account, without a key.

variable "name" {
  type = string
}

variable "project" {
  type = string
}

variable "repository" {
  description = "OWNER/NAME."
  type        = string
}

variable "environment" {
  description = "The environment in the repository. Its rules decide who deploys."
  type        = string
}

resource "google_service_account" "deployer" {
  account_id   = "tandem-${var.name}-ci"
  project      = var.project
  display_name = "Deploys Tandem's ${var.name} from GitHub"
}

# Google keeps the id for 30 days after a deletion: docs/guides/infrastructure.md restores it.
resource "google_iam_workload_identity_pool" "github" {
  project                   = var.project
  workload_identity_pool_id = "tandem-${var.name}"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  # Without this condition, every repository on GitHub could log in.
  attribute_condition = "assertion.repository == '${var.repository}' && assertion.environment == '${var.environment}'"
  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github" {
  service_account_id = google_service_account.deployer.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/attribute.repository/${var.repository}"
}

output "member" {
  value = google_service_account.deployer.member
}

output "account" {
  value = google_service_account.deployer.email
}

output "provider" {
  value = google_iam_workload_identity_pool_provider.github.name
}
