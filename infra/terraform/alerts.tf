# What becomes of the variables about alerts: a part of the configuration
# document, and what the monitor's role must allow for it.

locals {
  # Words of the document. config_test.go holds them against the programs'.
  events = ["backup-failed", "cleanup-failed", "unhealthy", "backup-succeeded", "cleanup-succeeded", "healthy"]
  checks = [
    "reachable", "state", "missing", "fresh", "streams", "min-size", "size-shrunk", "size-grown", "compression", "max-total", "min-count",
    "stored-size", "manifest", "hash", "failed-run", "future", "unfinished", "stray", "reports", "versioning", "public", "hidden",
    "retention", "retention-failed", "retention-brake", "retention-policy", "retention-delete", "retention-stray", "retention-hidden",
    "retention-sweep", "channel",
  ]

  span    = "^(0|[0-9]{1,5}(s|m|h)|[0-9]{1,4}d|[0-9]{1,3}(w|mo)|[0-9]{1,2}y)$"
  address = "[A-Za-z0-9_%+'-]+(\\.[A-Za-z0-9_%+'-]+)*@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+"
}

locals {
  channels = { for name, c in var.alert_channels : name => merge(
    { for key, value in c : key => value if value != null && !contains(["slack", "email", "webhook", "shoutrrr"], key) },
    { for s in c.slack[*] : "slack" => { for key, value in s : key => value if value != null } },
    { for w in c.webhook[*] : "webhook" => { for key, value in w : key => value if value != null } },
    { for s in c.shoutrrr[*] : "shoutrrr" => s },
    { for e in c.email[*] : "email" => merge(
      { from = e.from, to = e.to },
      { for s in e.smtp[*] : "smtp" => { for key, value in s : key => value if value != null } },
      { for s in e.ses[*] : "ses" => { for key, value in s : key => value if value != null } },
    ) },
  ) }

  alerts = merge(
    { for channels in [local.channels] : "channels" => channels if length(channels) > 0 },
    { for remind in var.alert_remind[*] : "remind" => remind },
    { for severity in [var.alert_severity] : "severity" => severity if length(severity) > 0 },
    { for heartbeat in var.alert_heartbeat[*] : "heartbeat" => { for key, value in heartbeat : key => value if value != null } },
  )
}

locals {
  # Where the channels' secrets lie.
  alert_references = distinct([for reference in flatten([for c in values(var.alert_channels) : [
    try(c.slack.webhook, null), try(c.slack.token, null), try(c.email.smtp.password, null), try(c.webhook.url, null), try(c.webhook.secret, null), try(c.shoutrrr.url, null),
  ]]) : reference if reference != null])
  alert_parameters = sort([for reference in local.alert_references : trimprefix(reference, "ssm:")])

  mails = [for c in values(var.alert_channels) : {
    region = coalesce(c.email.ses.region, local.region)
    from   = regex("[^ <]+@[^ >]+", c.email.from)
    all    = [for address in concat([c.email.from], c.email.to) : regex("[^ <]+@[^ >]+", address)]
  } if try(c.email.ses, null) != null]

  # SES asks for a permission on each identity of the account that a mail
  # touches: that of the address or of a domain above it, whichever is
  # verified, and in the sandbox that of who gets the mail too.
  mail_identities = distinct(flatten([for m in local.mails : [for address in m.all : [
    for name in concat([address], [
      for labels in [split(".", lower(split("@", address)[1]))] : [for i in range(length(labels) - 1) : join(".", slice(labels, i, length(labels)))]
    ]...) : "arn:${local.partition}:ses:${m.region}:${local.account}:identity/${name}"
  ]]]))
  # And on the set of settings that an identity may have by default, whose name
  # is known to SES alone.
  mail_sets = distinct([for m in local.mails : "arn:${local.partition}:ses:${m.region}:${local.account}:configuration-set/*"])
}
