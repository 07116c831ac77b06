# The bucket: versioned, encrypted, private, TLS only, add only.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name = "acme"
}

run "bucket_by_default" {
  command = plan

  assert {
    condition     = aws_s3_bucket.vault.bucket == "acme-123456789012-eu-west-3"
    error_message = "the bucket is not named after deployment, account and region"
  }
  assert {
    condition     = aws_s3_bucket_versioning.vault.versioning_configuration[0].status == "Enabled"
    error_message = "versioning is not on"
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.vault.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "encryption is not on"
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.vault.block_public_acls, aws_s3_bucket_public_access_block.vault.block_public_policy,
      aws_s3_bucket_public_access_block.vault.ignore_public_acls, aws_s3_bucket_public_access_block.vault.restrict_public_buckets,
    ])
    error_message = "public access is not blocked"
  }
  assert {
    condition     = aws_s3_bucket_ownership_controls.vault.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "ACLs count"
  }
  assert {
    condition     = aws_s3_bucket.vault.force_destroy == false
    error_message = "destroy would delete the backups"
  }
  assert {
    condition     = aws_s3_bucket.vault.object_lock_enabled == false && length(aws_s3_bucket_object_lock_configuration.vault) == 0
    error_message = "object lock is on without having been asked for"
  }
}

run "bucket_policy" {
  command = plan

  assert {
    condition     = alltrue([for s in jsondecode(aws_s3_bucket_policy.vault.policy).Statement : s.Effect == "Deny"])
    error_message = "the bucket's policy lets somebody in; it is for refusals"
  }
  assert {
    condition = anytrue([for s in jsondecode(aws_s3_bucket_policy.vault.policy).Statement :
      s.Principal == "*" && s.Action == "s3:*" && try(s.Condition.Bool["aws:SecureTransport"] == "false", false) && length(keys(s.Condition)) == 1 &&
      toset(s.Resource) == toset(["arn:aws:s3:::acme-123456789012-eu-west-3", "arn:aws:s3:::acme-123456789012-eu-west-3/*"])
    ])
    error_message = "plain HTTP is not refused"
  }
  assert {
    condition = anytrue([for s in jsondecode(aws_s3_bucket_policy.vault.policy).Statement :
      s.Principal == "*" && s.Action == "s3:PutObject" && try(s.Condition.Null["s3:if-none-match"] == "true" && s.Condition.Bool["s3:ObjectCreationOperation"] == "true", false) &&
      toset(s.Resource) == toset(["arn:aws:s3:::acme-123456789012-eu-west-3/backups/*", "arn:aws:s3:::acme-123456789012-eu-west-3/reports/*"])
    ])
    error_message = "objects can be replaced"
  }
}

run "lifecycle" {
  command = plan

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.vault.rule : rule.status == "Enabled"])
    error_message = "a rule is off"
  }
  assert {
    # Later than the sweep's two days, or its report would never come.
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.vault.rule : rule if rule.id == "unfinished-uploads"]).abort_incomplete_multipart_upload[0].days_after_initiation == 3
    error_message = "unfinished uploads are not aborted after 3 days"
  }
  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.vault.rule : rule if rule.id == "old-versions"]).noncurrent_version_expiration[0].noncurrent_days == 30
    error_message = "old versions do not go after 30 days"
  }
  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.vault.rule : rule if rule.id == "old-versions"]).expiration[0].expired_object_delete_marker
    error_message = "lonely delete markers stay"
  }
  assert {
    # Nothing but retention thins backups out. S3 lets an expiration have either
    # days or this marker.
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.vault.rule : rule.id if length(rule.expiration) > 0] == ["old-versions"]
    error_message = "a rule expires current versions"
  }
}

run "with_object_lock" {
  command = plan

  variables {
    object_lock     = { mode = "compliance", days = 90 }
    noncurrent_days = 30
  }

  assert {
    condition     = aws_s3_bucket.vault.object_lock_enabled && aws_s3_bucket_object_lock_configuration.vault[0].object_lock_enabled == "Enabled"
    error_message = "object lock is not on"
  }
  assert {
    condition     = length(aws_s3_bucket_object_lock_configuration.vault[0].rule) == 0
    error_message = "a default rule locks the monitor's state and the configuration too"
  }
  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.vault.rule : rule if rule.id == "old-versions"]).noncurrent_version_expiration[0].noncurrent_days == 90
    error_message = "old versions are to go before their lock ends"
  }
}

run "with_customer_key" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-3:123456789012:key/1a2b3c4d-0000-4000-8000-1a2b3c4d5e6f"
  }

  assert {
    condition = (
      one(aws_s3_bucket_server_side_encryption_configuration.vault.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" &&
      one(aws_s3_bucket_server_side_encryption_configuration.vault.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn
    )
    error_message = "the customer key is not used"
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.vault.rule).bucket_key_enabled
    error_message = "each object costs a call of KMS"
  }
}

run "events" {
  command = plan

  assert {
    condition = toset([for f in aws_s3_bucket_notification.vault.lambda_function : "${f.filter_prefix}…${f.filter_suffix} ${join(",", f.events)}"]) == toset([
      "backups/…/manifest.json s3:ObjectCreated:*", "reports/….json s3:ObjectCreated:*",
    ])
    error_message = "the monitor is not woken by manifests and reports, and by these alone"
  }
  assert {
    condition     = aws_lambda_permission.bucket.source_account == "123456789012" && aws_lambda_permission.bucket.source_arn == "arn:aws:s3:::acme-123456789012-eu-west-3"
    error_message = "other buckets may call the monitor"
  }
}
