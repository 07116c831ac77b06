// Package rehearsal runs Holdfast as it is deployed on AWS, without AWS. The real
// Terraform and its real AWS provider deploy the module; the zips that they
// deployed are unpacked and started with the environment that they were given,
// each under the policies of its own role. What stands in for AWS:
//
//   - the Lambda runtime API and the HTTP API's events: this package
//   - S3 with signatures, versions and checksums, and IAM: versitygw, which
//     evaluates what the policy documents that Terraform attached to the roles say
//     of S3, word for word, with their resources and conditions
//   - the other APIs (Lambda, API Gateway, Scheduler, SSM, SES, CloudWatch, SNS, …):
//     moto_server, which keeps what it is told and tells it again. What the functions
//     call of them passes a guard, which evaluates the rest of the documents
//   - Slack, a program behind a webhook and a service of heartbeats: this package
//
// What no stand-in evaluates, and so is shown nowhere here: the bucket's own
// policy (its condition keys on If-None-Match are AWS's alone; `terraform test`
// asserts its text), and KMS.
package rehearsal
