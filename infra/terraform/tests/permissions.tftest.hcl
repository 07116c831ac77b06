# Each role has exactly these permissions. Everything optional is switched on,
# because that gives the most.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name        = "acme"
  bucket      = "acme-vault"
  object_lock = { mode = "governance", days = 7 }
  kms_key_arn = "arn:aws:kms:eu-west-3:123456789012:key/1a2b3c4d-0000-4000-8000-1a2b3c4d5e6f"
  alert_channels = {
    ops     = { slack = { webhook = "ssm:/acme/slack" } }
    team    = { slack = { token = "ssm:/acme/token", channel = "C0123456789" } }
    mail    = { email = { from = "Holdfast <backup@mail.Example.com>", to = ["ops@example.com", "Night <night@example.org>"], ses = {} } }
    far     = { email = { from = "Backup@example.net", to = ["ops@example.com"], ses = { region = "eu-west-1" } } }
    partner = { email = { from = "other@example.com", to = ["other@partner.example"], smtp = { host = "smtp.example.com", user = "backup", password = "ssm:/shared/smtp" } } }
    hook    = { webhook = { url = "ssm:/acme/hook", secret = "ssm:/acme/hook-secret" } }
    again   = { webhook = { url = "ssm:/acme/hook" } }
    phone   = { shoutrrr = { url = "ssm:/acme/phone" } }
  }
}

run "actions" {
  command = plan

  assert {
    condition = { for name, p in aws_iam_role_policy.function : name => join(" ", sort(distinct(flatten([for s in jsondecode(p.policy).Statement : s.Action])))) } == {
      broker = join(" ", [
        "kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents", "s3:AbortMultipartUpload", "s3:ListBucket",
        "s3:ListBucketMultipartUploads", "s3:PutObject", "s3:PutObjectRetention", "ssm:GetParameter",
      ])
      restore = join(" ", ["kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents", "s3:GetObject", "s3:ListBucket", "ssm:GetParameter"])
      retention = join(" ", [
        "logs:CreateLogStream", "logs:PutLogEvents", "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject",
        "s3:GetObjectLegalHold", "s3:GetObjectRetention", "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions", "s3:PutObject",
        "ssm:GetParameter",
      ])
      monitor = join(" ", [
        "kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents", "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketVersioning", "s3:GetObject", "s3:ListBucket", "s3:ListBucketVersions", "s3:PutObject", "ses:SendEmail", "ses:SendRawEmail",
        "ssm:GetParameter",
      ])
    }
    error_message = "a function may do more or less than it should: ${jsonencode({ for name, p in aws_iam_role_policy.function : name => sort(distinct(flatten([for s in jsondecode(p.policy).Statement : s.Action]))) })}"
  }
  assert {
    condition     = toset(flatten([for s in jsondecode(aws_iam_role_policy.scheduler.policy).Statement : s.Action])) == toset(["lambda:InvokeFunction", "sqs:SendMessage"])
    error_message = "the scheduler may do more or less than it should"
  }
  assert {
    condition = alltrue(flatten([for p in concat(values(aws_iam_role_policy.function), [aws_iam_role_policy.scheduler], aws_sns_topic_policy.alarms) : [
      for s in jsondecode(p.policy).Statement : [for action in flatten([s.Action]) : !strcontains(action, "*")] if s.Effect == "Allow"
    ]]))
    error_message = "a policy allows an action with a wildcard"
  }
  assert {
    condition = alltrue(flatten([for p in concat(values(aws_iam_role_policy.function), [aws_iam_role_policy.scheduler], aws_sns_topic_policy.alarms) : [
      for s in jsondecode(p.policy).Statement : !contains(keys(s), "NotAction") && !contains(keys(s), "NotResource") && !contains(keys(s), "NotPrincipal")
    ]]))
    error_message = "a policy is written the wrong way round"
  }
}

run "objects" {
  command = plan

  # Which objects each may touch, by action.
  assert {
    condition = { for name, p in aws_iam_role_policy.function : name => { for action in ["s3:GetObject", "s3:PutObject", "s3:PutObjectRetention", "s3:DeleteObject", "s3:DeleteObjectVersion"] :
      action => join(" ", sort(flatten([for s in jsondecode(p.policy).Statement : s.Resource if contains(s.Action, action) && s.Effect == "Allow"])))
      } } == {
      broker    = { "s3:GetObject" = "", "s3:PutObject" = "arn:aws:s3:::acme-vault/backups/* arn:aws:s3:::acme-vault/reports/*", "s3:PutObjectRetention" = "arn:aws:s3:::acme-vault/backups/*", "s3:DeleteObject" = "", "s3:DeleteObjectVersion" = "" }
      restore   = { "s3:GetObject" = "arn:aws:s3:::acme-vault/backups/*", "s3:PutObject" = "", "s3:PutObjectRetention" = "", "s3:DeleteObject" = "", "s3:DeleteObjectVersion" = "" }
      retention = { "s3:GetObject" = "arn:aws:s3:::acme-vault/state/retention.json", "s3:PutObject" = "arn:aws:s3:::acme-vault/state/retention.json", "s3:PutObjectRetention" = "", "s3:DeleteObject" = "arn:aws:s3:::acme-vault/backups/* arn:aws:s3:::acme-vault/reports/*", "s3:DeleteObjectVersion" = "arn:aws:s3:::acme-vault/backups/* arn:aws:s3:::acme-vault/reports/*" }
      monitor   = { "s3:GetObject" = "arn:aws:s3:::acme-vault/backups/* arn:aws:s3:::acme-vault/reports/* arn:aws:s3:::acme-vault/state/*", "s3:PutObject" = "arn:aws:s3:::acme-vault/state/*", "s3:PutObjectRetention" = "", "s3:DeleteObject" = "", "s3:DeleteObjectVersion" = "" }
    }
    error_message = "a function reaches other objects than it should"
  }
  assert {
    condition = alltrue(flatten([for p in concat(values(aws_iam_role_policy.function), [aws_iam_role_policy.scheduler]) : [
      for s in jsondecode(p.policy).Statement : [for resource in s.Resource : can(regex("^arn:aws:(s3:::acme-vault(/(backups/\\*|reports/\\*|state/\\*|state/retention.json))?|(ssm|logs|kms|lambda|sqs):eu-west-3:123456789012:.+|ses:eu-west-[13]:123456789012:.+)$", resource))]
    ]]))
    error_message = "a policy reaches beyond this deployment"
  }
  assert {
    condition = alltrue([for name in ["broker", "retention"] : alltrue([for s in jsondecode(aws_iam_role_policy.function[name].policy).Statement :
      toset(s.Condition.StringLike["s3:prefix"]) == toset(["backups/*", "reports/*"]) if contains(s.Action, "s3:ListBucket")
    ])])
    error_message = "broker or retention may list more than backups and reports"
  }
  assert {
    condition = alltrue(flatten([for p in values(aws_iam_role_policy.function) : [
      for s in jsondecode(p.policy).Statement : s.Resource == [var.kms_key_arn] && try(s.Condition.StringEquals["kms:ViaService"] == "s3.eu-west-3.amazonaws.com", false)
      if anytrue([for action in s.Action : startswith(action, "kms:")])
    ]]))
    error_message = "the customer key may be used for more than the bucket"
  }
}

# The broker locks what it adds, and nothing for longer or harder than was chosen.
run "the_lock_has_an_end" {
  command = plan

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.function["broker"].policy).Statement : s.Sid => jsonencode(s.Condition) if s.Effect == "Deny" && s.Action == ["s3:PutObjectRetention"] && s.Resource == ["arn:aws:s3:::acme-vault/backups/*"] } == {
      LockNoLonger = jsonencode({ NumericGreaterThan = { "s3:object-lock-remaining-retention-days" = "8" } })
      LockNoHarder = jsonencode({ StringEquals = { "s3:object-lock-mode" = "COMPLIANCE" } })
    }
    error_message = "the broker could lock what is there already, for as long as it likes"
  }
}

run "a_former_key_reads" {
  command = plan

  variables {
    former_kms_key_arns = ["arn:aws:kms:eu-west-3:123456789012:key/9f8e7d6c-0000-4000-8000-9f8e7d6c5b4a"]
  }

  assert {
    condition = { for name, p in aws_iam_role_policy.function : name => join(" ", flatten([for s in jsondecode(p.policy).Statement : s.Action if contains(s.Resource, var.former_kms_key_arns[0])])) } == {
      broker = "", restore = "kms:Decrypt", retention = "", monitor = "kms:Decrypt"
    }
    error_message = "old backups can't be read, or new ones are written with an old key"
  }
}

run "secrets" {
  command = plan

  assert {
    condition = { for name, p in aws_iam_role_policy.function : name => join(" ", sort(flatten([for s in jsondecode(p.policy).Statement : s.Resource if contains(s.Action, "ssm:GetParameter")]))) } == {
      for name, parameters in {
        broker    = ["/acme/broker-secret", "/acme/broker-secret-old", "/acme/config"]
        restore   = ["/acme/broker-secret", "/acme/broker-secret-old", "/acme/config"]
        retention = ["/acme/config"]
        monitor   = ["/acme/config", "/acme/hook", "/acme/hook-secret", "/acme/phone", "/acme/slack", "/acme/token", "/shared/smtp"]
      } : name => join(" ", [for parameter in parameters : "arn:aws:ssm:eu-west-3:123456789012:parameter${parameter}"])
    }
    error_message = "another function than broker and restore reads the broker's secret, another than the monitor those of the channels, or one of them not its own"
  }
}

# All that retention may do to objects but delete them.
run "retention_keeps_one_record" {
  command = plan

  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.function["retention"].policy).Statement : s if length(setintersection(s.Action, ["s3:GetObject", "s3:PutObject"])) > 0] == [{
      Sid      = "KeepRecord"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = ["arn:aws:s3:::acme-vault/state/retention.json"]
    }]
    error_message = "retention reads or writes something else than what it did"
  }
  assert {
    # S3's own key encrypts the record.
    condition     = !anytrue([for s in jsondecode(aws_iam_role_policy.function["retention"].policy).Statement : anytrue([for action in s.Action : startswith(action, "kms:")])])
    error_message = "retention may use the customer key"
  }
}

# The monitor sends mail from the addresses of its channels, as nobody else.
run "mail" {
  command = plan

  assert {
    condition = { for name, p in aws_iam_role_policy.function : name => [for s in jsondecode(p.policy).Statement : s if anytrue([for action in s.Action : startswith(action, "ses:")])] } == {
      broker = [], restore = [], retention = [], monitor = [{
        Sid    = "SendMail"
        Effect = "Allow"
        Action = ["ses:SendEmail", "ses:SendRawEmail"]
        Resource = [
          "arn:aws:ses:eu-west-1:123456789012:identity/Backup@example.net", "arn:aws:ses:eu-west-1:123456789012:identity/example.net",
          "arn:aws:ses:eu-west-1:123456789012:identity/ops@example.com", "arn:aws:ses:eu-west-1:123456789012:identity/example.com",
          "arn:aws:ses:eu-west-3:123456789012:identity/backup@mail.Example.com", "arn:aws:ses:eu-west-3:123456789012:identity/mail.example.com",
          "arn:aws:ses:eu-west-3:123456789012:identity/example.com", "arn:aws:ses:eu-west-3:123456789012:identity/ops@example.com",
          "arn:aws:ses:eu-west-3:123456789012:identity/night@example.org", "arn:aws:ses:eu-west-3:123456789012:identity/example.org",
          "arn:aws:ses:eu-west-1:123456789012:configuration-set/*", "arn:aws:ses:eu-west-3:123456789012:configuration-set/*",
        ]
        Condition = { StringEqualsIgnoreCase = { "ses:FromAddress" = ["Backup@example.net", "backup@mail.Example.com"] } }
      }]
    }
    error_message = "mail: ${jsonencode([for s in jsondecode(aws_iam_role_policy.function["monitor"].policy).Statement : s if s.Sid == "SendMail"])}"
  }
}

run "without_channels" {
  command = plan

  variables {
    alert_channels = {}
  }

  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.function["monitor"].policy).Statement : join(" ", s.Resource) if anytrue([for action in s.Action : startswith(action, "ssm:") || startswith(action, "ses:")])] == [
      "arn:aws:ssm:eu-west-3:123456789012:parameter/acme/config",
    ]
    error_message = "the monitor may read secrets, or send mail, of no channel"
  }
}

run "without_ses" {
  command = plan

  variables {
    alert_channels = { partner = { email = { from = "other@example.com", to = ["other@partner.example"], smtp = { host = "smtp.example.com" } } } }
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.function["monitor"].policy, "ses:") && !strcontains(aws_iam_role_policy.function["monitor"].policy, "ReadSecrets")
    error_message = "the monitor may send mail by SES, or read secrets, which no channel asks for"
  }
}

run "config_in_bucket" {
  command = plan

  variables {
    config_in = "s3"
  }

  assert {
    condition = alltrue([for p in values(aws_iam_role_policy.function) : anytrue([for s in jsondecode(p.policy).Statement :
      s.Action == ["s3:GetObject"] && s.Resource == ["arn:aws:s3:::acme-vault/config/holdfast.yaml"]
    ])])
    error_message = "a function can't read the configuration"
  }
  assert {
    condition     = !anytrue(flatten([for p in values(aws_iam_role_policy.function) : [for s in jsondecode(p.policy).Statement : contains(s.Resource, "arn:aws:ssm:eu-west-3:123456789012:parameter/acme/config")]]))
    error_message = "a function may read a parameter that is not there"
  }
}

run "without_options" {
  command = plan

  variables {
    object_lock = null
    kms_key_arn = null
  }

  assert {
    condition = !anytrue(flatten([for p in values(aws_iam_role_policy.function) : [for s in jsondecode(p.policy).Statement : [
      for action in s.Action : startswith(action, "kms:") || action == "s3:PutObjectRetention"
    ]]]))
    error_message = "permissions for keys or locks that are not used"
  }
}

run "who_takes_the_roles" {
  command = plan

  assert {
    condition = alltrue([for role in values(aws_iam_role.function) : jsondecode(role.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = "123456789012" } }
    }]])
    error_message = "a function's role can be taken by another service or account"
  }
  assert {
    condition = jsondecode(aws_iam_role.scheduler.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = "123456789012" } }
    }]
    error_message = "the scheduler's role can be taken by another service or account"
  }
}
