# What the variables refuse: everything that Holdfast's strict parser would refuse
# later, in functions that then stand still.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs = ["crm", "db-*"] } }
}

run "plain_values_1" {
  command = plan

  variables {
    name                 = "a"
    bucket               = "ab"
    kms_key_arn          = "alias/backups"
    storage_class        = "GLACIER"
    object_lock          = { mode = "legal", days = 7 }
    noncurrent_days      = 0
    architecture         = "x86_64"
    memory               = { broker = 64 }
    reserved_concurrency = { broker = -1 }
    log_retention_days   = 0
    throttle             = { rate = 0 }
    domain               = { name = "https://backup.example.com", certificate_arn = "arn:aws:acm:eu-west-3:123456789012:certificate/1" }
    config_in            = "file"
    monitor_minutes      = 0
    retention_hours      = 0
    alarm_topic_arn      = "on-call"
  }

  expect_failures = [var.name, var.bucket, var.kms_key_arn, var.storage_class, var.object_lock, var.noncurrent_days, var.architecture, var.memory, var.reserved_concurrency, var.log_retention_days, var.throttle, var.domain, var.config_in, var.monitor_minutes, var.retention_hours, var.alarm_topic_arn]
}

run "plain_values_2" {
  command = plan

  variables {
    name                 = "Acme"
    bucket               = "Acme"
    kms_key_arn          = "arn:aws:kms:eu-west-3:123456789012:alias/backups"
    storage_class        = "DEEP_ARCHIVE"
    object_lock          = { mode = "compliance", days = 1 }
    noncurrent_days      = 1.5
    architecture         = ""
    memory               = { monitor = 20000 }
    reserved_concurrency = { broker = 0.5 }
    log_retention_days   = 42
    throttle             = { burst = 100000 }
    domain               = { name = "backup.example.com", certificate_arn = "1" }
    monitor_minutes      = 7
    retention_hours      = 5
  }

  expect_failures = [var.name, var.bucket, var.kms_key_arn, var.storage_class, var.object_lock, var.noncurrent_days, var.architecture, var.memory, var.reserved_concurrency, var.log_retention_days, var.throttle, var.domain, var.monitor_minutes, var.retention_hours]
}

run "plain_values_3" {
  command = plan

  variables {
    name            = "1a"
    bucket          = "acme.backups"
    storage_class   = "standard"
    object_lock     = { mode = "compliance", days = 3651 }
    noncurrent_days = 4000
    memory          = { restore = 128.5 }
    domain          = { name = "backup", certificate_arn = "arn:aws:acm:eu-west-3:123456789012:certificate/1" }
    monitor_minutes = 120
    retention_hours = 48
  }

  expect_failures = [var.name, var.bucket, var.storage_class, var.object_lock, var.noncurrent_days, var.memory, var.domain, var.monitor_minutes, var.retention_hours]
}

run "plain_values_4" {
  command = plan

  variables {
    name        = "acme-"
    bucket      = "-acme"
    object_lock = { mode = "governance", days = 2.5 }
  }

  expect_failures = [var.name, var.bucket, var.object_lock]
}

run "plain_values_5" {
  command = plan

  variables {
    name = "aws-backups"
  }

  expect_failures = [var.name]
}

run "plain_values_6" {
  command = plan

  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
}

run "email" {
  command = plan

  variables {
    alarm_emails = ["ops"]
  }

  expect_failures = [var.alarm_emails]
}

run "email_with_a_space" {
  command = plan

  variables {
    alarm_emails = ["a b@example.com"]
  }

  expect_failures = [var.alarm_emails]
}

run "mails_to_a_given_topic" {
  command = plan

  variables {
    alarm_topic_arn = "arn:aws:sns:eu-west-3:123456789012:on-call"
    alarm_emails    = ["ops@example.com"]
  }

  expect_failures = [var.alarm_emails]
}

run "host_name" {
  command = plan

  variables {
    hosts = { "Web1" = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM" } }
  }

  expect_failures = [var.hosts]
}

run "host_name_hyphen" {
  command = plan

  variables {
    hosts = { "-web1" = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM" } }
  }

  expect_failures = [var.hosts]
}

run "host_key_kind" {
  command = plan

  variables {
    hosts = { web1 = { key = "ssh-ed25519 AAAA" } }
  }

  expect_failures = [var.hosts]
}

run "host_key_short" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OU" } }
  }

  expect_failures = [var.hosts]
}

run "host_key_padding" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUN" } }
  }

  expect_failures = [var.hosts]
}

run "host_retired_key" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", retired_keys = ["nonsense"] } }
  }

  expect_failures = [var.hosts]
}

run "host_key_twice" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM" }, web2 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM" } }
  }

  expect_failures = [var.hosts]
}

run "host_key_is_retired" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", retired_keys = ["ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM"] } }
  }

  expect_failures = [var.hosts]
}

run "host_job" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs = ["CRM"] } }
  }

  expect_failures = [var.hosts]
}

run "host_job_hyphen" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs = ["-crm"] } }
  }

  expect_failures = [var.hosts]
}

run "host_job_path" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs = ["crm/../x"] } }
  }

  expect_failures = [var.hosts]
}

run "host_job_question" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs = ["db?"] } }
  }

  expect_failures = [var.hosts]
}

run "host_restores" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", scopes = ["push", "restore"] } }
  }

  expect_failures = [var.hosts]
}

run "host_no_scopes" {
  command = plan

  variables {
    hosts = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", scopes = [] } }
  }

  expect_failures = [var.hosts]
}

run "operator_name" {
  command = plan

  variables {
    operators = { "Alice" = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM" } }
  }

  expect_failures = [var.operators]
}

run "operator_key" {
  command = plan

  variables {
    operators = { alice = { key = "ed25519:short" } }
  }

  expect_failures = [var.operators]
}

run "operator_job" {
  command = plan

  variables {
    operators = { alice = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs = ["web1"] } }
  }

  expect_failures = [var.operators]
}

run "operator_has_the_key_of_a_host" {
  command = plan

  variables {
    hosts     = { web1 = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM" } }
    operators = { alice = { key = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM" } }
  }

  expect_failures = [var.hosts]
}

run "job_name" {
  command = plan

  variables {
    jobs = { "CRM" = {} }
  }

  expect_failures = [var.jobs]
}

run "job_of_nobody" {
  command = plan

  variables {
    jobs = { cmr = {} }
  }

  expect_failures = [var.jobs]
}

run "job_of_another_host" {
  command = plan

  variables {
    jobs = { "web2/crm" = {} }
  }

  expect_failures = [var.jobs]
}

run "job_outside_pattern" {
  command = plan

  variables {
    jobs = { db = {} }
  }

  expect_failures = [var.jobs]
}

run "job_every" {
  command = plan

  variables {
    jobs = { crm = { expect = { every = "1 day" } } }
  }

  expect_failures = [var.jobs]
}

run "job_every_zero" {
  command = plan

  variables {
    jobs = { crm = { expect = { every = "0h" } } }
  }

  expect_failures = [var.jobs]
}

run "job_keep_all_number" {
  command = plan

  variables {
    jobs = { crm = { keep = { all = "7" } } }
  }

  expect_failures = [var.jobs]
}

run "job_grace" {
  command = plan

  variables {
    jobs = { crm = { expect = { grace = "2" } } }
  }

  expect_failures = [var.jobs]
}

run "job_min_size" {
  command = plan

  variables {
    jobs = { crm = { expect = { min_size = "1 megabyte" } } }
  }

  expect_failures = [var.jobs]
}

run "job_max_size_zero" {
  command = plan

  variables {
    jobs = { crm = { max_size = "0MB" } }
  }

  expect_failures = [var.jobs]
}

run "job_max_total" {
  command = plan

  variables {
    jobs = { crm = { keep = { max_total = "5" } } }
  }

  expect_failures = [var.jobs]
}

run "job_expect_max_total" {
  command = plan

  variables {
    jobs = { crm = { expect = { max_total = "5Gb" } } }
  }

  expect_failures = [var.jobs]
}

run "job_daily" {
  command = plan

  variables {
    jobs = { crm = { keep = { daily = "weekly" } } }
  }

  expect_failures = [var.jobs]
}

run "job_weekly_zero" {
  command = plan

  variables {
    jobs = { crm = { keep = { weekly = "0" } } }
  }

  expect_failures = [var.jobs]
}

run "job_mixture" {
  command = plan

  variables {
    jobs = { crm = { keep = { all = "7d", daily = 7 } } }
  }

  expect_failures = [var.jobs]
}

run "job_mixture_last" {
  command = plan

  variables {
    jobs = { crm = { keep = { last = 10, daily = "7d" } } }
  }

  expect_failures = [var.jobs]
}

run "job_last" {
  command = plan

  variables {
    jobs = { crm = { keep = { last = 0 } } }
  }

  expect_failures = [var.jobs]
}

run "job_min_keep" {
  command = plan

  variables {
    jobs = { crm = { keep = { min_keep = 0 } } }
  }

  expect_failures = [var.jobs]
}

run "job_max_per_day" {
  command = plan

  variables {
    jobs = { crm = { max_per_day = 0.5 } }
  }

  expect_failures = [var.jobs]
}

run "job_min_count" {
  command = plan

  variables {
    jobs = { crm = { expect = { min_count = -1 } } }
  }

  expect_failures = [var.jobs]
}

run "job_shrink" {
  command = plan

  variables {
    jobs = { crm = { expect = { shrink = 1 } } }
  }

  expect_failures = [var.jobs]
}

run "job_grow" {
  command = plan

  variables {
    jobs = { crm = { expect = { grow = 0.5 } } }
  }

  expect_failures = [var.jobs]
}

run "job_time_zone" {
  command = plan

  variables {
    jobs = { crm = { time_zone = "local time" } }
  }

  expect_failures = [var.jobs]
}

run "job_time_zone_local" {
  command = plan

  variables {
    jobs = { crm = { time_zone = "Local" } }
  }

  expect_failures = [var.jobs]
}
