output "bucket" {
  value = google_storage_bucket.tandem.name
}

output "job_account" {
  value = google_service_account.job.email
}

output "job_account_id" {
  value = google_service_account.job.name
}

output "subnetwork" {
  value = google_compute_subnetwork.tandem.name
}

output "nat_address" {
  value = google_compute_address.nat.address
}

# By kafka and mongo. The versions exist, too, once these are known.
output "secrets" {
  value      = { for name, secret in google_secret_manager_secret.password : name => secret.id }
  depends_on = [google_secret_manager_secret_version.password]
}
