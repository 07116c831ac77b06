variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-west-3"
}

variable "name" {
  description = "Name of the deployment."
  type        = string
  default     = "acme-backups"
}

variable "bucket" {
  description = "Name of the bucket; null for one made of name, account and region."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Let destroy delete the backups too."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "Customer key of KMS."
  type        = string
  default     = null
}

variable "former_kms_key_arns" {
  description = "Customer keys of before."
  type        = list(string)
  default     = []
}

variable "object_lock" {
  description = "Forbid deletion for some days. Read what the module's variable says of it first."
  type        = object({ mode = string, days = number })
  default     = { mode = "governance", days = 7 }
}

variable "packages" {
  description = "Directory of the functions' zip files; null for where `make dist` puts them."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Processor of the functions."
  type        = string
  default     = "arm64"
}

variable "reserved_concurrency" {
  description = "How many of a function may run at once; a new account has nothing to reserve."
  type        = map(number)
  default     = { broker = 20, retention = 1 }
}

variable "domain" {
  description = "Own name of the broker, and its certificate."
  type        = object({ name = string, certificate_arn = string })
  default     = null
}

variable "config_in" {
  description = "Where the configuration lies: ssm or s3."
  type        = string
  default     = "ssm"
}

variable "accept_old_secret" {
  description = "While the broker's secret is rotated."
  type        = bool
  default     = false
}

variable "alarm_topic_arn" {
  description = "SNS topic for the alarms; null to make one."
  type        = string
  default     = null
}

variable "alarm_emails" {
  description = "Who is mailed of alarms."
  type        = set(string)
  default     = ["ops@example.com"]
}

variable "alert_channels" {
  description = "Where people are told. The output alert_secret_commands has the lines that make the parameters."
  type        = any
  default = {
    # An incoming webhook of Slack. It tells the bad three kinds of news.
    ops = {
      slack = { webhook = "ssm:/acme-backups/slack-webhook" }
    }
    # A bot, which edits what it said when that is over.
    team = {
      slack     = { token = "ssm:/acme-backups/slack-token", channel = "C0123456789" }
      events    = ["backup-failed", "cleanup-failed", "unhealthy", "backup-succeeded", "cleanup-succeeded", "healthy"]
      digest    = "monday 08:00"
      time_zone = "Europe/Paris"
    }
    # Mail by SES, in this account.
    mail = {
      email    = { from = "Holdfast <backup@example.com>", to = ["ops@example.com", "\"Ops, night\" <night@example.org>"], ses = { region = "eu-west-1" } }
      severity = "critical"
      remind   = "0"
    }
    # Mail through another mail server.
    partner = {
      email = {
        from = "backup@example.com"
        to   = ["backups@partner.example"]
        smtp = { host = "smtp.example.com", port = 465, tls = "tls", user = "backup@example.com", password = "ssm:/acme-backups/smtp-password" }
      }
      events = ["healthy"]
    }
    # JSON for a program of yours, signed.
    hook = {
      webhook = { url = "ssm:/acme-backups/hook-url", secret = "ssm:/acme-backups/hook-secret" }
      remind  = "6h"
    }
    # Anything else that shoutrrr knows.
    phone = {
      shoutrrr = { url = "ssm:/acme-backups/phone-url" }
      severity = "critical"
    }
  }
}

variable "alert_severity" {
  description = "How bad some checks are."
  type        = map(string)
  default     = { failed-run = "critical", unfinished = "off" }
}

variable "alert_heartbeat" {
  description = "URLs that each round of the monitor pings."
  type        = map(string)
  default = {
    start   = "https://hc-ping.com/0b4ff0c1-3b6e-4a5b-8d2c-a0b1c2d3e4f5/start"
    success = "https://hc-ping.com/0b4ff0c1-3b6e-4a5b-8d2c-a0b1c2d3e4f5"
    failure = "https://hc-ping.com/0b4ff0c1-3b6e-4a5b-8d2c-a0b1c2d3e4f5/fail"
  }
}

variable "hosts" {
  description = "The machines that push."
  type        = any
  default = {
    web1 = {
      key  = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM"
      jobs = ["crm", "media", "db-*"]
    }
    old1 = {
      key          = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
      retired_keys = ["ed25519:LfVWWXbTrRhpBpsw_aKRDAt_r_v-PM-IkFD3yQwHzPg"]
      jobs         = ["media"]
      scopes       = ["push", "report"]
      revoked      = true
    }
  }
}

variable "operators" {
  description = "The people who restore."
  type        = any
  default = {
    alice = {
      key  = "ed25519:nzDspp7BA31C3_m6t79KZDeNBB6AtSOJOXuXAqnOTlY"
      jobs = ["web1/*", "*/media"]
    }
  }
}

variable "jobs" {
  description = "What is asked of each job."
  type        = any
  default = {
    crm = {
      expect      = { every = "24h", grace = "2h", min_size = "1MB", max_total = "20GB", min_count = 3, shrink = 0.5, grow = 3 }
      keep        = { all = "7d", daily = "16d", weekly = "8w", monthly = "4mo", yearly = "2y", max_total = "5GB", min_keep = 5 }
      max_size    = "2GiB"
      max_per_day = 48
      time_zone   = "Europe/Paris"
      alert       = ["ops", "team", "mail", "hook", "phone"]
    }
    "web1/media" = {
      expect = { every = "7d", shrink = 0 }
      keep   = { last = 10, hourly = 24, daily = 7, weekly = 4, monthly = 6, yearly = 2 }
      alert_events = {
        partner = ["backup-succeeded", "unhealthy"]
        ops     = ["backup-failed"]
      }
    }
    db-sessions = {
      expect = { every = "1h", grace = "0" }
      keep   = { daily = "30d" }
    }
  }
}
