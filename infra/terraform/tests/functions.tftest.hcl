# Functions, API, schedules and alarms.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name = "acme"
}

# Told apart, to see which is called by what.
override_resource {
  target = aws_lambda_function.this["broker"]
  values = {
    arn        = "arn:aws:lambda:eu-west-3:123456789012:function:acme-broker"
    invoke_arn = "invoke:broker"
  }
}

override_resource {
  target = aws_lambda_function.this["restore"]
  values = {
    arn        = "arn:aws:lambda:eu-west-3:123456789012:function:acme-restore"
    invoke_arn = "invoke:restore"
  }
}

override_resource {
  target = aws_lambda_function.this["retention"]
  values = {
    arn        = "arn:aws:lambda:eu-west-3:123456789012:function:acme-retention"
    invoke_arn = "invoke:retention"
  }
}

override_resource {
  target = aws_lambda_function.this["monitor"]
  values = {
    arn        = "arn:aws:lambda:eu-west-3:123456789012:function:acme-monitor"
    invoke_arn = "invoke:monitor"
  }
}

override_resource {
  target = aws_iam_role.function["broker"]
  values = { arn = "arn:aws:iam::123456789012:role/acme-broker" }
}

override_resource {
  target = aws_iam_role.function["restore"]
  values = { arn = "arn:aws:iam::123456789012:role/acme-restore" }
}

override_resource {
  target = aws_iam_role.function["retention"]
  values = { arn = "arn:aws:iam::123456789012:role/acme-retention" }
}

override_resource {
  target = aws_iam_role.function["monitor"]
  values = { arn = "arn:aws:iam::123456789012:role/acme-monitor" }
}

run "functions" {
  command = plan

  assert {
    condition = alltrue([for name, f in aws_lambda_function.this :
      f.runtime == "provided.al2023" && f.architectures == tolist(["arm64"]) && f.function_name == "acme-${name}" && endswith(f.filename, "/${name}-arm64.zip") && length(f.source_code_hash) == 44
    ]) && toset(keys(aws_lambda_function.this)) == toset(["broker", "restore", "retention", "monitor"])
    error_message = "not the four functions for arm64"
  }
  assert {
    condition     = alltrue([for f in aws_lambda_function.this : f.environment[0].variables == tomap({ HOLDFAST_CONFIG = "ssm:/acme/config", HOLDFAST_DEPLOYMENT = "acme" })])
    error_message = "a function gets other variables"
  }
  assert {
    condition     = aws_lambda_function.this["broker"].timeout > 30 && aws_lambda_function.this["retention"].timeout == 900 && aws_lambda_function.this["monitor"].timeout == 900
    error_message = "timeouts"
  }
  assert {
    condition     = alltrue([for f in aws_lambda_function.this : f.reserved_concurrent_executions == -1])
    error_message = "concurrency is reserved without having been asked for"
  }
  assert {
    condition     = { for name, c in aws_lambda_function_event_invoke_config.once : name => c.maximum_retry_attempts } == { monitor = 0, retention = 0 }
    error_message = "a finding would be found three times"
  }
  assert {
    condition     = { for name, g in aws_cloudwatch_log_group.function : g.name => g.retention_in_days } == { for name in ["broker", "restore", "retention", "monitor"] : "/aws/lambda/acme-${name}" => 90 }
    error_message = "a function's log is kept for ever"
  }
}

run "functions_as_asked" {
  command = plan

  variables {
    architecture         = "amd64"
    memory               = { monitor = 1024 }
    reserved_concurrency = { broker = 20, retention = 0 }
    config_in            = "s3"
  }

  assert {
    condition     = alltrue([for name, f in aws_lambda_function.this : f.architectures == tolist(["x86_64"]) && endswith(f.filename, "/${name}-amd64.zip")])
    error_message = "architecture"
  }
  assert {
    condition     = aws_lambda_function.this["monitor"].memory_size == 1024 && aws_lambda_function.this["retention"].memory_size == 512
    error_message = "memory"
  }
  assert {
    condition     = { for name, f in aws_lambda_function.this : name => f.reserved_concurrent_executions } == { broker = 20, restore = -1, retention = 0, monitor = -1 }
    error_message = "reserved concurrency"
  }
  assert {
    condition     = alltrue([for f in aws_lambda_function.this : f.environment[0].variables.HOLDFAST_CONFIG == "s3://acme-123456789012-eu-west-3/config/holdfast.yaml"])
    error_message = "where the configuration lies"
  }
}

run "api" {
  command = plan

  assert {
    condition = { for route, r in aws_apigatewayv2_route.call : r.route_key => local.routes[route] } == {
      "POST /v1/backups"             = "broker"
      "POST /v1/backups/{id}/parts"  = "broker"
      "POST /v1/backups/{id}/commit" = "broker"
      "POST /v1/backups/{id}/abort"  = "broker"
      "POST /v1/reports"             = "broker"
      "GET /healthz"                 = "broker"
      "GET /v1/backups"              = "restore"
      "POST /v1/downloads"           = "restore"
      "POST /v1/tickets"             = "restore"
      "GET /r/{ticket}"              = "restore"
    }
    error_message = "routes"
  }
  assert {
    condition     = alltrue([for i in aws_apigatewayv2_integration.function : i.payload_format_version == "2.0"])
    error_message = "the functions read payload 2.0"
  }
  assert {
    condition     = aws_apigatewayv2_stage.default.name == "$default" && one(aws_apigatewayv2_stage.default.default_route_settings).throttling_rate_limit == 50 && one(aws_apigatewayv2_stage.default.default_route_settings).throttling_burst_limit == 100
    error_message = "the API is not throttled"
  }
  assert {
    condition     = aws_apigatewayv2_api.broker.disable_execute_api_endpoint == false && length(aws_apigatewayv2_domain_name.broker) == 0
    error_message = "the API cannot be reached"
  }
  assert {
    condition     = length(aws_cloudwatch_log_group.api) == 0
    error_message = "calls are logged without having been asked for"
  }
}

run "api_as_asked" {
  command = apply

  variables {
    domain     = { name = "backup.example.com", certificate_arn = "arn:aws:acm:eu-west-3:123456789012:certificate/1" }
    access_log = true
    throttle   = { rate = 5 }
  }

  assert {
    condition     = aws_apigatewayv2_api.broker.disable_execute_api_endpoint && output.broker_url == "https://backup.example.com"
    error_message = "the API answers under AWS's name too"
  }
  assert {
    condition     = { for name, i in aws_apigatewayv2_integration.function : name => i.integration_uri } == { broker = "invoke:broker", restore = "invoke:restore" }
    error_message = "an integration calls the wrong function"
  }
  assert {
    condition = toset([for route, r in aws_apigatewayv2_route.call : route if r.target == "integrations/${aws_apigatewayv2_integration.function["restore"].id}"]) == toset([
      "GET /v1/backups", "POST /v1/downloads", "POST /v1/tickets", "GET /r/{ticket}",
    ])
    error_message = "calls go to the wrong function"
  }
  assert {
    condition     = { for name, s in aws_scheduler_schedule.run : name => s.target[0].arn } == { for name in ["monitor", "retention"] : name => "arn:aws:lambda:eu-west-3:123456789012:function:acme-${name}" }
    error_message = "a schedule runs the wrong function"
  }
  assert {
    condition     = alltrue([for f in aws_s3_bucket_notification.vault.lambda_function : f.lambda_function_arn == "arn:aws:lambda:eu-west-3:123456789012:function:acme-monitor"])
    error_message = "the bucket wakes the wrong function"
  }
  assert {
    condition     = alltrue([for name, f in aws_lambda_function.this : f.role == "arn:aws:iam::123456789012:role/acme-${name}"]) && { for name, p in aws_iam_role_policy.function : name => p.role } == { for name, r in aws_iam_role.function : name => r.id }
    error_message = "a function has another's role"
  }
  assert {
    condition     = one(one(aws_apigatewayv2_domain_name.broker).domain_name_configuration).security_policy == "TLS_1_2"
    error_message = "old TLS"
  }
  assert {
    condition     = !can(regex("[pP]ath|[qQ]uery", one(aws_apigatewayv2_stage.default.access_log_settings).format))
    error_message = "the log has paths in it, and so tickets"
  }
  assert {
    condition     = one(aws_apigatewayv2_stage.default.default_route_settings).throttling_rate_limit == 5
    error_message = "throttling"
  }
  assert {
    condition     = alltrue([for p in aws_lambda_permission.api : p.source_arn == "arn:aws:execute-api:eu-west-3:123456789012:a1b2c3d4e5/*/*"]) && toset(keys(aws_lambda_permission.api)) == toset(["broker", "restore"])
    error_message = "another API may call the functions"
  }
}

run "schedules" {
  command = plan

  assert {
    condition     = { for name, s in aws_scheduler_schedule.run : name => s.schedule_expression } == { monitor = "rate(5 minutes)", retention = "rate(1 hour)" }
    error_message = "rates"
  }
  assert {
    condition     = alltrue([for s in aws_scheduler_schedule.run : s.target[0].retry_policy[0].maximum_retry_attempts == 2 && s.target[0].retry_policy[0].maximum_event_age_in_seconds <= 3600 && length(s.target[0].dead_letter_config) == 1])
    error_message = "retries without a limit, or no dead-letter queue"
  }
  assert {
    condition     = aws_sqs_queue.undelivered.sqs_managed_sse_enabled
    error_message = "the queue is not encrypted"
  }
}

run "alarms" {
  command = plan

  assert {
    condition = alltrue([for alarms in [aws_cloudwatch_metric_alarm.errors, aws_cloudwatch_metric_alarm.throttles] :
      { for name, a in alarms : name => a.dimensions.FunctionName } == { for name in ["broker", "restore", "retention", "monitor"] : name => "acme-${name}" }
    ])
    error_message = "a function has no alarm"
  }
  assert {
    condition     = alltrue([for a in aws_cloudwatch_metric_alarm.errors : a.metric_name == "Errors" && a.namespace == "AWS/Lambda" && a.threshold == 1 && a.comparison_operator == "GreaterThanOrEqualToThreshold"])
    error_message = "one error is no alarm"
  }
  assert {
    condition     = alltrue([for a in aws_cloudwatch_metric_alarm.throttles : a.metric_name == "Throttles" && a.namespace == "AWS/Lambda" && a.threshold == 1])
    error_message = "throttling is no alarm"
  }
  assert {
    condition = { for name, a in aws_cloudwatch_metric_alarm.silent : name => "${a.namespace} ${a.metric_name} ${a.dimensions.Deployment} ${a.dimensions.Function} ${a.statistic} ${a.comparison_operator} ${a.threshold} ${a.period} ${a.evaluation_periods} ${a.treat_missing_data}" } == {
      monitor   = "Holdfast Completed acme monitor Sum LessThanThreshold 1 300 3 breaching"
      retention = "Holdfast Completed acme retention Sum LessThanThreshold 1 3600 3 breaching"
    }
    error_message = "silence is no alarm"
  }
  assert {
    condition     = "${aws_cloudwatch_metric_alarm.opened.namespace} ${aws_cloudwatch_metric_alarm.opened.metric_name} ${aws_cloudwatch_metric_alarm.opened.dimensions.Deployment} ${aws_cloudwatch_metric_alarm.opened.dimensions.Function} ${aws_cloudwatch_metric_alarm.opened.statistic} ${aws_cloudwatch_metric_alarm.opened.threshold} ${aws_cloudwatch_metric_alarm.opened.period} ${aws_cloudwatch_metric_alarm.opened.treat_missing_data}" == "Holdfast Opened acme monitor Sum 1 60 notBreaching"
    error_message = "a new finding is no alarm while an old one lasts"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.undelivered.dimensions.QueueName == "acme-undelivered" && aws_cloudwatch_metric_alarm.undelivered.metric_name == "ApproximateNumberOfMessagesVisible" && aws_cloudwatch_metric_alarm.undelivered.namespace == "AWS/SQS"
    error_message = "undelivered events are no alarm"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.api_errors.metric_name == "5xx" && aws_cloudwatch_metric_alarm.api_errors.namespace == "AWS/ApiGateway"
    error_message = "5xx are no alarm"
  }
}

run "alarms_reach_people" {
  command = apply

  variables {
    alarm_emails    = ["ops@example.com", "night@example.com"]
    monitor_minutes = 1
    retention_hours = 24
  }

  assert {
    condition = alltrue([for a in concat(
      values(aws_cloudwatch_metric_alarm.errors), values(aws_cloudwatch_metric_alarm.throttles), values(aws_cloudwatch_metric_alarm.silent),
      [aws_cloudwatch_metric_alarm.undelivered, aws_cloudwatch_metric_alarm.api_errors],
    ) : a.alarm_actions == toset([aws_sns_topic.alarms[0].arn]) && a.ok_actions == toset([aws_sns_topic.alarms[0].arn])])
    error_message = "an alarm goes nowhere"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.opened.alarm_actions == toset([aws_sns_topic.alarms[0].arn])
    error_message = "a new finding's alarm goes nowhere"
  }
  assert {
    condition     = toset([for s in aws_sns_topic_subscription.email : s.endpoint]) == toset(["ops@example.com", "night@example.com"])
    error_message = "somebody is not mailed"
  }
  assert {
    condition     = { for name, s in aws_scheduler_schedule.run : name => s.schedule_expression } == { monitor = "rate(1 minute)", retention = "rate(24 hours)" }
    error_message = "rates"
  }
  assert {
    # CloudWatch looks back a week at most.
    condition     = { for name, a in aws_cloudwatch_metric_alarm.silent : name => a.period } == { monitor = 60, retention = 86400 }
    error_message = "silence is judged by other rounds than those that run"
  }
}

run "alarms_to_a_given_topic" {
  command = plan

  variables {
    alarm_topic_arn = "arn:aws:sns:eu-west-3:123456789012:on-call"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.silent["monitor"].alarm_actions == toset([var.alarm_topic_arn]) && length(aws_sns_topic.alarms) == 0
    error_message = "another topic"
  }
}

run "tags" {
  command = plan

  variables {
    tags = { team = "ops" }
  }

  assert {
    condition = alltrue([for r in concat(
      values(aws_lambda_function.this), values(aws_iam_role.function), values(aws_cloudwatch_log_group.function), values(aws_cloudwatch_metric_alarm.errors),
      values(aws_cloudwatch_metric_alarm.throttles), values(aws_cloudwatch_metric_alarm.silent),
    ) : r.tags == tomap({ team = "ops" })])
    error_message = "something bears no tags"
  }
  assert {
    condition = alltrue([for tags in [
      aws_s3_bucket.vault.tags, aws_ssm_parameter.config[0].tags, aws_iam_role.scheduler.tags, aws_sqs_queue.undelivered.tags, aws_sns_topic.alarms[0].tags,
      aws_apigatewayv2_api.broker.tags, aws_apigatewayv2_stage.default.tags, aws_cloudwatch_metric_alarm.undelivered.tags, aws_cloudwatch_metric_alarm.api_errors.tags,
    ] : tags == tomap({ team = "ops" })])
    error_message = "something bears no tags"
  }
}

run "no_packages" {
  command = plan

  variables {
    packages = "/nowhere"
  }

  expect_failures = [aws_lambda_function.this]
}
