# A MongoDB cluster, its user, and the addresses that may connect.

terraform {
  required_providers {
    mongodbatlas = {
      source = "mongodb/mongodbatlas"
    }
    random = {
      source = "hashicorp/random"
    }
  }
}

variable "name" {
  type = string
}

variable "organization" {
  type = string
}

variable "region" {
  type = string
}

variable "size" {
  type = string
}

variable "databases" {
  description = "The databases that the user may read and write."
  type        = set(string)
}

variable "addresses" {
  description = "The addresses or ranges that may connect, by a comment."
  type        = map(string)
}

resource "mongodbatlas_project" "tandem" {
  name   = "tandem-${var.name}"
  org_id = var.organization
}

resource "mongodbatlas_advanced_cluster" "tandem" {
  project_id     = mongodbatlas_project.tandem.id
  name           = "tandem-${var.name}"
  cluster_type   = "REPLICASET"
  backup_enabled = true

  replication_specs = [{
    region_configs = [{
      provider_name = "GCP"
      region_name   = var.region
      priority      = 7
      electable_specs = {
        instance_size = var.size
        node_count    = 3
      }
    }]
  }]
}

# Letters and digits only, so that no program needs to quote it.
resource "random_password" "user" {
  length  = 32
  special = false
}

resource "mongodbatlas_database_user" "tandem" {
  project_id         = mongodbatlas_project.tandem.id
  username           = "tandem"
  password           = random_password.user.result
  auth_database_name = "admin"

  dynamic "roles" {
    for_each = var.databases

    content {
      role_name     = "readWrite"
      database_name = roles.value
    }
  }

  scopes {
    name = mongodbatlas_advanced_cluster.tandem.name
    type = "CLUSTER"
  }
}

resource "mongodbatlas_project_ip_access_list" "address" {
  for_each = var.addresses

  project_id = mongodbatlas_project.tandem.id
  cidr_block = strcontains(each.value, "/") ? each.value : "${each.value}/32"
  comment    = each.key
}

output "srv_address" {
  value = mongodbatlas_advanced_cluster.tandem.connection_strings.standard_srv
}

output "username" {
  value = mongodbatlas_database_user.tandem.username
}

output "password" {
  value     = random_password.user.result
  sensitive = true
}
