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
  description = "Who is mailed."
  type        = set(string)
  default     = ["ops@example.com"]
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
    }
    "web1/media" = {
      expect = { every = "7d", shrink = 0 }
      keep   = { last = 10, hourly = 24, daily = 7, weekly = 4, monthly = 6, yearly = 2 }
    }
    db-sessions = {
      expect = { every = "1h", grace = "0" }
      keep   = { daily = "30d" }
    }
  }
}
