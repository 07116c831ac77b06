package rehearsal

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func gateway(t *testing.T, f *Function, routes ...Route) string {
	t.Helper()
	g := &Gateway{
		API:       func() API { return API{ID: "abc", Account: "123456789012", Stage: "$default", Routes: routes} },
		Functions: func(string) *Function { return f }, Log: f.Log,
	}
	return listen(t, g)
}

func TestARequestBecomesAnEvent(t *testing.T) {
	f := plain(t, nil) // answers the event itself, which has no status: a 200 with it
	url := gateway(t, f, Route{Key: "POST /v1/backups/{id}/parts", Timeout: 30_000})
	r, err := http.NewRequest(http.MethodPost, url+"/v1/backups/20261122T000000Z-00000000/parts?a=1&a=2&b=%20", strings.NewReader("\x00\xff"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"X-Twice": {"one", "two"}, "Cookie": {"k=v; l=w"}, "User-Agent": {"test"}, "Content-Type": {"application/octet-stream"}, "Accept-Encoding": {"identity"}}
	status, body := do(t, r)
	var got event
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
		t.Fatalf("%d %v\n%s", status, err, body)
	}
	if age := time.Since(time.UnixMilli(got.RequestContext.TimeEpoch)); age < 0 || age > time.Minute {
		t.Errorf("timeEpoch: %s ago", age)
	}
	if _, err := time.Parse("02/Jan/2006:15:04:05 -0700", got.RequestContext.Time); err != nil || got.RequestContext.RequestID == "" {
		t.Errorf("time, request id: %+v", got.RequestContext)
	}
	got.RequestContext.Time, got.RequestContext.TimeEpoch, got.RequestContext.RequestID = "", 0, ""
	host := strings.TrimPrefix(url, "http://")
	path := "/v1/backups/20261122T000000Z-00000000/parts"
	want := event{
		Version: "2.0", RouteKey: "POST /v1/backups/{id}/parts", RawPath: path, RawQueryString: "a=1&a=2&b=%20",
		Cookies: []string{"k=v", "l=w"},
		Headers: map[string]string{"host": host, "x-twice": "one,two", "user-agent": "test", "content-type": "application/octet-stream", "content-length": "2", "accept-encoding": "identity"},
		Query:   map[string]string{"a": "1,2", "b": " "},
		RequestContext: requestContext{
			AccountID: "123456789012", APIID: "abc", DomainName: host, DomainPrefix: "127", RouteKey: "POST /v1/backups/{id}/parts", Stage: "$default",
			HTTP: httpContext{"POST", path, "HTTP/1.1", "127.0.0.1", "test"},
		},
		Body: "AP8=", IsBase64: true, PathParameters: map[string]string{"id": "20261122T000000Z-00000000"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
	r, _ = http.NewRequest(http.MethodPost, url+path, strings.NewReader(`{"a":1}`))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	_, body = do(t, r)
	got = event{}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.IsBase64 || got.Body != `{"a":1}` {
		t.Errorf("a JSON body: %v %+v", err, got)
	}
}

func TestAnAnswerBecomesAResponse(t *testing.T) {
	f := plain(t, map[string]string{"ANSWER": `{"statusCode":302,"headers":{"Location":"https://s3.example/x","Content-Type":"text/x"},"cookies":["a=b","c=d"],"body":"AP8=","isBase64Encoded":true}`})
	url := gateway(t, f, Route{Key: "$default", Timeout: 30_000})
	r, _ := http.NewRequest(http.MethodGet, url+"/please-answer", nil)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 302 || resp.Header.Get("Location") != "https://s3.example/x" || string(body) != "\x00\xff" || len(resp.Header["Set-Cookie"]) != 2 {
		t.Errorf("got %d %v %q", resp.StatusCode, resp.Header, body)
	}
}

func TestTheGatewayRefuses(t *testing.T) {
	f := plain(t, nil)
	url := gateway(t, f, Route{Key: "POST /v1/backups", Timeout: 500})
	for _, c := range []struct {
		name, method, path string
		body               io.Reader
		want               int
	}{
		{"a path without a route", "POST", "/v2", nil, 404},
		{"a method without a route", "GET", "/v1/backups", nil, 404},
		{"a longer path", "POST", "/v1/backups/x", nil, 404},
		{"10 MB", "POST", "/v1/backups", io.LimitReader(zeros{}, maxRequest+1), 413},
		{"what base64 makes larger than Lambda takes", "POST", "/v1/backups", io.LimitReader(zeros{}, 5<<20), 413},
		{"to wait longer than the integration", "POST", "/v1/backups?please-sleep", nil, 503},
		{"to say why a function ended", "POST", "/v1/backups?please-exit", nil, 500},
	} {
		r, err := http.NewRequest(c.method, url+c.path, c.body)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := do(t, r); status != c.want {
			t.Errorf("%s: got %d %s, want %d", c.name, status, body, c.want)
		}
	}
}

func TestTheBestRouteIsChosen(t *testing.T) {
	routes := []Route{{Key: "$default"}, {Key: "ANY /{proxy+}"}, {Key: "GET /v1/{x}"}, {Key: "GET /v1/backups"}, {Key: "ANY /v1/backups"}, {Key: "GET /r/{ticket}"}, {Key: "GET /r/{rest+}"}}
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/v1/backups", "GET /v1/backups"},
		{"POST", "/v1/backups", "ANY /v1/backups"},
		{"GET", "/v1/other", "GET /v1/{x}"},
		{"GET", "/r/a.b", "GET /r/{ticket}"},
		{"GET", "/r/a/b", "GET /r/{rest+}"},
		{"PUT", "/r/a/b", "ANY /{proxy+}"},
		{"GET", "/", "$default"},
	} {
		if m, ok := find(routes, c.method, c.path); !ok || m.route.Key != c.want {
			t.Errorf("%s %s: got %q, want %q", c.method, c.path, m.route.Key, c.want)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func do(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
