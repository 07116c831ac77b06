package function

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/client"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// gateway is an http.RoundTripper that does to calls what an HTTP API does:
// each becomes an event, payload 2.0, with lower-case headers.
type gateway struct {
	w      *world
	handle Handler
	base64 bool   // send bodies as an API does that are not text
	prefix string // of a stage or a mapping, that the API leaves in the path
	errs   []error
}

func (g *gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	call := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: g.prefix + r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{"host": r.URL.Host}, Body: string(body), IsBase64Encoded: g.base64,
	}
	if g.base64 {
		call.Body = base64.StdEncoding.EncodeToString(body)
	}
	for name, values := range r.Header {
		call.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	call.RequestContext.DomainName = r.URL.Host
	call.RequestContext.HTTP.Method, call.RequestContext.HTTP.Path, call.RequestContext.HTTP.SourceIP = r.Method, call.RawPath, "192.0.2.1"
	event, err := json.Marshal(call)
	if err != nil {
		return nil, err
	}
	answer, err := g.w.invoke(g.handle, event)
	if err != nil { // the API answers, and says nothing of what it was
		g.errs = append(g.errs, err)
		answer = events.APIGatewayV2HTTPResponse{StatusCode: 500, Body: `{"message":"Internal Server Error"}`}
	}
	// What Lambda gives the API is the answer as JSON.
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return response(r, text)
}

func response(r *http.Request, text []byte) (*http.Response, error) {
	var answer events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	body := answer.Body
	if answer.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return nil, err
		}
		body = string(decoded)
	}
	resp := &http.Response{StatusCode: answer.StatusCode, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
	for name, value := range answer.Headers {
		resp.Header.Set(name, value)
	}
	return resp, nil
}

// client returns the client of a host or an operator behind a gateway.
func (g *gateway) client(t *testing.T, who string) *client.Client {
	t.Helper()
	signer, err := token.NewSigner(keyOf(who), who, brokerURL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Options{BaseURL: brokerURL, Signer: signer, HTTP: &http.Client{Transport: g}, Now: g.w.now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// push makes a backup through the function, its data sent to the store itself.
func push(t *testing.T, c *client.Client, host, job string) holdfast.Ref {
	t.Helper()
	begun, err := c.Start(t.Context(), api.StartRequest{Job: job, Streams: []api.StartStream{{Name: "crm", File: "crm.sql.zst.age"}}})
	if err != nil {
		t.Fatal(err)
	}
	m := manifest(holdfast.Ref{Host: host, Job: job, ID: begun.ID})
	parts, err := c.SignParts(t.Context(), begun.ID, api.PartsRequest{UploadToken: begun.Vaults[0].UploadToken, Stream: "crm", Parts: m.Streams[0].Parts})
	if err != nil {
		t.Fatal(err)
	}
	status, header, body := send(t, parts.Requests[0], data)
	if status != http.StatusOK {
		t.Fatalf("the store answered %d: %s", status, body)
	}
	doc, err := token.SignManifest(keyOf(host), m)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := c.Commit(t.Context(), begun.ID, api.CommitRequest{
		UploadToken: begun.Vaults[0].UploadToken, Manifest: doc, ETags: map[string][]string{"crm": {header.Get("ETag")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return committed.Ref
}

// send sends a signed request to the store.
func send(t *testing.T, signed holdfast.Request, body string) (status int, header http.Header, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), signed.Method, signed.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range signed.Header {
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func wantStatus(t *testing.T, err error, status int) {
	t.Helper()
	p, ok := errors.AsType[*api.Problem](err)
	if !ok || p.Status != status {
		t.Fatalf("got %v, want a problem with status %d", err, status)
	}
}
