# `tandem profile import` reads this output. It holds references to secrets, no secret.
output "tandem_profile" {
  description = "The settings of Tandem's profile."
  value = {
    name = var.name
    settings = {
      gcp = {
        project         = var.project
        region          = var.region
        bucket          = module.google.bucket
        service_account = module.google.job_account
        subnetwork      = module.google.subnetwork
        serverless      = var.serverless
      }
      kafka = {
        bootstrap    = module.confluent.bootstrap
        username     = module.confluent.api_key
        job_password = "gsm:${module.google.secrets.kafka}"
      }
      # Each pipeline's settings.toml names its database.
      mongo = {
        uri          = "${module.atlas.srv_address}/?retryWrites=true"
        username     = module.atlas.username
        job_password = "gsm:${module.google.secrets.mongo}"
      }
    }
  }
}

# Variables of the GitHub repository, for the workflow that `tandem new --ci github` writes.
output "github" {
  description = "The variables GCP_IDENTITY_PROVIDER and GCP_DEPLOYER of the workflow; null without a repository."
  value = var.github_repository == null ? null : {
    GCP_IDENTITY_PROVIDER = module.github[0].provider
    GCP_DEPLOYER          = module.github[0].account
  }
}

output "kafka_password" {
  description = "For a file of this machine: `terraform output -raw kafka_password`."
  value       = module.confluent.api_secret
  sensitive   = true
}

output "mongo_password" {
  description = "For a file of this machine: `terraform output -raw mongo_password`."
  value       = module.atlas.password
  sensitive   = true
}
