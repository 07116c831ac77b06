# The configuration document. infra/config_test.go reads that of
# examples/complete with Holdfast's own parser.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name   = "acme"
  bucket = "acme-vault"
}

run "empty" {
  command = apply

  assert {
    condition = yamldecode(aws_ssm_parameter.config[0].value) == {
      broker    = { url = "https://a1b2c3d4e5.execute-api.eu-west-3.amazonaws.com", secret = "ssm:/acme/broker-secret" }
      vaults    = { main = { s3 = { bucket = "acme-vault", region = "eu-west-3" } } }
      hosts     = {}
      operators = {}
      jobs      = {}
    }
    error_message = output.config_document
  }
  assert {
    condition     = aws_ssm_parameter.config[0].name == "/acme/config" && aws_ssm_parameter.config[0].type == "String" && output.config_reference == "ssm:/acme/config"
    error_message = "where it lies"
  }
  assert {
    condition     = output.alert_secret_commands == "" && output.pusher_init == { NAME = "pusher init --host NAME --broker https://a1b2c3d4e5.execute-api.eu-west-3.amazonaws.com --recipient AGE_RECIPIENT" }
    error_message = "no line for the first host, or one for a secret of nothing"
  }
}

run "as_asked" {
  command = apply

  variables {
    kms_key_arn       = "arn:aws:kms:eu-west-3:123456789012:key/1a2b3c4d-0000-4000-8000-1a2b3c4d5e6f"
    storage_class     = "STANDARD_IA"
    object_lock       = { mode = "compliance", days = 14 }
    domain            = { name = "backup.example.com", certificate_arn = "arn:aws:acm:eu-west-3:123456789012:certificate/1" }
    accept_old_secret = true
    config_in         = "s3"
    price             = "0.0125 USD"
    hosts = {
      web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs = ["crm", "db-*"], scopes = ["push"], revoked = true, retired_keys = ["ed25519:LfVWWXbTrRhpBpsw_aKRDAt_r_v-PM-IkFD3yQwHzPg"] }
    }
    operators = { alice = { key = "ed25519:nzDspp7BA31C3_m6t79KZDeNBB6AtSOJOXuXAqnOTlY", jobs = ["web1/*"] } }
    jobs = {
      crm = {
        expect      = { every = "24h", grace = "2h", min_size = "1MB", max_total = "20GB", min_count = 3, shrink = 0.5, grow = 3 }
        keep        = { all = "7d", daily = "16d", max_total = "5GB", min_keep = 5 }
        max_size    = "2GiB"
        max_per_day = 48
        time_zone   = "Europe/Paris"
      }
      "web1/db-a" = { keep = { last = 10, daily = 7 } }
    }
  }

  assert {
    condition = yamldecode(aws_s3_object.config[0].content) == {
      broker = { url = "https://backup.example.com", secret = "ssm:/acme/broker-secret", old_secret = "ssm:/acme/broker-secret-old" }
      vaults = { main = { price = "0.0125 USD", s3 = {
        bucket = "acme-vault", region = "eu-west-3", storage_class = "STANDARD_IA", kms_key = "arn:aws:kms:eu-west-3:123456789012:key/1a2b3c4d-0000-4000-8000-1a2b3c4d5e6f"
        lock   = { mode = "compliance", for = "14d" }
      } } }
      hosts     = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs = ["crm", "db-*"], scopes = ["push"], revoked = true, retired_keys = ["ed25519:LfVWWXbTrRhpBpsw_aKRDAt_r_v-PM-IkFD3yQwHzPg"] } }
      operators = { alice = { key = "ed25519:nzDspp7BA31C3_m6t79KZDeNBB6AtSOJOXuXAqnOTlY", jobs = ["web1/*"] } }
      jobs = {
        crm = {
          expect      = { every = "24h", grace = "2h", min_size = "1MB", max_total = "20GB", min_count = 3, shrink = 0.5, grow = 3 }
          keep        = { all = "7d", daily = "16d", max_total = "5GB", min_keep = 5 }
          max_size    = "2GiB"
          max_per_day = 48
          time_zone   = "Europe/Paris"
        }
        "web1/db-a" = { keep = { last = 10, daily = 7 } }
      }
    }
    error_message = output.config_document
  }
  assert {
    condition     = aws_s3_object.config[0].key == "config/holdfast.yaml" && length(aws_ssm_parameter.config) == 0 && output.config_reference == "s3://acme-vault/config/holdfast.yaml"
    error_message = "where it lies"
  }
  assert {
    # Retention reads it and has no permission for the customer key.
    condition     = aws_s3_object.config[0].server_side_encryption == "AES256"
    error_message = "encrypted with the customer key"
  }
}

# Everything of a channel, and nothing that was not given.
run "alerts" {
  command = apply

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs = ["crm", "media", "quiet", "other"] } }
    alert_channels = {
      ops     = { slack = { webhook = "ssm:/acme/slack" } }
      team    = { slack = { token = "ssm:/acme/token", channel = "C0123456789" }, events = ["unhealthy", "healthy"], digest = "monday 08:00", time_zone = "Europe/Paris" }
      mail    = { email = { from = "Holdfast <backup@example.com>", to = ["ops@example.com"], ses = {} }, severity = "critical", remind = "0" }
      far     = { email = { from = "backup@example.com", to = ["a@example.com", "\"B, C\" <b@example.com>"], ses = { region = "eu-west-1" } } }
      partner = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com", port = 465, tls = "tls", user = "backup", password = "ssm:/acme/smtp" } } }
      relay   = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com" } } }
      hook    = { webhook = { url = "ssm:/acme/hook", secret = "ssm:/acme/hook-secret" }, remind = "6h" }
      plain   = { webhook = { url = "ssm:/acme/hook" } }
      phone   = { shoutrrr = { url = "ssm:/acme/phone" } }
    }
    alert_remind    = "12h"
    alert_severity  = { failed-run = "critical", unfinished = "off" }
    alert_heartbeat = { success = "https://hc-ping.com/1" }
    jobs = {
      crm   = { alert = ["ops", "mail"] }
      media = { alert_events = { ops = ["backup-succeeded"], mail = [] } }
      quiet = { alert = [] }
      other = {}
    }
  }

  assert {
    condition = yamldecode(aws_ssm_parameter.config[0].value).alerts == {
      channels = {
        ops     = { slack = { webhook = "ssm:/acme/slack" } }
        team    = { slack = { token = "ssm:/acme/token", channel = "C0123456789" }, events = ["unhealthy", "healthy"], digest = "monday 08:00", time_zone = "Europe/Paris" }
        mail    = { email = { from = "Holdfast <backup@example.com>", to = ["ops@example.com"], ses = {} }, severity = "critical", remind = "0" }
        far     = { email = { from = "backup@example.com", to = ["a@example.com", "\"B, C\" <b@example.com>"], ses = { region = "eu-west-1" } } }
        partner = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com", port = 465, tls = "tls", user = "backup", password = "ssm:/acme/smtp" } } }
        relay   = { email = { from = "backup@example.com", to = ["ops@example.com"], smtp = { host = "smtp.example.com" } } }
        hook    = { webhook = { url = "ssm:/acme/hook", secret = "ssm:/acme/hook-secret" }, remind = "6h" }
        plain   = { webhook = { url = "ssm:/acme/hook" } }
        phone   = { shoutrrr = { url = "ssm:/acme/phone" } }
      }
      remind    = "12h"
      severity  = { failed-run = "critical", unfinished = "off" }
      heartbeat = { success = "https://hc-ping.com/1" }
    }
    error_message = output.config_document
  }
  assert {
    condition = yamldecode(aws_ssm_parameter.config[0].value).jobs == {
      crm   = { alert = ["ops", "mail"] }
      media = { alert = { ops = ["backup-succeeded"], mail = [] } }
      quiet = { alert = [] }
      other = {}
    }
    error_message = output.config_document
  }
  assert {
    condition     = [for line in split("\n", output.alert_secret_commands) : regex("--name ([^ ]+) ", line)[0]] == ["/acme/hook", "/acme/hook-secret", "/acme/phone", "/acme/slack", "/acme/smtp", "/acme/token"]
    error_message = "lines for other parameters than those of the channels"
  }
  assert {
    condition     = split("\n", output.alert_secret_commands)[3] == "echo /acme/slack: >&2; { read -rs value && printf %s \"$value\"; } | aws ssm put-parameter --region eu-west-3 --type SecureString --overwrite --name /acme/slack --value file:///dev/stdin"
    error_message = "the line for a secret"
  }
}

run "fits_no_parameter" {
  command = plan

  variables {
    hosts = { for i in range(100) : "host${i}" => { key = "ed25519:${substr(sha256("${i}"), 0, 42)}A", jobs = ["crm"] } }
  }

  expect_failures = [aws_ssm_parameter.config]
}

run "fits_an_object" {
  command = plan

  variables {
    config_in = "s3"
    hosts     = { for i in range(100) : "host${i}" => { key = "ed25519:${substr(sha256("${i}"), 0, 42)}A", jobs = ["crm"] } }
  }

  assert {
    condition     = length(output.pusher_init) == 101
    error_message = "lines for the hosts"
  }
}
