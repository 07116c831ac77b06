package function

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/holdfast-backup/holdfast/internal/cli"
)

// byHand runs a function as a program outside of Lambda.
func byHand(t *testing.T, p Program, stdin string, args ...string) (code int, out, errOut string) {
	t.Helper()
	t.Setenv("HOLDFAST_CONFIG", "")
	p.Short, p.Long, p.Example, p.Version = "Short", "Long", "  example", "test"
	command := p.command()
	var o, e bytes.Buffer
	command.SetArgs(args)
	command.SetIn(strings.NewReader(stdin))
	command.SetOut(&o)
	command.SetErr(&e)
	return cli.Run(t.Context(), command), o.String(), e.String()
}

func TestByHandTheMonitorRunsOnceAndItsExitCodeSaysWhatItFound(t *testing.T) {
	w := newWorld(t)
	p := Program{Name: "monitor", New: Monitor(openChannels)}
	for _, host := range []string{"web1", "db1"} {
		w.backup(w.bucket, "", host, "crm", time.Minute)
	}
	if code, out, errOut := byHand(t, p, "", "--once", "--config", w.config); code != cli.ExitOK || out != "" {
		t.Errorf("healthy: exit code %d, stdout %q, stderr %s", code, out, errOut)
	}
	w.report(w.bucket, "", "web1", "crm", "the dump failed")
	code, out, errOut := byHand(t, p, "", "--once", "--config", w.config)
	if code != cli.ExitFailed || out != "" || !strings.Contains(errOut, "monitor: error: 1 finding: warning: web1/crm: ") {
		t.Errorf("a failed run: exit code %d, stdout %q, stderr %s", code, out, errOut)
	}
}

func TestByHandTheBrokerAnswersTheEventOnStandardInput(t *testing.T) {
	w := newWorld(t)
	p := Program{Name: "broker", New: Push, Event: true}
	health := `{"rawPath":"/healthz"}`
	code, out, errOut := byHand(t, p, health, "--once", "--config", w.config)
	var answer events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != cli.ExitOK || answer.StatusCode != 200 || errOut != "" {
		t.Errorf("exit code %d, stdout %q, stderr %q, %v", code, out, errOut, err)
	}
	w.vaults = strings.Replace(w.vaults, w.bucket, "no-such-bucket", 1)
	w.write()
	if code, out, _ := byHand(t, p, health, "--once", "--config", w.config); code != cli.ExitFailed || !strings.Contains(out, `"statusCode": 503`) {
		t.Errorf("without its bucket: exit code %d, stdout %q", code, out)
	}
	if code, _, errOut := byHand(t, p, "nonsense", "--once", "--config", w.config); code != cli.ExitUsage || !strings.Contains(errOut, "hint: give it an event") {
		t.Errorf("no event: exit code %d, stderr %q", code, errOut)
	}
}

func TestByHandWhatIsMissingIsSaidWithAHint(t *testing.T) {
	w := newWorld(t)
	p := Program{Name: "retention", New: Retention}
	w.writeText("vaults: {}\nnonsense: 1\n")
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "error: this is not AWS Lambda, which starts it for its events\nretention: hint: run it by hand with --once"},
		{[]string{"--once"}, "hint: name it with --config"},
		{[]string{"--once", "--config", w.config}, "unknown key"},
		{[]string{"--once", "--config", w.config + ".absent"}, "no such file"},
		{[]string{"--twice"}, "hint: see `retention --help`"},
	} {
		code, _, errOut := byHand(t, p, "", c.args...)
		if code != cli.ExitUsage || !strings.Contains(errOut, c.want) {
			t.Errorf("%q: exit code %d, stderr %q, want %q", c.args, code, errOut, c.want)
		}
	}
	if code, out, _ := byHand(t, p, "", "--help"); code != cli.ExitOK || !strings.Contains(out, "Examples:") || !strings.Contains(out, "--once") {
		t.Errorf("--help: exit code %d, %q", code, out)
	}
}

func TestInLambdaTheEnvironmentMustSayWhereTheConfigurationIs(t *testing.T) {
	p := Program{Name: "monitor"}
	for name, other := range map[string]string{"HOLDFAST_CONFIG": "HOLDFAST_DEPLOYMENT", "HOLDFAST_DEPLOYMENT": "HOLDFAST_CONFIG"} {
		t.Setenv(name, "")
		t.Setenv(other, "x")
		if _, err := p.env(slog.New(slog.DiscardHandler), nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: got %v", name, err)
		}
	}
}

func TestEachLineOfTheLogHasTheRequestsID(t *testing.T) {
	var text bytes.Buffer
	handler := newInvocationLog(&text)
	log := slog.New(handler)
	log.Info("starting")
	for _, id := range []string{"one", "two"} {
		handler.begin(lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{AwsRequestID: id}))
		log.With("host", "web1").Warn("finding") // without a context, as packages do that know none
	}
	var ids []string
	for line := range strings.Lines(text.String()) {
		var entry struct{ Timestamp, Level, Message, RequestID, Host string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Timestamp == "" || entry.Level == "" || entry.Message == "" {
			t.Errorf("%q: %v", line, err)
		}
		ids = append(ids, entry.RequestID)
	}
	if strings.Join(ids, ",") != ",one,two" {
		t.Errorf("ids: got %q", ids)
	}
}

// The monotonic clock stands still while a function is frozen.
func TestTimeIsReadFromTheWallClockAlone(t *testing.T) {
	t.Setenv("HOLDFAST_CONFIG", "ssm:/acme/config")
	t.Setenv("HOLDFAST_DEPLOYMENT", "acme")
	e, err := Program{}.env(slog.New(slog.DiscardHandler), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if now := e.Now().String(); strings.Contains(now, " m=") {
		t.Errorf("got %s, with a monotonic reading", now)
	}
}
