# The examples, as they stand.

mock_provider "aws" {
  source = "./tests/aws"
}

run "complete" {
  command = apply

  module {
    source = "./examples/complete"
  }

  assert {
    condition     = toset(keys(yamldecode(output.config_document).hosts)) == toset(keys(var.hosts))
    error_message = "hosts"
  }
  assert {
    condition     = output.pusher_init.web1 == "pusher init --host web1 --broker ${output.broker_url} --recipient AGE_RECIPIENT"
    error_message = "the line for a host"
  }
}

run "complete_alerts" {
  command = plan

  module {
    source = "./examples/complete"
  }

  assert {
    condition     = length(yamldecode(output.config_document).alerts.channels) == length(var.alert_channels)
    error_message = "channels"
  }
  assert {
    condition = [for line in split("\n", output.alert_secret_commands) : regex("--name ([^ ]+) ", line)[0]] == [
      for name in ["hook-secret", "hook-url", "phone-url", "slack-token", "slack-webhook", "smtp-password"] : "/acme-backups/${name}"
    ]
    error_message = "the lines for the channels' secrets"
  }
}

run "minimal" {
  command = apply

  module {
    source = "./examples/minimal"
  }

  assert {
    condition     = strcontains(output.broker_secret_command, "--type SecureString --name /holdfast/broker-secret ")
    error_message = "the command for the secret"
  }
}

run "minimal_with_slack" {
  command = apply

  module {
    source = "./examples/minimal"
  }

  variables {
    slack_webhook = "ssm:/holdfast/slack-webhook"
  }

  assert {
    condition     = startswith(output.alert_secret_commands, "echo /holdfast/slack-webhook: ")
    error_message = "the command for the webhook"
  }
}
