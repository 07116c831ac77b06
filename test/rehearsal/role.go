package rehearsal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// principal is who calls under the policies of one role.
type principal struct {
	keys     keys
	policies []string
}

// newPrincipal makes a user in versitygw's IAM and gives it the documents of the
// role, word for word. (versitygw has roles too, but nobody can assume them
// without a web identity.)
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

// setPolicies puts the documents in force.
func (s *store) setPolicies(t testing.TB, name string, policies []string) {
	t.Helper()
	iam := service{"iam", s.iam, "us-east-1", rootKeys}
	for i, document := range policies {
		iam.query(t, nil, "PutUserPolicy", "UserName", name, "PolicyName", fmt.Sprint("policy-", i), "PolicyDocument", document)
	}
}

// parameters stands before moto's SSM and lets a principal read what its policies
// allow. moto has policies of its own, but looks at no resource of SSM; signatures
// it looks at neither, and so does this not: who calls is told from the access key.
type parameters struct {
	forward *httputil.ReverseProxy
	account string

	mu         sync.Mutex
	principals map[string]principal // by access key
	refused    []string
}

func (p *parameters) add(who principal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.principals[who.keys.access] = who
}

// takeRefused returns what was refused since it was last asked.
func (p *parameters) takeRefused() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	refused := p.refused
	p.refused = nil
	return refused
}

var credential = regexp.MustCompile(`Credential=([^/]+)/[0-9]+/([^/]+)/([^/]+)/`)

func (p *parameters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found := credential.FindStringSubmatch(r.Header.Get("Authorization"))
	body, err := readBody(r.Body, maxRequest)
	var request struct{ Name string }
	if err != nil || found == nil || json.Unmarshal(body, &request) != nil {
		http.Error(w, `{"__type":"MalformedRequest"}`, http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	who := p.principals[found[1]]
	p.mu.Unlock()
	operation, isSSM := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM.")
	action := "ssm:" + operation
	resource := fmt.Sprintf("arn:aws:ssm:%s:%s:parameter/%s", found[2], p.account, strings.TrimPrefix(request.Name, "/"))
	allowed := isSSM && operation == "GetParameter" && allows(who.policies, action, resource)
	if !allowed {
		p.mu.Lock()
		p.refused = append(p.refused, action+" "+resource)
		p.mu.Unlock()
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"__type":"AccessDeniedException","Message":"not authorized to perform: %s on resource: %s"}`, action, resource)
		return
	}
	r.Body, r.ContentLength = http.NoBody, 0
	if len(body) > 0 {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	p.forward.ServeHTTP(w, r)
}

// allows tells whether some statement allows it and none denies it. A statement
// about SSM with a condition allows nothing here.
func allows(documents []string, action, resource string) bool {
	allowed := false
	for _, document := range documents {
		for _, s := range statements(document) {
			if !s.covers(action, resource) {
				continue
			}
			if s.Effect == "Deny" {
				return false
			}
			allowed = allowed || len(s.Condition) == 0
		}
	}
	return allowed
}

// statement is one of a policy. In a document a single string may stand for a list.
type statement struct {
	Effect    string
	Action    list
	Resource  list
	Condition map[string]any
}

type list []string

func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

func statements(document string) []statement {
	var policy struct{ Statement []statement }
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		return []statement{{Effect: "Deny", Action: list{"*"}, Resource: list{"*"}}} // unreadable: allow nothing
	}
	return policy.Statement
}

func (s statement) covers(action, resource string) bool {
	return s.Action.matches(action) && s.Resource.matches(resource)
}

func (l list) matches(value string) bool {
	for _, pattern := range l {
		pattern = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		if regexp.MustCompile("^" + pattern + "$").MatchString(value) {
			return true
		}
	}
	return false
}
