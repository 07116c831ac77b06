# The four functions, and the HTTP API in front of broker and restore.

locals {
  # Seconds. API Gateway gives up after 30; what the broker has begun by then it
  # still finishes. Retention and monitor stop in time and carry on in the next
  # run.
  timeouts = { broker = 60, restore = 30, retention = 900, monitor = 900 }

  packages = { for name in keys(local.timeouts) : name =>
    "${coalesce(var.packages, "${path.module}/../../dist/functions")}/${name}-${var.architecture}.zip"
  }

  # Every call that the API knows. Whatever is not here is refused before any of
  # our code runs.
  routes = {
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
}

resource "aws_lambda_function" "this" {
  for_each = local.packages

  function_name = "${var.name}-${each.key}"
  description   = "Holdfast ${each.key}"
  role          = aws_iam_role.function[each.key].arn
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.architecture == "amd64" ? "x86_64" : "arm64"]
  memory_size   = var.memory[each.key]
  timeout       = local.timeouts[each.key]
  tags          = var.tags

  filename         = each.value
  source_code_hash = filebase64sha256(each.value)

  reserved_concurrent_executions = coalesce(var.reserved_concurrency[each.key], -1)

  environment {
    variables = {
      HOLDFAST_CONFIG     = local.config_reference
      HOLDFAST_DEPLOYMENT = var.name
    }
  }

  lifecycle {
    precondition {
      condition     = fileexists(each.value)
      error_message = "There is no ${each.value}: run `make dist`, or set packages."
    }
  }

  # Lambda would make a log group by itself, which keeps everything for ever. And
  # a first run without permissions would be a first false alarm.
  depends_on = [aws_cloudwatch_log_group.function, aws_iam_role_policy.function]
}

resource "aws_cloudwatch_log_group" "function" {
  for_each = local.packages

  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

# A finding is an error of the function, so that the Errors metric counts it.
# Lambda would run the function twice more for each one, to find the same.
resource "aws_lambda_function_event_invoke_config" "once" {
  for_each = toset(["monitor", "retention"])

  function_name                = aws_lambda_function.this[each.key].function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 900 # then the next run is as good
}

resource "aws_lambda_permission" "api" {
  for_each = toset(values(local.routes))

  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this[each.key].function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.broker.execution_arn}/*/*"
}

resource "aws_lambda_permission" "bucket" {
  statement_id   = "bucket"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this["monitor"].function_name
  principal      = "s3.amazonaws.com"
  source_arn     = local.bucket_arn
  source_account = local.account # a bucket's ARN does not name its owner
}

resource "aws_apigatewayv2_api" "broker" {
  name                         = var.name
  description                  = "Holdfast: what hosts and operators talk to"
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = var.domain != null
  tags                         = var.tags
}

resource "aws_apigatewayv2_integration" "function" {
  for_each = toset(values(local.routes))

  api_id                 = aws_apigatewayv2_api.broker.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.this[each.key].invoke_arn
  integration_method     = "POST"
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

# AWS checks no credentials here: the functions check a token with every call.
resource "aws_apigatewayv2_route" "call" {
  for_each = local.routes

  api_id    = aws_apigatewayv2_api.broker.id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.function[each.value].id}"
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.broker.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  default_route_settings {
    throttling_rate_limit  = var.throttle.rate
    throttling_burst_limit = var.throttle.burst
  }

  dynamic "access_log_settings" {
    for_each = aws_cloudwatch_log_group.api

    content {
      destination_arn = access_log_settings.value.arn
      # The route, not the path: that has tickets in it.
      format = jsonencode({
        time    = "$context.requestTime"
        request = "$context.requestId"
        ip      = "$context.identity.sourceIp"
        route   = "$context.routeKey"
        status  = "$context.status"
        took_ms = "$context.responseLatency"
        bytes   = "$context.responseLength"
        error   = "$context.error.messageString"
      })
    }
  }
}

resource "aws_cloudwatch_log_group" "api" {
  count = var.access_log ? 1 : 0

  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_apigatewayv2_domain_name" "broker" {
  count = var.domain == null ? 0 : 1

  domain_name = var.domain.name
  tags        = var.tags

  domain_name_configuration {
    certificate_arn = var.domain.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "broker" {
  count = var.domain == null ? 0 : 1

  api_id      = aws_apigatewayv2_api.broker.id
  domain_name = aws_apigatewayv2_domain_name.broker[0].id
  stage       = aws_apigatewayv2_stage.default.id
}
