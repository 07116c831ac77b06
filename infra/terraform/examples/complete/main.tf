# Everything that can be said. Run `make dist` first.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

provider "aws" {
  region = var.region
}

module "holdfast" {
  source = "../.."

  name = var.name
  tags = { service = "backups" }

  # The bucket.
  bucket              = var.bucket
  force_destroy       = var.force_destroy
  kms_key_arn         = var.kms_key_arn
  former_kms_key_arns = var.former_kms_key_arns
  storage_class       = "STANDARD_IA"
  object_lock         = var.object_lock
  noncurrent_days     = 60
  price               = "0.0125 USD"

  # The functions.
  packages             = var.packages
  architecture         = var.architecture
  memory               = { broker = 512 }
  reserved_concurrency = var.reserved_concurrency
  log_retention_days   = 365

  # The API.
  throttle   = { rate = 20, burst = 40 }
  access_log = true
  domain     = var.domain

  # Who may push what, who may restore, and what is asked of it.
  config_in         = var.config_in
  accept_old_secret = var.accept_old_secret
  hosts             = var.hosts
  operators         = var.operators
  jobs              = var.jobs

  # Who is told what is wrong with a job.
  alert_channels  = var.alert_channels
  alert_remind    = "12h"
  alert_severity  = var.alert_severity
  alert_heartbeat = var.alert_heartbeat

  # When, and who is told when that does not run.
  monitor_minutes = 5
  retention_hours = 6
  alarm_topic_arn = var.alarm_topic_arn
  alarm_emails    = var.alarm_emails
}
