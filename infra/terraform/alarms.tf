# What tells people. The functions' own metrics are in the namespace Holdfast.

locals {
  topic = var.alarm_topic_arn == null ? aws_sns_topic.alarms[0].arn : var.alarm_topic_arn

  # Findings are errors. Monitor and retention are judged over two of their
  # runs, so that an alarm lasts as long as what it is about, and a run that
  # falls on the other side of a minute ends none.
  error_windows = merge(
    { broker = { period = 300, runs = 1 }, restore = { period = 300, runs = 1 } },
    { for name, schedule in local.schedules : name => { period = schedule.period, runs = 2 } },
  )
}

resource "aws_sns_topic" "alarms" {
  count = var.alarm_topic_arn == null ? 1 : 0

  # Not encrypted with AWS's own key: CloudWatch may not use that, and would lose
  # its alarms. They name functions and numbers only.
  name = "${var.name}-alarms"
  tags = var.tags
}

resource "aws_sns_topic_policy" "alarms" {
  count = var.alarm_topic_arn == null ? 1 : 0

  arn = aws_sns_topic.alarms[0].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = "arn:${local.partition}:sns:${local.region}:${local.account}:${var.name}-alarms"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*" }
      }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alarm_emails

  topic_arn = local.topic
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = local.error_windows

  alarm_name          = "${var.name}-${each.key}-errors"
  alarm_description   = "The function ${var.name}-${each.key} failed${contains(keys(local.schedules), each.key) ? " or found something wrong" : ""}. Its log says what: /aws/lambda/${var.name}-${each.key}"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = "${var.name}-${each.key}" }
  statistic           = "Sum"
  period              = each.value.period
  evaluation_periods  = each.value.runs
  datapoints_to_alarm = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching" # nobody called
  alarm_actions       = [local.topic]
  ok_actions          = [local.topic]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "throttles" {
  for_each = local.packages

  alarm_name          = "${var.name}-${each.key}-throttles"
  alarm_description   = "Calls of ${var.name}-${each.key} were refused: the account's or the reserved concurrency is used up."
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = "${var.name}-${each.key}" }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic]
  ok_actions          = [local.topic]
  tags                = var.tags
}

# An alarm goes off when something goes wrong, and not again while that lasts. So
# that one old finding does not hide the next, each that is new has its own. It
# ends a minute later, which says nothing, so nobody is told of that.
resource "aws_cloudwatch_metric_alarm" "opened" {
  alarm_name          = "${var.name}-monitor-opened"
  alarm_description   = "The monitor found something that was not wrong before, or not as bad. Its log says what: /aws/lambda/${var.name}-monitor"
  namespace           = "Holdfast"
  metric_name         = "Opened"
  dimensions          = { Deployment = var.name, Function = "monitor" }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic]
  tags                = var.tags
}

# The dead man's alarm: it fires when nothing is heard. Three rounds without a
# run that went over everything it should.
resource "aws_cloudwatch_metric_alarm" "silent" {
  for_each = local.schedules

  alarm_name          = "${var.name}-${each.key}-silent"
  alarm_description   = "No run of ${var.name}-${each.key} has completed for three rounds. Until one does, nobody ${each.key == "monitor" ? "watches over the backups" : "thins the backups out"}."
  namespace           = "Holdfast"
  metric_name         = "Completed"
  dimensions          = { Deployment = var.name, Function = each.key }
  statistic           = "Sum"
  period              = each.value.period
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [local.topic]
  ok_actions          = [local.topic]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "undelivered" {
  alarm_name          = "${var.name}-undelivered"
  alarm_description   = "The scheduler could not start a function; the messages in the queue ${var.name}-undelivered say why. Purge it when that is mended."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.undelivered.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching" # an idle queue reports nothing
  alarm_actions       = [local.topic]
  ok_actions          = [local.topic]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "api_errors" {
  alarm_name          = "${var.name}-api-errors"
  alarm_description   = "The broker answered hosts or operators with 5xx. The logs of broker and restore say why; if they say nothing, a function did not answer in 30 s."
  namespace           = "AWS/ApiGateway"
  metric_name         = "5xx"
  dimensions          = { ApiId = aws_apigatewayv2_api.broker.id }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic]
  ok_actions          = [local.topic]
  tags                = var.tags
}
