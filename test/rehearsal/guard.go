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
)

// guard stands before moto's SSM and SES and lets a principal do what its policies
// allow. moto has policies of its own, but looks at no resource of these services;
// signatures it looks at neither, and so does this not: who calls is told from the
// access key.
type guard struct {
	forward *httputil.ReverseProxy
	ses     service // of the account's owner
	account string

	mu         sync.Mutex
	principals map[string]principal // by access key
	refused    []string
	sent       []sent
}

func (g *guard) add(who principal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.principals[who.keys.access] = who
}

// takeRefused returns what was refused since it was last asked.
func (g *guard) takeRefused() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	refused := g.refused
	g.refused = nil
	return refused
}

var credential = regexp.MustCompile(`Credential=([^/]+)/[0-9]+/([^/]+)/([^/]+)/`)

// need is a permission that a call takes.
type need struct {
	action, resource string
	keys             map[string]string // what conditions can be about
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found := credential.FindStringSubmatch(r.Header.Get("Authorization"))
	body, err := readBody(r.Body, maxRequest)
	if err != nil || found == nil {
		http.Error(w, `{"__type":"MalformedRequest"}`, http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	who := g.principals[found[1]]
	g.mu.Unlock()
	region := found[2]
	var needs []need
	mail := false
	switch operation, isSSM := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM."); {
	case isSSM && operation == "GetParameter":
		needs, err = g.toRead(region, body)
	case r.Method == http.MethodPost && r.URL.Path == "/v2/email/outbound-emails":
		mail = true
		needs, err = g.toSend(r.Context(), region, body)
	default:
		needs = []need{{action: r.Method + " " + r.URL.Path + " " + operation, resource: "anything"}} // which nothing allows
	}
	if err != nil {
		answerError(w, "MessageRejected", err.Error())
		return
	}
	for _, n := range needs {
		if !allows(who.policies, n.action, n.resource, n.keys) {
			g.mu.Lock()
			g.refused = append(g.refused, n.action+" "+n.resource)
			g.mu.Unlock()
			answerError(w, "AccessDeniedException", "not authorized to perform: "+n.action+" on resource: "+n.resource)
			return
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if mail {
		g.send(w, r, body)
		return
	}
	g.forward.ServeHTTP(w, r)
}

// toRead returns what reading a parameter takes.
func (g *guard) toRead(region string, body []byte) ([]need, error) {
	var request struct{ Name string }
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	resource := fmt.Sprintf("arn:aws:ssm:%s:%s:parameter/%s", region, g.account, strings.TrimPrefix(request.Name, "/"))
	return []need{{action: "ssm:GetParameter", resource: resource}}, nil
}

// answerError answers as AWS's JSON APIs do, in the header and in the body.
func answerError(w http.ResponseWriter, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", code)
	body, _ := json.Marshal(map[string]string{"__type": code, "message": message})
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(body)
}
