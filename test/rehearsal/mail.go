package rehearsal

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strings"
)

// outbound is a call of SES's SendEmail.
type outbound struct {
	FromEmailAddress string
	Destination      destination
	Content          struct{ Raw *struct{ Data []byte } }
}

type destination struct{ ToAddresses, CcAddresses, BccAddresses []string }

func (d destination) all() []string {
	return slices.Concat(d.ToAddresses, d.CcAddresses, d.BccAddresses)
}

// toSend returns what sending a mail in MIME form takes: of each identity that it
// touches, in the sandbox those of the recipients too, and of the set of settings
// that they have by default. AWS's pages disagree on whether such a mail takes
// SendEmail or SendRawEmail; here it takes both.
// https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
func (g *guard) toSend(ctx context.Context, region string, body []byte) ([]need, error) {
	var request outbound
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	if request.Content.Raw == nil {
		return nil, fmt.Errorf("not in MIME form")
	}
	from, err := mail.ParseAddress(request.FromEmailAddress)
	if err != nil {
		return nil, err
	}
	verified, err := g.identities(ctx)
	if err != nil {
		return nil, err
	}
	resources := []string{"configuration-set/default-of-the-account"}
	for _, text := range append(request.Destination.all(), request.FromEmailAddress) {
		address, err := mail.ParseAddress(text)
		if err != nil {
			return nil, err
		}
		identity, ok := identityOf(address.Address, verified)
		if !ok {
			return nil, fmt.Errorf("%s is not verified in %s", address.Address, region)
		}
		resources = append(resources, "identity/"+identity)
	}
	var needs []need
	for _, resource := range resources {
		for _, action := range []string{"ses:SendEmail", "ses:SendRawEmail"} {
			arn := fmt.Sprintf("arn:aws:ses:%s:%s:%s", region, g.account, resource)
			needs = append(needs, need{action, arn, map[string]string{"ses:FromAddress": from.Address}})
		}
	}
	return needs, nil
}

// identities returns the verified ones.
func (g *guard) identities(ctx context.Context) ([]string, error) {
	answer, err := g.ses.call(ctx, http.MethodGet, "/v2/email/identities", "", nil, nil)
	if err != nil {
		return nil, err
	}
	var all struct {
		EmailIdentities []struct{ IdentityName string }
	}
	err = json.Unmarshal(answer, &all)
	var names []string
	for _, identity := range all.EmailIdentities {
		names = append(names, identity.IdentityName)
	}
	return names, err
}

// identityOf returns the identity that speaks for an address: itself, its domain,
// or one above that.
func identityOf(address string, verified []string) (string, bool) {
	_, domain, _ := strings.Cut(address, "@")
	for name := address; name != ""; name, domain = domain, above(domain) {
		if slices.Contains(verified, name) {
			return name, true
		}
	}
	return "", false
}

func above(domain string) string {
	_, rest, _ := strings.Cut(domain, ".")
	return rest
}

// sent is a mail that SES has taken.
type sent struct {
	id   string // which SES gave it
	from string
	to   []string
	raw  string
}

// send hands a mail on to moto and keeps what that takes: moto tells nobody later.
func (g *guard) send(w http.ResponseWriter, r *http.Request, body []byte) {
	answer := httptest.NewRecorder()
	g.forward.ServeHTTP(answer, r)
	var request outbound
	var taken struct{ MessageID string }
	if answer.Code == http.StatusOK && json.Unmarshal(body, &request) == nil && json.Unmarshal(answer.Body.Bytes(), &taken) == nil && taken.MessageID != "" {
		g.mu.Lock()
		g.sent = append(g.sent, sent{taken.MessageID, request.FromEmailAddress, request.Destination.all(), string(request.Content.Raw.Data)})
		g.mu.Unlock()
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// takeSent returns the mails that SES has taken since it was last asked.
func (g *guard) takeSent() []sent {
	g.mu.Lock()
	defer g.mu.Unlock()
	sent := g.sent
	g.sent = nil
	return sent
}
