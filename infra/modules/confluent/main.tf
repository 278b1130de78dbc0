# A Kafka cluster with its topics, and a login for the job and for who deploys.

terraform {
  required_providers {
    confluent = {
      source = "confluentinc/confluent"
    }
  }
}

variable "name" {
  type = string
}

variable "region" {
  type = string
}

variable "type" {
  type = string
}

variable "availability" {
  type = string
}

variable "topics" {
  type = map(object({
    partitions = number
    config     = map(string)
  }))
}

locals {
  # The job writes control records to the topics that it reads. `tandem destroy --data` deletes topics.
  rights = ["CREATE", "DESCRIBE", "DESCRIBE_CONFIGS", "READ", "WRITE", "DELETE"]
}

resource "confluent_environment" "tandem" {
  display_name = "tandem-${var.name}"
}

resource "confluent_kafka_cluster" "tandem" {
  display_name = "tandem-${var.name}"
  availability = var.availability
  cloud        = "GCP"
  region       = var.region

  dynamic "basic" {
    for_each = var.type == "basic" ? [1] : []
    content {}
  }

  dynamic "standard" {
    for_each = var.type == "standard" ? [1] : []
    content {}
  }

  environment {
    id = confluent_environment.tandem.id
  }
}

# Only Terraform uses this login: for topics and rights.
resource "confluent_service_account" "admin" {
  display_name = "tandem-${var.name}-admin"
  description  = "Creates topics and rights"
}

resource "confluent_role_binding" "admin" {
  principal   = "User:${confluent_service_account.admin.id}"
  role_name   = "CloudClusterAdmin"
  crn_pattern = confluent_kafka_cluster.tandem.rbac_crn
}

resource "confluent_api_key" "admin" {
  display_name = "tandem-${var.name}-admin"

  owner {
    id          = confluent_service_account.admin.id
    api_version = confluent_service_account.admin.api_version
    kind        = confluent_service_account.admin.kind
  }

  managed_resource {
    id          = confluent_kafka_cluster.tandem.id
    api_version = confluent_kafka_cluster.tandem.api_version
    kind        = confluent_kafka_cluster.tandem.kind

    environment {
      id = confluent_environment.tandem.id
    }
  }

  # The key works once it has its role.
  depends_on = [confluent_role_binding.admin]
}

resource "confluent_kafka_topic" "topic" {
  for_each = var.topics

  topic_name       = each.key
  partitions_count = each.value.partitions
  config           = each.value.config
  rest_endpoint    = confluent_kafka_cluster.tandem.rest_endpoint

  kafka_cluster {
    id = confluent_kafka_cluster.tandem.id
  }

  credentials {
    key    = confluent_api_key.admin.id
    secret = confluent_api_key.admin.secret
  }
}

resource "confluent_service_account" "job" {
  display_name = "tandem-${var.name}-job"
  description  = "Tandem's job, and who deploys it"
}

resource "confluent_api_key" "job" {
  display_name = "tandem-${var.name}-job"

  owner {
    id          = confluent_service_account.job.id
    api_version = confluent_service_account.job.api_version
    kind        = confluent_service_account.job.kind
  }

  managed_resource {
    id          = confluent_kafka_cluster.tandem.id
    api_version = confluent_kafka_cluster.tandem.api_version
    kind        = confluent_kafka_cluster.tandem.kind

    environment {
      id = confluent_environment.tandem.id
    }
  }
}

resource "confluent_kafka_acl" "job" {
  for_each = { for pair in setproduct(keys(var.topics), local.rights) : join("/", pair) => pair }

  resource_type = "TOPIC"
  resource_name = each.value[0]
  pattern_type  = "LITERAL"
  principal     = "User:${confluent_service_account.job.id}"
  host          = "*"
  operation     = each.value[1]
  permission    = "ALLOW"
  rest_endpoint = confluent_kafka_cluster.tandem.rest_endpoint

  kafka_cluster {
    id = confluent_kafka_cluster.tandem.id
  }

  credentials {
    key    = confluent_api_key.admin.id
    secret = confluent_api_key.admin.secret
  }
}

output "bootstrap" {
  # Without the protocol, which the provider puts before the address.
  value = trimprefix(confluent_kafka_cluster.tandem.bootstrap_endpoint, "SASL_SSL://")
}

output "api_key" {
  value = confluent_api_key.job.id
}

output "api_secret" {
  value     = confluent_api_key.job.secret
  sensitive = true
}
