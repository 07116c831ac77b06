output "broker_url" {
  description = "What hosts and operators talk to: `pusher init --broker …`."
  value       = local.broker_url
}

output "bucket" {
  description = "Name of the bucket that the backups lie in."
  value       = aws_s3_bucket.vault.id
}

output "function_names" {
  description = "Names of the functions, by what they are."
  value       = { for name, function in aws_lambda_function.this : name => function.function_name }
}

output "role_names" {
  description = "Names of the functions' roles, by function, and of the scheduler's."
  value       = merge({ for name, role in aws_iam_role.function : name => role.name }, { scheduler = aws_iam_role.scheduler.name })
}

output "pusher_init" {
  description = "For each host the line to run on it, and NAME for one to come: it makes the host's key and prints what to put into hosts. AGE_RECIPIENT is who can decrypt (age1…); `--identity FILE` instead makes a new identity."
  value = { for host in concat(keys(var.hosts), ["NAME"]) :
    host => "pusher init --host ${host} --broker ${local.broker_url} --recipient AGE_RECIPIENT"
  }
}

output "broker_secret_command" {
  description = "Makes the secret that the broker signs with. Run it once, before the first backup; the secret passes through no file, no argument and no state."
  value       = "openssl rand -base64 48 | tr -d '[:space:]' | aws ssm put-parameter --region ${local.region} --type SecureString --name ${local.secret_parameters[0]} --value file:///dev/stdin"
}

output "alert_secret_commands" {
  description = "For each parameter that alert_channels names a line, for bash or zsh, that stores what it asks for: nothing of it gets onto the screen, into the shell's history, an argument, a file or a state. Print them with `terraform output -raw`."
  value = join("\n", [for name in local.alert_parameters :
    "echo ${name}: >&2; { read -rs value && printf %s \"$value\"; } | aws ssm put-parameter --region ${local.region} --type SecureString --overwrite --name ${name} --value file:///dev/stdin"
  ])
}

output "config_reference" {
  description = "Where the configuration document lies, as the functions are told."
  value       = local.config_reference
}

output "config_document" {
  description = "The configuration document, a holdfast.yaml. It holds no secret."
  value       = local.config
}

output "alarm_topic_arn" {
  description = "The SNS topic that alarms go to."
  value       = local.topic
}

output "undelivered_queue_url" {
  description = "The queue of what the scheduler could not deliver."
  value       = aws_sqs_queue.undelivered.url
}

output "domain_target" {
  description = "With an own domain: the name and the hosted zone that its DNS record (an alias, or a CNAME) must point at; null without."
  value = one([for domain in aws_apigatewayv2_domain_name.broker : {
    name    = domain.domain_name_configuration[0].target_domain_name
    zone_id = domain.domain_name_configuration[0].hosted_zone_id
  }])
}
