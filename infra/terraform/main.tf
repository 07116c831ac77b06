# Holdfast on AWS: a bucket, four functions, an API in front of two of them and
# a schedule for the other two. This file: the configuration document that the
# functions read.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id # .name in provider 5, .region in 6; id in both

  # Names are put together here and not taken from the resources, so that a plan
  # shows every policy in full before anything exists.
  bucket     = coalesce(var.bucket, "${var.name}-${local.account}-${local.region}")
  bucket_arn = "arn:${local.partition}:s3:::${local.bucket}"

  parameters         = "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter"
  config_parameter   = "/${var.name}/config"
  config_key         = "config/holdfast.yaml"
  config_reference   = var.config_in == "ssm" ? "ssm:${local.config_parameter}" : "s3://${local.bucket}/${local.config_key}"
  secret_parameters  = ["/${var.name}/broker-secret", "/${var.name}/broker-secret-old"]
  broker_url         = var.domain == null ? aws_apigatewayv2_api.broker.api_endpoint : "https://${var.domain.name}"
  broker_placeholder = "https://broker.invalid"
}

locals {
  # What S3 is told of each upload. Holdfast refuses keys without a value, so
  # what was not asked for is left out, here and below.
  vault = { for key, value in {
    bucket        = local.bucket
    region        = local.region
    storage_class = var.storage_class
    kms_key       = var.kms_key_arn
    lock          = var.object_lock == null ? null : { mode = var.object_lock.mode, for = "${var.object_lock.days}d" }
  } : key => value if value != null }

  document = merge({ for alerts in [local.alerts] : "alerts" => alerts if length(alerts) > 0 }, {
    broker = { for key, value in {
      url        = local.broker_placeholder
      secret     = "ssm:${local.secret_parameters[0]}"
      old_secret = var.accept_old_secret ? "ssm:${local.secret_parameters[1]}" : null
    } : key => value if value != null }

    vaults    = { main = merge({ s3 = local.vault }, { for price in var.price[*] : "price" => price }) }
    hosts     = { for name, host in var.hosts : name => { for key, value in host : key => value if value != null } }
    operators = { for name, operator in var.operators : name => { for key, value in operator : key => value if value != null } }

    jobs = { for name, job in var.jobs : name => merge(
      { for key, value in job : key => value if value != null && !contains(["expect", "keep", "alert", "alert_events"], key) },
      # One key, a list or a map.
      { for form in ["alert", "alert_events"] : "alert" => job[form] if job[form] != null },
      { for key, value in {
        expect = { for rule, value in job.expect : rule => value if value != null }
        # 7 is a number of backups, "7d" a length of time.
        keep = { for rule, value in job.keep : rule => try(tonumber(value), value) if value != null }
      } : key => value if length(value) > 0 },
    ) }
  })

  # AWS chooses the API's name, and only when it is made: the document is known
  # before that, but for this one value.
  config_text = yamlencode(local.document)
  config      = replace(local.config_text, local.broker_placeholder, local.broker_url)
  config_size = length(local.config_text) + 64 # bytes: all that variables let in is ASCII
}

resource "aws_ssm_parameter" "config" {
  count = var.config_in == "ssm" ? 1 : 0

  name        = local.config_parameter
  description = "Configuration of Holdfast (${var.name}). It holds no secret."
  type        = "String"
  tier        = "Intelligent-Tiering" # over 4 KB it becomes a paid one
  value       = local.config
  tags        = var.tags

  lifecycle {
    precondition {
      condition     = local.config_size <= 8192
      error_message = "The configuration has ${local.config_size} bytes, and a parameter of SSM takes 8192: set config_in = \"s3\"."
    }
  }
}

resource "aws_s3_object" "config" {
  count = var.config_in == "s3" ? 1 : 0

  bucket       = aws_s3_bucket.vault.id
  key          = local.config_key
  content      = local.config
  content_type = "application/yaml"
  tags         = var.tags

  # Not with the customer key: retention reads this and must not need that.
  server_side_encryption = "AES256"

  depends_on = [aws_s3_bucket_versioning.vault, aws_s3_bucket_ownership_controls.vault]
}
