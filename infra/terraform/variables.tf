# What it is called, and where it lies.

variable "name" {
  description = "Name of this deployment. Functions, roles, alarms and parameters begin with it, so it must occur once in the account."
  type        = string
  default     = "holdfast"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name)) && !startswith(var.name, "aws") && !startswith(var.name, "ssm")
    error_message = "want 2 to 32 of a-z, 0-9 and hyphens, beginning with a letter, not with aws or ssm"
  }
}

variable "tags" {
  description = "Tags of everything that can bear tags."
  type        = map(string)
  default     = {}
}

# The bucket.

variable "bucket" {
  description = "Name of the bucket, which is made here. Default: the deployment's name, the account's number and the region."
  type        = string
  default     = null

  validation {
    condition     = var.bucket == null || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "want 3 to 63 of a-z, 0-9 and hyphens; a dot in it would break TLS"
  }
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the bucket with all backups in it. For rehearsals. Without it, destroy stops at a bucket that is not empty."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "Encrypt what is stored with this customer key of KMS, given by its ARN. It must be in the bucket's region, its policy must let the account's IAM policies use it. Who deletes the key deletes the backups. Default: S3's own keys (SSE-S3); backups are encrypted by the host before in either case."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "want the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID, not of an alias"
  }
}

variable "former_kms_key_arns" {
  description = "Customer keys that kms_key_arn named before. Backups stay encrypted with the key they were written with: without it here they can't be restored."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.former_kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "want ARNs of keys, arn:aws:kms:REGION:ACCOUNT:key/ID"
  }
}

variable "storage_class" {
  description = "Storage class of the data; manifests and reports stay in STANDARD. The _IA classes and GLACIER_IR bill at least 30 or 90 days of each object, and 128 KB. Archives that must be thawed first are not offered: a restore could not begin at once. Default: STANDARD."
  type        = string
  default     = null

  validation {
    condition     = var.storage_class == null || contains(["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"], coalesce(var.storage_class, "-"))
    error_message = "want STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR"
  }
}

variable "price" {
  description = "What a gigabyte costs in the bucket in a month, such as \"0.023 USD\", for the status page. Default: it shows no cost."
  type        = string
  default     = null

  validation {
    condition     = var.price == null || can(regex("^[0-9]{1,6}(\\.[0-9]{1,6})? [A-Z]{3}$", var.price))
    error_message = "want a price and a currency, such as 0.023 USD"
  }
}

variable "object_lock" {
  description = <<-EOT
    Forbid the deletion of every backup for so many days after its upload. Off by default, because:
    - it cannot be taken back: what is locked stays, and is paid for, until its date; in mode compliance nobody can
      lift it, not the account's owner and not AWS, and in mode governance only who has s3:BypassGovernanceRetention;
    - the bucket keeps object lock for good: setting this to null again only ends the locking of new backups;
    - retention cannot thin out what is locked, so keep the days below what the policies keep anyway.
    It protects against whoever takes over the retention function, an operator or the account's deployment pipeline.
    A host cannot delete backups in either case.
  EOT
  type = object({
    mode = string # governance or compliance
    days = number # 2 to 3650
  })
  default = null

  validation {
    condition     = var.object_lock == null || contains(["governance", "compliance"], try(var.object_lock.mode, "-"))
    error_message = "mode: want governance or compliance"
  }
  validation {
    condition     = var.object_lock == null || try(var.object_lock.days >= 2 && var.object_lock.days <= 3650 && floor(var.object_lock.days) == var.object_lock.days, false)
    error_message = "days: want a whole number from 2 (an upload may take that long) to 3650"
  }
}

variable "noncurrent_days" {
  description = "Days that replaced and deleted versions stay, to be undeleted by hand. Retention deletes versions for good, so this matters only for what others deleted. With object lock at least as long as the lock."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 3650 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "want a whole number from 1 to 3650"
  }
}

# The functions.

variable "packages" {
  description = "Directory of the functions' zip files, NAME-ARCHITECTURE.zip. Default: where `make dist` puts them in this repository."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Processor of the functions: arm64 (cheaper) or amd64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "amd64"], var.architecture)
    error_message = "want arm64 or amd64"
  }
}

variable "memory" {
  description = "Memory of each function in MiB; CPU grows with it. Retention and monitor do 100,000 backups with their default."
  type = object({
    broker    = optional(number, 256)
    restore   = optional(number, 256)
    retention = optional(number, 512)
    monitor   = optional(number, 512)
  })
  default = {}

  validation {
    condition     = alltrue([for mb in values(var.memory) : mb >= 128 && mb <= 10240 && floor(mb) == mb])
    error_message = "want whole numbers from 128 to 10240"
  }
}

variable "reserved_concurrency" {
  description = "How many of a function may run at once, reserved out of the account's limit; more calls are throttled. Default: not reserved, because new accounts have nothing to reserve (a limit of 10, of which 10 must stay free). 0 switches a function off."
  type = object({
    broker    = optional(number)
    restore   = optional(number)
    retention = optional(number)
    monitor   = optional(number)
  })
  default = {}

  validation {
    condition     = alltrue([for n in values(var.reserved_concurrency) : n == null || try(n >= 0 && floor(n) == n, false)])
    error_message = "want whole numbers of at least 0"
  }
}

variable "log_retention_days" {
  description = "Days that the logs stay: one of the numbers that CloudWatch knows."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "want 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653"
  }
}

# The HTTP API in front of the broker.

variable "throttle" {
  description = "Calls a second that the API lets through, over all hosts, and how many at once on top. A refused call is repeated by the pusher. This bounds what anyone on the internet can make you pay."
  type = object({
    rate  = optional(number, 50)
    burst = optional(number, 100)
  })
  default = {}

  validation {
    condition     = alltrue([for n in values(var.throttle) : n >= 1 && n <= 10000])
    error_message = "want numbers from 1 to 10000"
  }
}

variable "access_log" {
  description = "Log each call of the API, without its path: a ticket in it would open a backup."
  type        = bool
  default     = false
}

variable "domain" {
  description = "Own name of the broker, and the ARN of an ACM certificate for it in the same region. Point the name at the output domain_target. AWS's own name of the API is switched off then. A later change of name means a change on every host. Default: AWS's name."
  type = object({
    name            = string
    certificate_arn = string
  })
  default = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain.name))
    error_message = "name: want a host name in lower case, such as backup.example.com"
  }
  validation {
    condition     = var.domain == null || can(regex("^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.domain.certificate_arn))
    error_message = "certificate_arn: want arn:aws:acm:REGION:ACCOUNT:certificate/ID"
  }
}

# The configuration document: who may push what, and what is asked of it.

variable "config_in" {
  description = "Where the functions find the configuration: ssm, a parameter of at most 8 KB, enough for about 50 hosts; or s3, an object in the bucket, for any number."
  type        = string
  default     = "ssm"

  validation {
    condition     = contains(["ssm", "s3"], var.config_in)
    error_message = "want ssm or s3"
  }
}

variable "accept_old_secret" {
  description = "While the broker's secret is rotated: also accept the one in /NAME/broker-secret-old, which must exist then."
  type        = bool
  default     = false
}

variable "hosts" {
  description = <<-EOT
    The machines that push, by name. `pusher init` prints the key.
    key: public key, "ed25519:…". jobs: names it may push, or patterns with *; what only a pattern matches needs an
    entry in jobs. retired_keys: public keys it had before; they prove old manifests. scopes: push, report; default
    both. revoked: cut it off; its backups stay.
  EOT
  type = map(object({
    key          = string
    jobs         = optional(list(string), [])
    retired_keys = optional(list(string))
    scopes       = optional(list(string))
    revoked      = optional(bool)
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.hosts) : can(regex("^[a-z0-9][a-z0-9-]{0,62}$", name))])
    error_message = "names: want a-z, 0-9 and hyphens, at most 63, not beginning with a hyphen"
  }
  validation {
    # 32 bytes in unpadded base64url: the last letter has two bits to spare.
    condition = alltrue(flatten([for h in values(var.hosts) : [
      for key in concat([h.key], coalesce(h.retired_keys, [])) : can(regex("^ed25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$", key))
    ]]))
    error_message = "key, retired_keys: want ed25519: and 43 characters, as `pusher init` printed it"
  }
  validation {
    condition = length(distinct(concat(
      flatten([for h in values(var.hosts) : concat([h.key], coalesce(h.retired_keys, []))]), [for o in values(var.operators) : o.key],
    ))) == sum(concat([0], [for h in values(var.hosts) : 1 + length(coalesce(h.retired_keys, []))], [length(var.operators)]))
    error_message = "a key occurs twice among hosts and operators; each has its own"
  }
  validation {
    condition     = alltrue(flatten([for h in values(var.hosts) : [for job in h.jobs : can(regex("^([a-z0-9*][a-z0-9-]{0,62}|[a-z0-9*-]*\\*[a-z0-9*-]*)$", job))]]))
    error_message = "jobs: want names of a-z, 0-9 and hyphens, or patterns of these with *"
  }
  validation {
    condition = alltrue([for h in values(var.hosts) : h.scopes == null || try(
      length(h.scopes) > 0 && alltrue([for scope in h.scopes : contains(["push", "report"], scope)]), false)]
    )
    error_message = "scopes: want push, report or both; a host cannot restore, and revoked cuts one off"
  }
}

variable "operators" {
  description = "The people who may restore through the broker, by name. `holdfast key` prints the key. jobs: what they may restore, as host/job, with * as a pattern; default all."
  type = map(object({
    key  = string
    jobs = optional(list(string))
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.operators) : can(regex("^[a-z0-9][a-z0-9-]{0,62}$", name))])
    error_message = "names: want a-z, 0-9 and hyphens, at most 63, not beginning with a hyphen"
  }
  validation {
    condition     = alltrue([for o in values(var.operators) : can(regex("^ed25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$", o.key))])
    error_message = "key: want ed25519: and 43 characters, as `holdfast key` printed it"
  }
  validation {
    condition     = alltrue(flatten([for o in values(var.operators) : [for job in coalesce(o.jobs, []) : can(regex("^[a-z0-9*-]+/[a-z0-9*-]+$", job))]]))
    error_message = "jobs: want host/job, in which * stands for any letters"
  }
}

variable "jobs" {
  description = <<-EOT
    What is asked of each job, by job or by host/job, which then counts instead. A job without an entry is kept whole
    and expected daily. docs/configuration.md explains each key; lengths of time read 26h, 16d, 8w, 4mo, 2y, sizes
    10MB, 5GiB. keep has either lengths of time (all, daily, weekly, monthly, yearly) or numbers of backups (last,
    hourly, daily, weekly, monthly, yearly). alert has the channels that tell of the job, default all; alert_events
    in its stead the events that each of them tells: { ops = ["backup-succeeded", "unhealthy"] }.
  EOT
  type = map(object({
    expect = optional(object({
      every     = optional(string)
      grace     = optional(string)
      min_size  = optional(string)
      max_total = optional(string)
      min_count = optional(number)
      shrink    = optional(number)
      grow      = optional(number)
    }), {})
    keep = optional(object({
      all       = optional(string)
      last      = optional(number)
      hourly    = optional(number)
      daily     = optional(string)
      weekly    = optional(string)
      monthly   = optional(string)
      yearly    = optional(string)
      max_total = optional(string)
      min_keep  = optional(number)
    }), {})
    alert        = optional(list(string))
    alert_events = optional(map(list(string)))
    max_size     = optional(string)
    max_per_day  = optional(number)
    time_zone    = optional(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.jobs) : can(regex("^([a-z0-9][a-z0-9-]{0,62}/)?[a-z0-9][a-z0-9-]{0,62}$", name))])
    error_message = "names: want a job, or host/job, each of a-z, 0-9 and hyphens"
  }
  validation {
    # A slip in a name would leave the job that was meant without its rules.
    condition = alltrue([for name in keys(var.jobs) : anytrue(flatten([
      for host, h in var.hosts : [for pattern in h.jobs : can(regex("^${replace(pattern, "*", "[a-z0-9-]*")}$", reverse(split("/", name))[0]))]
      if !strcontains(name, "/") || startswith(name, "${host}/")
    ]))])
    error_message = "there is an entry for a job that no host pushes"
  }
  validation {
    condition = alltrue(flatten([for j in values(var.jobs) : [
      for span in [j.expect.every, j.keep.all] : span == null || can(regex("^[1-9][0-9]{0,5}(s|m|h|d|w|mo|y)$", span))
    ]]))
    error_message = "expect.every, keep.all: want a length of time, such as 26h, 16d, 8w, 4mo or 2y"
  }
  validation {
    condition     = alltrue([for j in values(var.jobs) : j.expect.grace == null || can(regex("^(0|[0-9]{1,6}(s|m|h|d|w|mo|y))$", j.expect.grace))])
    error_message = "expect.grace: want a length of time, such as 2h, or 0"
  }
  validation {
    condition = alltrue(flatten([for j in values(var.jobs) : [
      for size in [j.expect.min_size, j.expect.max_total, j.keep.max_total, j.max_size] :
      size == null || can(regex("^(0*[1-9][0-9]*(\\.[0-9]+)?|0*\\.0*[1-9][0-9]*) ?([kKMGT]?B|[KMGT]iB)$", size))
    ]]))
    error_message = "sizes: want a number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 10MB"
  }
  validation {
    condition = alltrue(flatten([for j in values(var.jobs) : [
      for rule in [j.keep.daily, j.keep.weekly, j.keep.monthly, j.keep.yearly] :
      rule == null || can(regex("^[1-9][0-9]{0,5}(s|m|h|d|w|mo|y)?$", rule))
    ]]))
    error_message = "keep: want numbers of backups, such as 7, or lengths of time, such as 16d"
  }
  validation {
    condition = alltrue([for j in values(var.jobs) : !(
      anytrue([for rule in [j.keep.all, j.keep.daily, j.keep.weekly, j.keep.monthly, j.keep.yearly] : can(regex("[a-z]$", rule))]) &&
      anytrue([for rule in [j.keep.last, j.keep.hourly, j.keep.daily, j.keep.weekly, j.keep.monthly, j.keep.yearly] : can(regex("[0-9]$", rule))])
    )])
    error_message = "keep: has numbers of backups and lengths of time; want all of one kind"
  }
  validation {
    condition = alltrue(flatten([for j in values(var.jobs) : [
      for n in [j.keep.last, j.keep.hourly, j.keep.min_keep, j.max_per_day] : n == null || try(n >= 1 && floor(n) == n, false)
    ]]))
    error_message = "keep.last, keep.hourly, keep.min_keep, max_per_day: want whole numbers of at least 1"
  }
  validation {
    condition     = alltrue([for j in values(var.jobs) : j.expect.min_count == null || try(j.expect.min_count >= 0 && floor(j.expect.min_count) == j.expect.min_count, false)])
    error_message = "expect.min_count: want a whole number of at least 0"
  }
  validation {
    condition = alltrue([for j in values(var.jobs) :
      (j.expect.shrink == null || try(j.expect.shrink >= 0 && j.expect.shrink < 1, false)) && (j.expect.grow == null || try(j.expect.grow == 0 || j.expect.grow > 1, false))
    ])
    error_message = "expect.shrink: want 0 or a ratio below 1; expect.grow: 0 or a ratio above 1"
  }
  validation {
    condition = alltrue(flatten([for j in values(var.jobs) : [
      for channel in concat(coalesce(j.alert, []), keys(coalesce(j.alert_events, {}))) : contains(keys(var.alert_channels), channel)
    ]]))
    error_message = "alert, alert_events: want names of alert_channels"
  }
  validation {
    condition     = alltrue(flatten([for j in values(var.jobs) : [for events in values(coalesce(j.alert_events, {})) : [for event in events : contains(local.events, event)]]]))
    error_message = "alert_events: want backup-failed, cleanup-failed, unhealthy, backup-succeeded, cleanup-succeeded or healthy"
  }
  validation {
    condition     = alltrue([for j in values(var.jobs) : j.alert == null || j.alert_events == null])
    error_message = "alert and alert_events say the same in two ways: want one of them"
  }
  validation {
    condition     = alltrue([for j in values(var.jobs) : j.time_zone == null || can(regex("^(UTC|[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)+)$", j.time_zone))])
    error_message = "time_zone: want UTC or a name such as Europe/Paris"
  }
}

# Schedules and alarms. Alerts are in variables_alerts.tf.

variable "monitor_minutes" {
  description = "How often the monitor looks at everything. What a run costs grows with the number of stored backups (README). A written backup or report is looked at at once in any case."
  type        = number
  default     = 5

  validation {
    condition     = contains([1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60], var.monitor_minutes)
    error_message = "want a part of an hour: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60"
  }
}

variable "retention_hours" {
  description = "How often retention thins out."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2, 3, 4, 6, 8, 12, 24], var.retention_hours)
    error_message = "want a part of a day: 1, 2, 3, 4, 6, 8, 12 or 24"
  }
}

variable "alarm_topic_arn" {
  description = "SNS topic that the alarms go to; it must let CloudWatch publish. Default: one is made."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null || can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.alarm_topic_arn))
    error_message = "want arn:aws:sns:REGION:ACCOUNT:TOPIC"
  }
}

variable "alarm_emails" {
  description = "Who is mailed by the topic that is made here. Each address gets a mail to confirm first."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", address))])
    error_message = "want e-mail addresses"
  }
  validation {
    condition     = var.alarm_topic_arn == null || length(var.alarm_emails) == 0
    error_message = "alarm_topic_arn is a topic that others look after: subscribe the addresses there"
  }
}
