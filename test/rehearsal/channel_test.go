package rehearsal

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// channels are the ways that people are told, as variables of Terraform. The
// partner is not among those that crm wants told.
func (s *story) channels() map[string]any {
	return map[string]any{
		"alert_channels": map[string]any{
			"ops":     map[string]any{"slack": map[string]any{"webhook": "ssm:/acme-backups/slack-webhook"}},
			"hook":    map[string]any{"webhook": map[string]any{"url": "ssm:/acme-backups/hook-url", "secret": "ssm:/acme-backups/hook-secret"}},
			"mail":    map[string]any{"email": map[string]any{"from": "Holdfast <backup@example.com>", "to": []string{"Ops <ops@example.org>"}, "ses": map[string]any{}}},
			"partner": map[string]any{"webhook": map[string]any{"url": "ssm:/acme-backups/partner-url"}},
		},
		"alert_severity": map[string]any{},
		"alert_heartbeat": map[string]any{
			"start": s.audience.url + beatPath + "start", "success": s.audience.url + beatPath + "success", "failure": s.audience.url + beatPath + "failure",
		},
	}
}

// parameters are the secrets of the channels, by name.
func (s *story) parameters() map[string]string {
	return map[string]string{
		"/acme-backups/slack-webhook": s.audience.url + slackPath,
		"/acme-backups/hook-url":      s.audience.url + hookPath,
		"/acme-backups/hook-secret":   s.audience.secret,
		"/acme-backups/partner-url":   s.audience.url + partnerPath,
	}
}

// crm is the policy of web1/crm.
func crm(expect map[string]any) map[string]any {
	return map[string]any{"web1/crm": map[string]any{
		"keep": map[string]any{"last": 2, "min_keep": 1}, "expect": expect, "alert": []string{"ops", "hook", "mail"},
	}}
}

var parameterName = regexp.MustCompile(`--name (\S+)`)

// storeSecrets runs the lines that Terraform prints for the channels, and those of
// docs/aws.md that make a sender and a recipient known to SES.
func (s *story) storeSecrets(t *testing.T) {
	rest := s.parameters()
	for line := range strings.Lines(s.d.terraform.output(t, "alert_secret_commands")) {
		name := parameterName.FindStringSubmatch(line)
		if name == nil || rest[name[1]] == "" {
			t.Fatalf("a line for no secret of these: %s", line)
		}
		value := rest[name[1]]
		delete(rest, name[1])
		if out := s.asOwner(t, value+"\n", line); strings.Contains(out, value) || !strings.Contains(out, name[1]+":") {
			t.Errorf("%s\nprinted\n%s\nwant what it asks for, and not the answer", line, out)
		}
		var made struct{ Parameter struct{ Type, Value string } }
		ssm := s.d.cloud.service("ssm")
		must(t, ssm.target(t.Context(), "AmazonSSM.GetParameter", map[string]any{"Name": name[1], "WithDecryption": true}, &made))
		if made.Parameter.Type != "SecureString" || made.Parameter.Value != value {
			t.Errorf("%s: is a %s %q, want a SecureString %q", name[1], made.Parameter.Type, made.Parameter.Value, value)
		}
		s.secrets[name[1]] = strings.TrimPrefix(value, s.audience.url)
	}
	if len(rest) > 0 {
		t.Errorf("no line for %v", rest)
	}
	// That of example.net is for something else.
	for _, identity := range []string{"example.com", "ops@example.org", "example.net"} {
		s.asOwner(t, "", "aws sesv2 create-email-identity --region eu-west-3 --email-identity "+identity)
	}
}

// asOwner runs a line of the shell with the rights of the account's owner.
func (s *story) asOwner(t *testing.T, stdin, line string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", line)
	command.Env, command.Stdin = append(os.Environ(), s.d.cloud.environ()...), strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v (package awscli)\n%s", line, err, out)
	}
	return string(out)
}
