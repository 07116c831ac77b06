# Who may do what. One role for each function, with the least it needs; the
# narrow interfaces of vault.go say the same in Go.

locals {
  backups = "${local.bucket_arn}/backups/*"
  reports = "${local.bucket_arn}/reports/*"
  state   = "${local.bucket_arn}/state/*"
  cleaned = "${local.bucket_arn}/state/retention.json" # what retention did, for the monitor

  only_s3  = { StringEquals = { "kms:ViaService" = "s3.${local.region}.amazonaws.com" } }
  with_key = var.kms_key_arn == null ? [] : [var.kms_key_arn]
  # What was written with a key can be read with that key alone.
  read_keys = toset(concat(local.with_key, var.former_kms_key_arns))

  # Everybody reads the configuration. It holds no secret.
  read_config = [{
    Sid      = "ReadConfig"
    Effect   = "Allow"
    Action   = [var.config_in == "ssm" ? "ssm:GetParameter" : "s3:GetObject"]
    Resource = [var.config_in == "ssm" ? "${local.parameters}${local.config_parameter}" : "${local.bucket_arn}/${local.config_key}"]
  }]

  # What tokens are signed with. AWS's own key of SSM encrypts it, which needs no
  # permission of its own.
  read_secrets = [{
    Sid      = "ReadSecrets"
    Effect   = "Allow"
    Action   = ["ssm:GetParameter"]
    Resource = [for name in local.secret_parameters : "${local.parameters}${name}"]
  }]

  policies = {
    # Adds. Never reads, never deletes.
    broker = concat(local.read_config, local.read_secrets, [
      {
        Sid       = "List"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.bucket_arn]
        Condition = { StringLike = { "s3:prefix" = ["backups/*", "reports/*"] } }
      },
      {
        Sid      = "ListUploads"
        Effect   = "Allow"
        Action   = ["s3:ListBucketMultipartUploads"] # knows no condition on the prefix
        Resource = [local.bucket_arn]
      },
      {
        Sid      = "Add"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = [local.backups, local.reports]
      },
      {
        Sid      = "Abort"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload"]
        Resource = [local.backups]
      },
      ], [for lock in var.object_lock[*] : {
        Sid      = "Lock"
        Effect   = "Allow"
        Action   = ["s3:PutObjectRetention"]
        Resource = [local.backups] # reports are not locked
        }], [for lock in var.object_lock[*] : {
        # Or whoever takes the function over could lock what is there already for
        # decades, which nobody could end but by closing the account.
        Sid       = "LockNoLonger"
        Effect    = "Deny"
        Action    = ["s3:PutObjectRetention"]
        Resource  = [local.backups]
        Condition = { NumericGreaterThan = { "s3:object-lock-remaining-retention-days" = tostring(lock.days + 1) } }
        }], [for lock in var.object_lock[*] : {
        Sid       = "LockNoHarder"
        Effect    = "Deny"
        Action    = ["s3:PutObjectRetention"]
        Resource  = [local.backups]
        Condition = { StringEquals = { "s3:object-lock-mode" = lock.mode == "governance" ? "COMPLIANCE" : "GOVERNANCE" } }
        }], [for key in local.with_key : {
        Sid       = "Encrypt"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey", "kms:Decrypt"] # the latter to complete an upload
        Resource  = [key]
        Condition = local.only_s3
    }])

    # Reads. Never adds, never deletes.
    restore = concat(local.read_config, local.read_secrets, [
      {
        # Without a condition on the prefix: S3 says "not there" of an object,
        # instead of "forbidden", only to who may list the bucket as such.
        Sid      = "List"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [local.bucket_arn]
      },
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [local.backups]
      },
      ], [for key in local.read_keys : {
        Sid       = "Decrypt"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [key]
        Condition = local.only_s3
    }])

    # Deletes, and writes down what it did. Never adds to backups or reports, never
    # reads them.
    retention = concat(local.read_config, [
      {
        Sid       = "List"
        Effect    = "Allow"
        Action    = ["s3:ListBucket", "s3:ListBucketVersions"]
        Resource  = [local.bucket_arn]
        Condition = { StringLike = { "s3:prefix" = ["backups/*", "reports/*"] } }
      },
      {
        Sid      = "ListUploads"
        Effect   = "Allow"
        Action   = ["s3:ListBucketMultipartUploads"]
        Resource = [local.bucket_arn]
      },
      {
        Sid    = "Delete"
        Effect = "Allow"
        Action = [
          "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload",
          "s3:GetObjectRetention", "s3:GetObjectLegalHold",
        ]
        Resource = [local.backups, local.reports]
      },
      {
        Sid      = "KeepRecord" # with S3's own key, like all state
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"] # If-Match asks for both
        Resource = [local.cleaned]
      },
    ])

    # Reads, keeps its own state, and tells people.
    monitor = concat(local.read_config, [
      {
        Sid      = "List" # without a condition, as for restore
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:ListBucketVersions"]
        Resource = [local.bucket_arn]
      },
      {
        Sid      = "Posture"
        Effect   = "Allow"
        Action   = ["s3:GetBucketVersioning", "s3:GetBucketPublicAccessBlock"]
        Resource = [local.bucket_arn]
      },
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [local.backups, local.reports, local.state]
      },
      {
        Sid      = "KeepState"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = [local.state]
      },
      ], [for key in local.read_keys : {
        Sid       = "Decrypt"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"] # its state has S3's own key
        Resource  = [key]
        Condition = local.only_s3
        }], [for names in [local.alert_parameters] : {
        Sid      = "ReadSecrets" # of channels, and only those
        Effect   = "Allow"
        Action   = ["ssm:GetParameter"]
        Resource = [for name in names : "${local.parameters}${name}"]
        } if length(names) > 0], [for mails in [local.mails] : {
        Sid      = "SendMail"
        Effect   = "Allow"
        Action   = ["ses:SendEmail", "ses:SendRawEmail"] # the call is SendEmail; of mail in MIME form SES asks for the latter
        Resource = concat(local.mail_identities, local.mail_sets)
        # A case is no other address.
        Condition = { StringEqualsIgnoreCase = { "ses:FromAddress" = distinct(mails[*].from) } }
    } if length(mails) > 0])
  }
}

resource "aws_iam_role" "function" {
  for_each = local.packages

  name               = "${var.name}-${each.key}"
  description        = "What the function ${var.name}-${each.key} may do"
  assume_role_policy = local.trust["lambda.amazonaws.com"]
  tags               = var.tags
}

resource "aws_iam_role_policy" "function" {
  for_each = local.packages

  name = "holdfast"
  role = aws_iam_role.function[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.policies[each.key], [{
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}-${each.key}:*"]
    }])
  })
}

resource "aws_iam_role" "scheduler" {
  name               = "${var.name}-scheduler"
  description        = "What the schedules of ${var.name} may do"
  assume_role_policy = local.trust["scheduler.amazonaws.com"]
  tags               = var.tags
}

resource "aws_iam_role_policy" "scheduler" {
  name = "holdfast"
  role = aws_iam_role.scheduler.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Run"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [for name in keys(local.schedules) : "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-${name}"]
      },
      {
        Sid      = "KeepUndelivered"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = ["arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-undelivered"]
      },
    ]
  })
}

locals {
  # Who may take a role: a service of AWS, and only on behalf of this account.
  trust = { for service in ["lambda.amazonaws.com", "scheduler.amazonaws.com"] : service => jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = service }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  }) }
}
