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
