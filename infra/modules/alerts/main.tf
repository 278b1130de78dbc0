# Alerts on what the job writes to Cloud Logging. They cover all pipelines of the project's region, whatever their
# environment: docs/guides/monitoring.md says what that hides.

terraform {
  required_providers {
    google = {
      source = "hashicorp/google"
    }
  }
}

variable "name" {
  type = string
}

variable "project" {
  type = string
}

variable "region" {
  type = string
}

variable "serverless" {
  type = bool
}

variable "emails" {
  type = set(string)
}

locals {
  # A cluster's jobs and serverless batches have other resources and logs.
  resource = var.serverless ? "cloud_dataproc_batch" : "cloud_dataproc_job"
  driver = join(" AND ", var.serverless ? [
    "resource.type = \"cloud_dataproc_batch\"",
    "resource.labels.location = \"${var.region}\"",
    "logName = \"projects/${var.project}/logs/dataproc.googleapis.com%2Foutput\"",
    ] : [
    "resource.type = \"cloud_dataproc_job\"",
    "resource.labels.region = \"${var.region}\"",
    "logName = \"projects/${var.project}/logs/dataproc.job.driver\"",
  ])
  # The id of a job or batch: the pipeline's name, a job's release, and a number in hexadecimal digits.
  pipeline = "REGEXP_EXTRACT(resource.labels.${var.serverless ? "batch_id" : "job_id"}, \"^(.+?)(?:-r[0-9a-f]{7})?-[0-9a-f]{8}$\")"

  # Each line is an alert by itself.
  lines = {
    failed = {
      texts = ["the query failed", "the job cannot start"]
      title = "job failed"
      help  = "`tandem status` says why, and docs/guides/recovery.md what to do. A cluster restarts the driver by itself."
    }
    late = {
      texts = ["late records dropped"]
      title = "late records"
      help  = "`tandem reconcile` repairs the documents."
    }
    dead_letters = {
      texts = ["records rejected"]
      title = "dead letters"
      help  = "docs/guides/late_records.md reads the dead letters and replays them."
    }
    slow = {
      texts = ["slow batch"]
      title = "lag grows"
      help  = "A batch reads all records that wait, and one took more than five minutes. `tandem status` shows the lag; docs/guides/volume.md says what to change."
    }
  }

  # These lines are counted.
  counts = {
    alive   = ["batch committed", "waiting for records"]
    started = ["driver started"]
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.emails

  project      = var.project
  display_name = "Tandem ${var.name}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
}

resource "google_monitoring_alert_policy" "line" {
  for_each = local.lines

  project               = var.project
  display_name          = "Tandem ${var.name}: ${each.value.title}"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.name]

  conditions {
    display_name = each.value.title

    condition_matched_log {
      filter           = "${local.driver} AND (${join(" OR ", [for text in each.value.texts : "\"${text}\""])})"
      label_extractors = { pipeline = local.pipeline }
    }
  }

  alert_strategy {
    auto_close = "3600s"

    notification_rate_limit {
      period = "1800s"
    }
  }

  documentation {
    content = each.value.help
  }
}

resource "google_logging_metric" "count" {
  for_each = local.counts

  project          = var.project
  name             = "tandem-${var.name}-${each.key}"
  filter           = "${local.driver} AND (${join(" OR ", [for text in each.value : "\"${text}\""])})"
  label_extractors = { pipeline = local.pipeline }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"

    labels {
      key = "pipeline"
    }
  }
}

# It also fires after `tandem destroy`, until it closes by itself.
resource "google_monitoring_alert_policy" "silent" {
  project               = var.project
  display_name          = "Tandem ${var.name}: job silent"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.name]

  conditions {
    display_name = "no batch and no idle job for ten minutes"

    condition_threshold {
      filter                  = "metric.type = \"logging.googleapis.com/user/${google_logging_metric.count["alive"].name}\" AND resource.type = \"${local.resource}\""
      comparison              = "COMPARISON_LT"
      threshold_value         = 1
      duration                = "300s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"

      # A new job of the same pipeline continues the line.
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["metric.label.pipeline"]
      }
    }
  }

  alert_strategy {
    auto_close = "3600s"
  }

  documentation {
    content = "`tandem status` and `tandem logs job` say why: the driver does not run, or one batch takes very long."
  }
}

# Dataproc gives up after ten failures in an hour. After 240 in a job's life it gives up, too: `tandem status` warns.
resource "google_monitoring_alert_policy" "restarts" {
  project               = var.project
  display_name          = "Tandem ${var.name}: restarts run out"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.name]

  conditions {
    display_name = "five starts of a driver in an hour"

    condition_threshold {
      filter          = "metric.type = \"logging.googleapis.com/user/${google_logging_metric.count["started"].name}\" AND resource.type = \"${local.resource}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 4
      duration        = "0s"

      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["metric.label.pipeline"]
      }
    }
  }

  alert_strategy {
    auto_close = "3600s"
  }

  documentation {
    content = "`tandem logs job` says why the driver fails. Fix it, then `tandem submit` starts a job with all restarts."
  }
}
