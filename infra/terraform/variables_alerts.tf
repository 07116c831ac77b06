# Who is told what, and how. Secrets stand here by the name of a parameter alone,
# which a person makes: the output alert_secret_commands has the lines.

variable "alert_channels" {
  description = <<-EOT
    Where people are told what is wrong, by name; each is exactly one of slack, email, webhook and shoutrrr. Without
    any, only the alarms tell. docs/configuration.md explains each key.
    slack: webhook, or token and channel (the id, C0123456789) of a bot. email: from, to, and smtp or ses; of ses the
    region, default this one. webhook: url, and what its body is signed with. shoutrrr: url of anything else.
    events: default backup-failed, cleanup-failed, unhealthy. severity: the least that is told, warning or critical.
    remind: 12h, or 0 for never. digest: "monday 08:00".
    Secret are webhook, token, password, url and secret. They are given as ssm:/NAME, a SecureString of this account
    and region under AWS's own key; the monitor may read these parameters and no other.
  EOT
  type = map(object({
    slack = optional(object({
      webhook = optional(string)
      token   = optional(string)
      channel = optional(string)
    }))
    email = optional(object({
      from = string
      to   = list(string)
      smtp = optional(object({
        host     = string
        port     = optional(number)
        tls      = optional(string)
        user     = optional(string)
        password = optional(string)
      }))
      ses = optional(object({
        region = optional(string)
      }))
    }))
    webhook = optional(object({
      url    = string
      secret = optional(string)
    }))
    shoutrrr = optional(object({
      url = string
    }))
    events    = optional(list(string))
    severity  = optional(string)
    remind    = optional(string)
    digest    = optional(string)
    time_zone = optional(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.alert_channels) : can(regex("^[a-z0-9][a-z0-9-]{0,62}$", name))])
    error_message = "names: want a-z, 0-9 and hyphens, at most 63, not beginning with a hyphen"
  }
  validation {
    condition     = alltrue([for c in values(var.alert_channels) : length([for kind in [c.slack, c.email, c.webhook, c.shoutrrr] : kind if kind != null]) == 1])
    error_message = "want exactly one of slack, email, webhook and shoutrrr in each channel"
  }
  validation {
    condition = alltrue(flatten([for c in values(var.alert_channels) : [
      for reference in [try(c.slack.webhook, null), try(c.slack.token, null), try(c.email.smtp.password, null), try(c.webhook.url, null), try(c.webhook.secret, null), try(c.shoutrrr.url, null)] :
      reference == null || can(regex("^ssm:(/[A-Za-z0-9_.-]+)+$", reference))
    ]]))
    error_message = "webhook, token, password, url, secret: want ssm:/NAME, the parameter that holds the secret, not the secret itself; that would stand in plans, states and the configuration"
  }
  validation {
    # What signs tickets must not be readable by what talks to the world.
    condition = alltrue(flatten([for c in values(var.alert_channels) : [
      for reference in [try(c.slack.webhook, null), try(c.slack.token, null), try(c.email.smtp.password, null), try(c.webhook.url, null), try(c.webhook.secret, null), try(c.shoutrrr.url, null)] :
      !contains([for name in concat(local.secret_parameters, [local.config_parameter]) : "ssm:${name}"], coalesce(reference, "-"))
    ]]))
    error_message = "webhook, token, password, url, secret: this is a parameter of the broker; want one of the channel's own"
  }
  validation {
    condition = alltrue([for c in values(var.alert_channels) : c.slack == null ? true : (
      (c.slack.webhook != null && c.slack.token == null && c.slack.channel == null) ||
      (c.slack.webhook == null && c.slack.token != null && can(regex("^[CGDU][A-Z0-9]{7,20}$", c.slack.channel)))
    )])
    error_message = "slack: want a webhook, or a bot's token and its channel by id, such as C0123456789; Slack shows it below the channel's details"
  }
  validation {
    condition = alltrue(flatten([for c in values(var.alert_channels) : [for e in c.email[*] : [for address in concat([e.from], e.to) :
      can(regex("^(${local.address}|([A-Za-z0-9 _-]+|\"[ !#-?A-\\[\\]-~]+\") <${local.address}>)$", address))
    ]]]))
    error_message = "email: want addresses in ASCII, such as ops@example.com or Ops <ops@example.com>"
  }
  validation {
    condition     = alltrue(flatten([for c in values(var.alert_channels) : [for e in c.email[*] : length(e.to) > 0]]))
    error_message = "email.to: is empty; want at least one address"
  }
  validation {
    condition     = alltrue(flatten([for c in values(var.alert_channels) : [for e in c.email[*] : (e.smtp == null) != (e.ses == null)]]))
    error_message = "email: want smtp or ses, one of them"
  }
  validation {
    condition = alltrue(flatten([for c in values(var.alert_channels) : [for e in c.email[*] : [for s in e.smtp[*] :
      can(regex("^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", s.host)) && (s.port == null || try(s.port >= 1 && s.port <= 65535 && floor(s.port) == s.port, false))
    ]]]))
    error_message = "email.smtp: want the name of a mail server as host, and a port from 1 to 65535"
  }
  validation {
    condition     = alltrue(flatten([for c in values(var.alert_channels) : [for e in c.email[*] : [for s in e.smtp[*] : contains(["starttls", "tls"], coalesce(s.tls, "starttls"))]]]))
    error_message = "email.smtp.tls: want starttls or tls; a function's mail server is never on the same machine"
  }
  validation {
    condition = alltrue(flatten([for c in values(var.alert_channels) : [for e in c.email[*] : [for s in e.smtp[*] :
      s.user == null ? s.password == null : s.password != null && can(regex("^[!-~]+$", s.user))
    ]]]))
    error_message = "email.smtp: want user and password, or neither"
  }
  validation {
    condition     = alltrue(flatten([for c in values(var.alert_channels) : [for e in c.email[*] : [for s in e.ses[*] : s.region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", s.region))]]]))
    error_message = "email.ses.region: want a region, such as eu-west-3"
  }
  validation {
    condition = alltrue([for c in values(var.alert_channels) : c.events == null || try(
      length(c.events) > 0 && alltrue([for event in c.events : contains(local.events, event)]), false
    )])
    error_message = "events: want backup-failed, cleanup-failed, unhealthy, backup-succeeded, cleanup-succeeded or healthy, at least one; leave a channel out that is to tell nothing"
  }
  validation {
    condition     = alltrue([for c in values(var.alert_channels) : c.severity == null || contains(["warning", "critical"], coalesce(c.severity, "-"))])
    error_message = "severity: want warning or critical"
  }
  validation {
    condition     = alltrue([for c in values(var.alert_channels) : c.remind == null || can(regex(local.span, c.remind))])
    error_message = "remind: want a length of time, such as 12h, or 0 for never"
  }
  validation {
    condition     = alltrue([for c in values(var.alert_channels) : c.digest == null || can(regex("^(?i:monday|tuesday|wednesday|thursday|friday|saturday|sunday) ([01][0-9]|2[0-3]):[0-5][0-9]$", c.digest))])
    error_message = "digest: want a weekday and a time of day, such as monday 08:00"
  }
  validation {
    condition     = alltrue([for c in values(var.alert_channels) : c.time_zone == null || can(regex("^(UTC|[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)+)$", c.time_zone))])
    error_message = "time_zone: want UTC or a name such as Europe/Paris"
  }
}

variable "alert_remind" {
  description = "How often people are reminded of what is still wrong, where their channel does not say; 0 for never. Default: 24h."
  type        = string
  default     = null

  validation {
    condition     = var.alert_remind == null || can(regex(local.span, var.alert_remind))
    error_message = "want a length of time, such as 12h, or 0 for never"
  }
}

variable "alert_severity" {
  description = "How bad a check is, by its name, where it is not as docs/monitoring.md has it: critical, warning, or off, which tells nobody."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for check in keys(var.alert_severity) : contains(local.checks, check)])
    error_message = "want names of checks, such as fresh or size-shrunk: docs/monitoring.md"
  }
  validation {
    condition     = alltrue([for severity in values(var.alert_severity) : contains(["critical", "warning", "off"], coalesce(severity, "-"))])
    error_message = "want critical, warning or off"
  }
}

variable "alert_heartbeat" {
  description = "URLs that each round of the monitor pings, of a service elsewhere that tells when the pings stop. They stand in the configuration in the clear: whoever knows them can ping them too."
  type = object({
    start   = optional(string)
    success = optional(string)
    failure = optional(string)
  })
  default = null

  validation {
    condition     = var.alert_heartbeat == null || try(length([for url in values(var.alert_heartbeat) : url if url != null]) > 0, false)
    error_message = "want start, success or failure, at least one"
  }
  validation {
    condition     = var.alert_heartbeat == null || try(alltrue([for url in values(var.alert_heartbeat) : url == null || can(regex("^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/([!-$&-~]|%[0-9A-Fa-f]{2})*)?$", url))]), false)
    error_message = "want https:// or http:// URLs"
  }
}
