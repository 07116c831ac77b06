package rehearsal

import (
	"context"
	"encoding/json"
	"net/http"
)

// call is something to do at SSM or SES.
type call struct {
	what string
	may  string // the functions, separated by spaces
	do   func(context.Context, keys) error
}

func (s *story) calls() []call {
	read := func(name, may string) call {
		return call{"read " + name, may, func(ctx context.Context, k keys) error {
			ssm := service{"ssm", s.d.url, region, k}
			return ssm.target(ctx, "AmazonSSM.GetParameter", map[string]any{"Name": name, "WithDecryption": true}, nil)
		}}
	}
	mail := func(from, to, may string) call {
		return call{"mail from " + from + " to " + to, may, func(ctx context.Context, k keys) error {
			body, err := json.Marshal(map[string]any{
				"FromEmailAddress": from, "Destination": map[string]any{"ToAddresses": []string{to}},
				"Content": map[string]any{"Raw": map[string]any{"Data": []byte("Subject: x\r\n\r\nx\r\n")}},
			})
			if err == nil {
				_, err = service{"ses", s.d.url, region, k}.call(ctx, http.MethodPost, "/v2/email/outbound-emails", "application/json", body, nil)
			}
			return err
		}}
	}
	all := []call{
		read("/acme-backups/config", "broker restore retention monitor"),
		read("/acme-backups/broker-secret", "broker restore"),
		read("/acme-backups/slack-webhook-of-others", ""),
		read("/other/parameter", ""),
		mail("backup@example.com", "ops@example.org", "monitor"),
		mail("chief@example.com", "ops@example.org", ""),  // another of the same domain
		mail("backup@example.com", "all@example.net", ""), // of an identity that no channel names
		mail("backup@example.net", "ops@example.org", ""),
	}
	for name := range s.parameters() {
		all = append(all, read(name, "monitor"))
	}
	return all
}
