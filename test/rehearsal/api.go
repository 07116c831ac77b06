package rehearsal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// service is one of the AWS APIs, where it is served. The SDK has a module for
// each; for the few reads here its signer is enough.
type service struct {
	name, url, region string
	keys              keys
}

// call sends one signed request and returns the body of the answer.
func (s service) call(ctx context.Context, method, path, contentType string, body []byte, header map[string]string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: s.keys.access, SecretAccessKey: s.keys.secret}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), s.name, s.region, time.Now()); err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = &apiError{s.name + " " + method + " " + path, resp.StatusCode, string(answer)}
	}
	return answer, err
}

// apiError is a refusal by an AWS API.
type apiError struct {
	call   string
	status int
	body   string
}

func (e *apiError) Error() string { return fmt.Sprintf("%s: %d %s", e.call, e.status, e.body) }

// get reads a resource of a REST API.
func (s service) get(t testing.TB, path string, into any) {
	t.Helper()
	body, err := s.call(t.Context(), http.MethodGet, path, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s %s: %v\n%s", s.name, path, err, body)
	}
}

// query calls an action of a query API, such as IAM's.
func (s service) query(t testing.TB, into any, action string, parameters ...string) {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	body, err := s.call(t.Context(), http.MethodPost, "/", "application/x-www-form-urlencoded", []byte(form.Encode()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if into == nil {
		return
	}
	if err := xml.Unmarshal(body, into); err != nil {
		t.Fatalf("%s %s: %v\n%s", s.name, action, err, body)
	}
}

// target calls an action of a JSON API, such as SSM's.
func (s service) target(ctx context.Context, action string, in, into any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodPost, "/", "application/x-amz-json-1.1", body, map[string]string{"X-Amz-Target": action})
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(answer, into)
}
