package rehearsal

import (
	"fmt"
	"testing"
)

// principal is who calls under the policies of one role.
type principal struct {
	keys     keys
	policies []string
}

// newPrincipal makes a user in versitygw's IAM and gives it what the documents of
// the role say of S3. (versitygw has roles too, but nobody can assume them without
// a web identity.)
func (s *store) newPrincipal(t testing.TB, name string, policies []string) principal {
	t.Helper()
	iam := service{"iam", s.iam, "us-east-1", rootKeys}
	iam.query(t, nil, "CreateUser", "UserName", name)
	s.setPolicies(t, name, policies)
	var made struct {
		Access string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	iam.query(t, &made, "CreateAccessKey", "UserName", name)
	return principal{keys{made.Access, made.Secret}, policies}
}

// setPolicies puts in force what the documents say of S3, of which a user can have
// 2 KB. The rest is the guard's.
func (s *store) setPolicies(t testing.TB, name string, policies []string) {
	t.Helper()
	iam := service{"iam", s.iam, "us-east-1", rootKeys}
	documents, err := aboutS3(policies)
	must(t, err)
	for i, document := range documents {
		iam.query(t, nil, "PutUserPolicy", "UserName", name, "PolicyName", fmt.Sprint("policy-", i), "PolicyDocument", document)
	}
}
