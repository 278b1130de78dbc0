# One environment of Tandem in Google Cloud, Confluent Cloud and Atlas; docs/guides/infrastructure.md explains it.

provider "google" {
  project = var.project
  region  = var.region
  # A person's login counts against the quota of this project.
  user_project_override = true
  billing_project       = var.project
}

# Reads CONFLUENT_CLOUD_API_KEY and CONFLUENT_CLOUD_API_SECRET.
provider "confluent" {}

# Reads MONGODB_ATLAS_CLIENT_ID and MONGODB_ATLAS_CLIENT_SECRET.
provider "mongodbatlas" {}

module "google" {
  source = "./modules/google"

  name    = var.name
  project = var.project
  region  = var.region
  bucket  = var.bucket
  range   = var.range
  secrets = {
    kafka = module.confluent.api_secret
    mongo = module.atlas.password
  }
}

module "confluent" {
  source = "./modules/confluent"

  name         = var.name
  region       = var.region
  type         = var.kafka_type
  availability = var.kafka_availability
  topics       = var.topics
}

module "atlas" {
  source = "./modules/atlas"

  name         = var.name
  organization = var.atlas_organization
  region       = var.atlas_region
  size         = var.atlas_size
  databases    = var.databases
  addresses    = merge({ job = module.google.nat_address }, var.atlas_addresses)
}

# Lets GitHub Actions log in without a key file.
module "github" {
  source = "./modules/github"
  count  = var.github_repository == null ? 0 : 1

  name        = var.name
  project     = var.project
  repository  = var.github_repository
  environment = var.github_environment

  depends_on = [module.google]
}

module "deployer" {
  source = "./modules/deployer"
  for_each = merge(
    { for member in var.deployers : member => member },
    var.github_repository == null ? {} : { github = module.github[0].member },
  )

  member  = each.value
  project = var.project
  bucket  = module.google.bucket
  account = module.google.job_account_id
  secrets = module.google.secrets

  # The roles need APIs.
  depends_on = [module.google]
}

module "alerts" {
  source = "./modules/alerts"

  name       = var.name
  project    = var.project
  region     = var.region
  serverless = var.serverless
  emails     = var.alert_emails

  depends_on = [module.google]
}
