package rehearsal

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
)

// event is what an HTTP API hands to a function, payload format 2.0.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
type event struct {
	Version        string            `json:"version"`
	RouteKey       string            `json:"routeKey"`
	RawPath        string            `json:"rawPath"`
	RawQueryString string            `json:"rawQueryString"`
	Cookies        []string          `json:"cookies,omitempty"`
	Headers        map[string]string `json:"headers"`
	Query          map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext requestContext    `json:"requestContext"`
	Body           string            `json:"body,omitempty"`
	PathParameters map[string]string `json:"pathParameters,omitempty"`
	IsBase64       bool              `json:"isBase64Encoded"`
}

type requestContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         httpContext `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	Time         string      `json:"time"`
	TimeEpoch    int64       `json:"timeEpoch"`
}

type httpContext struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// newEvent makes the event of a request that matched the route.
func newEvent(r *http.Request, body []byte, m match, api API, now time.Time) ([]byte, error) {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return nil, err
	}
	e := event{
		Version: "2.0", RouteKey: m.route.Key, RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{"host": r.Host}, Query: map[string]string{}, PathParameters: m.parameters,
		RequestContext: requestContext{
			AccountID: api.Account, APIID: api.ID, DomainName: r.Host, DomainPrefix: strings.Split(r.Host, ".")[0],
			HTTP:      httpContext{r.Method, r.URL.Path, r.Proto, ip, r.UserAgent()},
			RequestID: newRequestID(), RouteKey: m.route.Key, Stage: api.Stage,
			Time: now.UTC().Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
		},
	}
	for name, values := range r.Header {
		if name == "Cookie" {
			for _, v := range values {
				e.Cookies = append(e.Cookies, strings.Split(v, "; ")...)
			}
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	if r.ContentLength >= 0 && len(body) > 0 {
		e.Headers["content-length"] = fmt.Sprint(r.ContentLength)
	}
	for name, values := range r.URL.Query() {
		e.Query[name] = strings.Join(values, ",")
	}
	e.Body = string(body)
	if len(body) > 0 && !isText(r.Header.Get("Content-Type")) {
		e.Body, e.IsBase64 = base64.StdEncoding.EncodeToString(body), true
	}
	return json.Marshal(e)
}

// isText tells which bodies the HTTP API passes on as they are.
func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	return strings.HasPrefix(kind, "text/") || kind == "application/json" || kind == "application/javascript" || kind == "application/xml"
}

// answer is what a function answers to an HTTP API.
type answer struct {
	StatusCode *int              `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Cookies    []string          `json:"cookies"`
	Body       string            `json:"body"`
	IsBase64   bool              `json:"isBase64Encoded"`
}

// writeAnswer makes a response of what the function answered. An answer without
// a status is the body of a 200, as AWS infers it.
func writeAnswer(w http.ResponseWriter, payload []byte) error {
	var a answer
	if err := json.Unmarshal(payload, &a); err != nil {
		return fmt.Errorf("the function's answer: %w", err)
	}
	if a.StatusCode == nil {
		w.Header().Set("Content-Type", "application/json")
		_, err := w.Write(payload)
		return err
	}
	body := []byte(a.Body)
	if a.IsBase64 {
		var err error
		if body, err = base64.StdEncoding.DecodeString(a.Body); err != nil {
			return fmt.Errorf("the function's answer: body: %w", err)
		}
	}
	for name, value := range a.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range a.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	if len(body) == 0 {
		w.WriteHeader(*a.StatusCode)
		return nil
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(*a.StatusCode)
	_, err := w.Write(body)
	return err
}

// readBody reads at most limit bytes; more is errTooLarge.
func readBody(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = errTooLarge
	}
	return body, err
}
