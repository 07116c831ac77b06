package function

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/awsenv"
	"github.com/holdfast-backup/holdfast/internal/broker"
	"github.com/holdfast-backup/holdfast/internal/site"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// answerMargin is what is left of an invocation's time for the answer to a call
// that took too long.
const answerMargin = 2 * time.Second

// Push returns the function that hosts call: it takes events of an HTTP API,
// payload 2.0.
func Push(e Env) Handler {
	return half(e, loader{env: e, sealed: true, signs: true}, "broker", (*broker.Broker).Push, func(l *live, o *broker.Options) {
		o.Push, o.Certifiers = map[string]broker.PushVault{}, map[string]broker.Certifier{}
		for name, vault := range l.vaults {
			o.Push[name] = open.Own(vault)
		}
		for name, authority := range l.certify {
			o.Certifiers[name] = authority
		}
	})
}

// Restore returns the function that operators call: it takes events of an HTTP
// API, payload 2.0.
func Restore(e Env) Handler {
	return half(e, loader{env: e, sealed: true}, "restore", (*broker.Broker).Restore, func(l *live, o *broker.Options) {
		o.Restore = map[string]broker.RestoreVault{}
		for name, vault := range l.vaults {
			o.Restore[name] = vault
		}
	})
}

// half returns the function of one half of the broker, to which give gives its
// vaults from what load has made live.
func half(e Env, load loader, name string, handler func(*broker.Broker) http.Handler, give func(*live, *broker.Options)) Handler {
	var (
		registry site.Registry
		of       *opened // what serve is made of
		serve    http.Handler
	)
	// A new broker has forgotten which tokens were used and how many calls were
	// made lately, so there is one only where there must be.
	handlers := awsenv.NewCache("configuration", e.Now, e.Log, func(ctx context.Context) (http.Handler, error) {
		l, err := load.load(ctx)
		if err != nil {
			return nil, err
		}
		if l.opened != of {
			made, err := newBroker(e, l, &registry, give)
			if err != nil {
				return nil, err
			}
			of, serve = l.opened, belowRoot(l.config.Broker.URL, handler(made))
		}
		registry.Store(l.registry)
		return serve, nil
	})
	return httpFunction{e, handlers, e.metrics(name)}.handle
}

func newBroker(e Env, l *live, registry *site.Registry, give func(*live, *broker.Options)) (*broker.Broker, error) {
	for name, vault := range l.vaults {
		if _, ok := vault.(interface{ Handler() http.Handler }); ok {
			return nil, fmt.Errorf("vault %q: serves its signed requests itself, which takes holdfast serve", name)
		}
	}
	o := broker.Options{
		PublicURL: l.config.Broker.URL, Sealer: l.sealer, Registry: registry,
		Version: e.Version, Now: e.Now, Log: e.Log,
	}
	give(l, &o)
	return broker.New(o)
}

// belowRoot strips the path of the broker's URL, which the tokens do not have. An
// HTTP API may have stripped it already.
func belowRoot(brokerURL string, next http.Handler) http.Handler {
	u, err := url.Parse(brokerURL)
	if err != nil {
		return next // broker.New has refused it
	}
	root := strings.TrimSuffix(u.Path, "/")
	stripped := http.StripPrefix(root, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if root != "" && strings.HasPrefix(r.URL.Path, root+"/") {
			stripped.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// httpFunction answers events of an HTTP API.
type httpFunction struct {
	env      Env
	handlers *awsenv.Cache[http.Handler]
	metrics  metrics
}

// handle answers one call. What the caller did wrong is an answer and no error of
// the function; what the broker could not do is an answer and counts as failed.
func (f httpFunction) handle(ctx context.Context, event []byte) (any, error) {
	var call events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &call); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	if err := readable(call); err != nil {
		f.env.Log.Warn("refused", "status", http.StatusBadRequest, "err", err)
		return problem(http.StatusBadRequest, "the request cannot be read", ""), nil
	}
	ctx, cancel := beforeDeadline(ctx, answerMargin)
	defer cancel()
	answered := false
	defer func() {
		if !answered { // also by a panic
			f.metrics.ofFunction(flag("Failed", true))
		}
	}()
	handler, err := f.handlers.Get(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := httpadapter.NewV2(handler).ProxyWithContext(ctx, call)
	if err != nil {
		return nil, err
	}
	if tooLarge(answer) {
		answer = problem(http.StatusUnprocessableEntity, "the answer is larger than AWS Lambda passes on", "ask for one job of one host")
	}
	answered = answer.StatusCode < http.StatusInternalServerError
	return answer, nil
}

// maxAnswer is how large an answer can be as JSON, in bytes.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxAnswer = 6 << 20

// tooLarge reports whether Lambda would refuse the answer, and the caller learn
// nothing: a list of ten thousands of backups.
func tooLarge(answer events.APIGatewayV2HTTPResponse) bool {
	if len(answer.Body) < maxAnswer/6 { // a byte becomes at most six
		return false
	}
	text, err := json.Marshal(answer)
	return err != nil || len(text) > maxAnswer
}

// readable returns an error where the adapter could not make a request of the
// call: it would log the path, of which a ticket is part, and answer nothing.
func readable(call events.APIGatewayV2HTTPRequest) error {
	if call.IsBase64Encoded {
		if _, err := base64.StdEncoding.DecodeString(call.Body); err != nil {
			return fmt.Errorf("body: %w", err)
		}
	}
	target := "https://" + call.RequestContext.DomainName + "/" + strings.TrimPrefix(call.RawPath, "/") + "?" + call.RawQueryString
	if _, err := http.NewRequest(strings.ToUpper(call.RequestContext.HTTP.Method), target, nil); err != nil {
		return fmt.Errorf("malformed method, host or path")
	}
	return nil
}

func problem(status int, detail, hint string) events.APIGatewayV2HTTPResponse {
	body := api.MarshalProblem(api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Hint: hint})
	return events.APIGatewayV2HTTPResponse{
		StatusCode: status, Body: string(body),
		Headers: map[string]string{"Content-Type": api.ProblemType, "Cache-Control": "no-store"},
	}
}
