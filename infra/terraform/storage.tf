# The bucket that the backups lie in.

resource "aws_s3_bucket" "vault" {
  bucket              = local.bucket
  force_destroy       = var.force_destroy
  object_lock_enabled = var.object_lock != null
  tags                = var.tags

  lifecycle {
    # A change of this would replace the bucket. On a bucket that exists,
    # aws_s3_bucket_object_lock_configuration below switches it on instead.
    ignore_changes = [object_lock_enabled]
  }
}

resource "aws_s3_bucket_versioning" "vault" {
  bucket = aws_s3_bucket.vault.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "vault" {
  bucket = aws_s3_bucket.vault.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null # one call of KMS for many objects

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "vault" {
  bucket                  = aws_s3_bucket.vault.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "vault" {
  bucket = aws_s3_bucket.vault.id

  rule {
    object_ownership = "BucketOwnerEnforced" # no ACLs
  }
}

# No default rule: the broker names the lock with each upload, and the monitor's
# state must stay replaceable.
resource "aws_s3_bucket_object_lock_configuration" "vault" {
  count = var.object_lock == null ? 0 : 1

  bucket              = aws_s3_bucket.vault.id
  object_lock_enabled = "Enabled"

  depends_on = [aws_s3_bucket_versioning.vault]
}

resource "aws_s3_bucket_lifecycle_configuration" "vault" {
  bucket = aws_s3_bucket.vault.id

  # Retention's sweep aborts and reports uploads that are two days old; this is
  # for when it does not run.
  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }

  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = max(var.noncurrent_days, try(var.object_lock.days, 0))
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # The monitor replaces its state with every run.
  rule {
    id     = "old-state"
    status = "Enabled"

    filter {
      prefix = "state/"
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.vault]
}

# Refusals only; who may do something is said in iam.tf.
resource "aws_s3_bucket_policy" "vault" {
  bucket = aws_s3_bucket.vault.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyTLS"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        # Nothing is ever replaced: what makes an object, a PUT or the
        # completion of an upload, must say If-None-Match. Starting an upload
        # and sending its parts make none.
        Sid       = "OnlyAdd"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = ["${local.bucket_arn}/backups/*", "${local.bucket_arn}/reports/*"]
        Condition = {
          Null = { "s3:if-none-match" = "true" }
          Bool = { "s3:ObjectCreationOperation" = "true" }
        }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.vault]
}

# A manifest or a report that is written wakes the monitor at once.
resource "aws_s3_bucket_notification" "vault" {
  bucket = aws_s3_bucket.vault.id

  lambda_function {
    id                  = "backup"
    lambda_function_arn = aws_lambda_function.this["monitor"].arn
    events              = ["s3:ObjectCreated:*"]
    filter_prefix       = "backups/"
    filter_suffix       = "/manifest.json"
  }

  lambda_function {
    id                  = "report"
    lambda_function_arn = aws_lambda_function.this["monitor"].arn
    events              = ["s3:ObjectCreated:*"]
    filter_prefix       = "reports/"
    filter_suffix       = ".json"
  }

  depends_on = [aws_lambda_permission.bucket]
}
