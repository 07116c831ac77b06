# What the variables about alerts refuse, as refusals.tftest.hcl has it: above all
# secrets in place of where they are.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  hosts          = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs = ["crm"] } }
  alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone" } } }
}

run "channel_name" {
  command = plan

  variables {
    alert_channels = { Ops = { shoutrrr = { url = "ssm:/acme/phone" } } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_name_hyphen" {
  command = plan

  variables {
    alert_channels = { "-ops" = { shoutrrr = { url = "ssm:/acme/phone" } } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_of_no_kind" {
  command = plan

  variables {
    alert_channels = { ops = { events = ["unhealthy"] } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_of_two_kinds" {
  command = plan

  variables {
    alert_channels = { ops = { slack = { webhook = "ssm:/acme/slack" }, shoutrrr = { url = "ssm:/acme/phone" } } }
  }

  expect_failures = [var.alert_channels]
}

run "slack_webhook_itself" {
  command = plan

  variables {
    alert_channels = { ops = { slack = { webhook = "https://hooks.slack.com/services/T0/B0/x" } } }
  }

  expect_failures = [var.alert_channels]
}

run "slack_token_itself" {
  command = plan

  variables {
    alert_channels = { ops = { slack = { token = "xoxb-1", channel = "C0123456789" } } }
  }

  expect_failures = [var.alert_channels]
}

run "smtp_password_itself" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com", user = "a", password = "ssm" } } } }
  }

  expect_failures = [var.alert_channels]
}

run "webhook_url_itself" {
  command = plan

  variables {
    alert_channels = { ops = { webhook = { url = "https://example.com/hook" } } }
  }

  expect_failures = [var.alert_channels]
}

run "webhook_secret_itself" {
  command = plan

  variables {
    alert_channels = { ops = { webhook = { url = "ssm:/acme/hook", secret = "0123456789abcdef" } } }
  }

  expect_failures = [var.alert_channels]
}

run "shoutrrr_url_itself" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ntfy://ntfy.sh/topic" } } }
  }

  expect_failures = [var.alert_channels]
}

run "secret_in_the_environment" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "env:PHONE" } } }
  }

  expect_failures = [var.alert_channels]
}

run "secret_in_a_file" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "file:/etc/phone" } } }
  }

  expect_failures = [var.alert_channels]
}

run "secret_without_a_slash" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:phone" } } }
  }

  expect_failures = [var.alert_channels]
}

run "secret_with_a_wildcard" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/*" } } }
  }

  expect_failures = [var.alert_channels]
}

run "secret_of_an_unfinished_name" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/" } } }
  }

  expect_failures = [var.alert_channels]
}

run "secret_with_a_version" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone:2" } } }
  }

  expect_failures = [var.alert_channels]
}

run "secret_of_the_broker" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/holdfast/broker-secret" } } }
  }

  expect_failures = [var.alert_channels]
}

run "secret_of_the_broker_before" {
  command = plan

  variables {
    alert_channels = { ops = { webhook = { url = "ssm:/acme/hook", secret = "ssm:/holdfast/broker-secret-old" } } }
  }

  expect_failures = [var.alert_channels]
}

run "secret_is_the_configuration" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/holdfast/config" } } }
  }

  expect_failures = [var.alert_channels]
}

run "slack_of_nothing" {
  command = plan

  variables {
    alert_channels = { ops = { slack = {} } }
  }

  expect_failures = [var.alert_channels]
}

run "slack_webhook_and_bot" {
  command = plan

  variables {
    alert_channels = { ops = { slack = { webhook = "ssm:/acme/slack", token = "ssm:/acme/token", channel = "C0123456789" } } }
  }

  expect_failures = [var.alert_channels]
}

run "slack_webhook_with_a_channel" {
  command = plan

  variables {
    alert_channels = { ops = { slack = { webhook = "ssm:/acme/slack", channel = "C0123456789" } } }
  }

  expect_failures = [var.alert_channels]
}

run "slack_bot_without_a_channel" {
  command = plan

  variables {
    alert_channels = { ops = { slack = { token = "ssm:/acme/token" } } }
  }

  expect_failures = [var.alert_channels]
}

run "slack_channel_by_its_name" {
  command = plan

  variables {
    alert_channels = { ops = { slack = { token = "ssm:/acme/token", channel = "#ops" } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_from" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup", to = ["ops@example.com"], ses = {} } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_from_two_lines" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com\nBcc: a@example.com", to = ["ops@example.com"], ses = {} } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_from_a_name_in_other_letters" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "Rück <backup@example.com>", to = ["ops@example.com"], ses = {} } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_from_two" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "a@example.com, b@example.com", to = ["ops@example.com"], ses = {} } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_from_a_name_that_looks_like_an_address" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "\"a@example.com\" <backup@example.com>", to = ["ops@example.com"], ses = {} } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_from_a_wildcard" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "*@example.com", to = ["ops@example.com"], ses = {} } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_to" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com", "ops"], ses = {} } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_to_a_machine" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@localhost"], ses = {} } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_to_nobody" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = [], ses = {} } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_without_a_way" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"] } } }
  }

  expect_failures = [var.alert_channels]
}

run "mail_with_two_ways" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], ses = {}, smtp = { host = "smtp.example.com" } } } }
  }

  expect_failures = [var.alert_channels]
}

run "smtp_host" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com:25" } } } }
  }

  expect_failures = [var.alert_channels]
}

run "smtp_no_host" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "" } } } }
  }

  expect_failures = [var.alert_channels]
}

run "smtp_port" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com", port = 0 } } } }
  }

  expect_failures = [var.alert_channels]
}

run "smtp_port_too_large" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com", port = 65536 } } } }
  }

  expect_failures = [var.alert_channels]
}

run "smtp_port_half" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com", port = 25.5 } } } }
  }

  expect_failures = [var.alert_channels]
}

run "smtp_tls" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com", tls = "none" } } } }
  }

  expect_failures = [var.alert_channels]
}

run "smtp_user_alone" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com", user = "backup" } } } }
  }

  expect_failures = [var.alert_channels]
}

run "smtp_password_alone" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com", password = "ssm:/acme/smtp" } } } }
  }

  expect_failures = [var.alert_channels]
}

run "smtp_user_of_nothing" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com", user = "", password = "ssm:/acme/smtp" } } } }
  }

  expect_failures = [var.alert_channels]
}

run "ses_region" {
  command = plan

  variables {
    alert_channels = { ops = { email = { from = "backup@example.com", to = ["ops@example.com"], ses = { region = "Paris" } } } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_event" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone" }, events = ["unhealhty"] } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_no_events" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone" }, events = [] } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_severity" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone" }, severity = "info" } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_severity_off" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone" }, severity = "off" } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_remind" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone" }, remind = "daily" } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_remind_for_ages" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone" }, remind = "99999d" } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_digest" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone" }, digest = "weekly" } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_digest_hour" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone" }, digest = "monday 24:00" } }
  }

  expect_failures = [var.alert_channels]
}

run "channel_time_zone" {
  command = plan

  variables {
    alert_channels = { ops = { shoutrrr = { url = "ssm:/acme/phone" }, time_zone = "Local" } }
  }

  expect_failures = [var.alert_channels]
}

run "remind" {
  command = plan

  variables {
    alert_remind = "12"
  }

  expect_failures = [var.alert_remind]
}

run "check" {
  command = plan

  variables {
    alert_severity = { frehs = "critical" }
  }

  expect_failures = [var.alert_severity]
}

run "severity" {
  command = plan

  variables {
    alert_severity = { fresh = "bad" }
  }

  expect_failures = [var.alert_severity]
}

run "heartbeat_of_nothing" {
  command = plan

  variables {
    alert_heartbeat = {}
  }

  expect_failures = [var.alert_heartbeat]
}

run "heartbeat_slip" {
  command = plan

  variables {
    alert_heartbeat = { sucess = "https://hc-ping.com/1" }
  }

  expect_failures = [var.alert_heartbeat]
}

run "heartbeat_url" {
  command = plan

  variables {
    alert_heartbeat = { success = "hc-ping.com/1" }
  }

  expect_failures = [var.alert_heartbeat]
}

run "heartbeat_failure" {
  command = plan

  variables {
    alert_heartbeat = { success = "https://hc-ping.com/1", failure = "https://hc-ping.com/1 fail" }
  }

  expect_failures = [var.alert_heartbeat]
}

run "heartbeat_escape" {
  command = plan

  variables {
    alert_heartbeat = { success = "https://hc-ping.com/%zz" }
  }

  expect_failures = [var.alert_heartbeat]
}

run "price" {
  command = plan

  variables {
    price = "0.023"
  }

  expect_failures = [var.price]
}

run "price_currency" {
  command = plan

  variables {
    price = "0.023 usd"
  }

  expect_failures = [var.price]
}

run "price_below_nothing" {
  command = plan

  variables {
    price = "-1 USD"
  }

  expect_failures = [var.price]
}

run "job_channel" {
  command = plan

  variables {
    jobs = { crm = { alert = ["opps"] } }
  }

  expect_failures = [var.jobs]
}

run "job_events_of_no_channel" {
  command = plan

  variables {
    jobs = { crm = { alert_events = { opps = ["unhealthy"] } } }
  }

  expect_failures = [var.jobs]
}

run "job_event" {
  command = plan

  variables {
    jobs = { crm = { alert_events = { ops = ["unhealhty"] } } }
  }

  expect_failures = [var.jobs]
}

run "job_alert_twice" {
  command = plan

  variables {
    jobs = { crm = { alert = ["ops"], alert_events = { ops = ["unhealthy"] } } }
  }

  expect_failures = [var.jobs]
}
