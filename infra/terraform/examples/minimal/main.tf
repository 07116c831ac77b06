# The least: everything by default. Run `make dist` first.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

provider "aws" {
  region = "eu-west-3"
}

variable "slack_webhook" {
  description = "Where an incoming webhook of Slack is kept, such as ssm:/holdfast/slack-webhook; null to be told by alarms alone. The output alert_secret_commands has the line that puts it there."
  type        = string
  default     = null
}

module "holdfast" {
  source = "../.."

  alert_channels = { for webhook in var.slack_webhook[*] : "ops" => { slack = { webhook = webhook } } }

  # After the first apply, `pusher init` on each host prints what belongs here:
  # hosts = { web1 = { key = "ed25519:…", jobs = ["crm"] } }
}

output "pusher_init" {
  description = "The line to run on a host."
  value       = module.holdfast.pusher_init["NAME"]
}

output "broker_secret_command" {
  description = "The line to run once, before the first backup."
  value       = module.holdfast.broker_secret_command
}

output "alert_secret_commands" {
  description = "The line to run once for the webhook."
  value       = module.holdfast.alert_secret_commands
}
