output "broker_url" {
  description = "What hosts and operators talk to."
  value       = module.holdfast.broker_url
}

output "bucket" {
  description = "Where the backups lie."
  value       = module.holdfast.bucket
}

output "pusher_init" {
  description = "The line to run on each host."
  value       = module.holdfast.pusher_init
}

output "broker_secret_command" {
  description = "The line to run once, before the first backup."
  value       = module.holdfast.broker_secret_command
}

output "alert_secret_commands" {
  description = "The lines to run once for each secret of a channel."
  value       = module.holdfast.alert_secret_commands
}

output "config_document" {
  description = "What the functions are configured by; `holdfast --config` reads it too."
  value       = module.holdfast.config_document
}

output "config_reference" {
  description = "Where that lies."
  value       = module.holdfast.config_reference
}

output "function_names" {
  description = "The functions."
  value       = module.holdfast.function_names
}

output "role_names" {
  description = "Their roles."
  value       = module.holdfast.role_names
}

output "alarm_topic_arn" {
  description = "Where alarms go."
  value       = module.holdfast.alarm_topic_arn
}

output "undelivered_queue_url" {
  description = "What the scheduler could not deliver."
  value       = module.holdfast.undelivered_queue_url
}

output "domain_target" {
  description = "What the DNS record of the own domain points at."
  value       = module.holdfast.domain_target
}
