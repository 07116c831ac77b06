# When retention and the monitor run.

locals {
  schedules = {
    monitor   = { rate = "rate(${var.monitor_minutes} minute${var.monitor_minutes == 1 ? "" : "s"})", period = var.monitor_minutes * 60 }
    retention = { rate = "rate(${var.retention_hours} hour${var.retention_hours == 1 ? "" : "s"})", period = var.retention_hours * 3600 }
  }
}

resource "aws_scheduler_schedule" "run" {
  for_each = local.schedules

  name                = "${var.name}-${each.key}"
  description         = "Runs ${var.name}-${each.key}"
  schedule_expression = each.value.rate

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.this[each.key].arn
    role_arn = aws_iam_role.scheduler.arn

    # Of the delivery; a finding is no reason to run again.
    retry_policy {
      maximum_retry_attempts       = 2
      maximum_event_age_in_seconds = min(each.value.period, 3600)
    }

    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}

# What the scheduler could not deliver. Nobody reads it but people: its depth
# raises an alarm.
resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-undelivered"
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}
