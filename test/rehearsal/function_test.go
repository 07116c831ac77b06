package rehearsal

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// plain returns a function whose program is testdata/bootstrap.
func plain(t *testing.T, env map[string]string) *Function {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	f := &Function{Name: "plain", ARN: "arn:aws:lambda:eu-west-3:123456789012:function:plain", Dir: dir, Env: env,
		Region: region, Memory: 128, Timeout: 20 * time.Second, Limit: 2, Log: &Log{}}
	t.Cleanup(f.Stop)
	return f
}

func invoke(t *testing.T, f *Function, event string) string {
	t.Helper()
	answer, err := f.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatalf("%v\n%s", err, f.Log)
	}
	return string(answer)
}

func TestAFunctionAnswersAndStaysWarm(t *testing.T) {
	f := plain(t, nil)
	for _, event := range []string{`{"n":1}`, `{"n":2}`} {
		if got := invoke(t, f, event); got != event {
			t.Errorf("got %s, want %s", got, event)
		}
	}
	if f.Instances() != 1 {
		t.Errorf("two calls one after the other took %d instances, want 1", f.Instances())
	}
}

func TestOneEventAtATimePerInstance(t *testing.T) {
	f := plain(t, nil)
	var calls sync.WaitGroup
	failed := make(chan error, 3)
	for range 3 {
		calls.Go(func() {
			_, err := f.Invoke(t.Context(), []byte(`"please-wait"`))
			failed <- err
		})
	}
	calls.Wait()
	close(failed)
	throttled := 0
	for err := range failed {
		switch {
		case errors.Is(err, errThrottled):
			throttled++
		case err != nil:
			t.Error(err)
		}
	}
	if throttled != 1 || f.Instances() != 2 {
		t.Errorf("3 calls at once, 2 allowed: got %d throttled on %d instances, want 1 on 2", throttled, f.Instances())
	}
}

func TestAFunctionThatFails(t *testing.T) {
	for _, c := range []struct{ name, event, mode, kind, text string }{
		{"says so", `"please-fail"`, "", "finding", "stale"},
		{"ends", `"please-exit"`, "", "Runtime.ExitError", "exit status 3"},
		{"takes too long", `"please-sleep"`, "", "Sandbox.Timedout", "Task timed out after 2.00 seconds"},
		{"answers too much", `"please-grow"`, "", "Function.ResponseSizeTooLarge", "6 MB"},
		{"does not start", `{}`, "broken", "Init", "no configuration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := plain(t, map[string]string{"MODE": c.mode})
			f.Timeout = 2 * time.Second
			_, err := f.Invoke(t.Context(), []byte(c.event))
			failure, ok := errors.AsType[*FunctionError](err)
			if !ok || failure.Type != c.kind && c.mode == "" || !strings.Contains(failure.Message, c.text) {
				t.Fatalf("got %v, want %s: …%s…", err, c.kind, c.text)
			}
			if c.mode == "" && invoke(t, f, `{"after":1}`) != `{"after":1}` {
				t.Error("the next call did not succeed")
			}
		})
	}
}

func TestAnInstanceIsFrozenBetweenEvents(t *testing.T) {
	f := plain(t, map[string]string{"MODE": "ticking"})
	invoke(t, f, `"please-wait"`)
	if !strings.Contains(f.Log.Take(), "tick") {
		t.Fatal("nothing ran beside the event")
	}
	// What would tick every 20 ms, did not while nothing was asked of it. The
	// shell that ticks is a child of the frozen one.
	time.Sleep(200 * time.Millisecond)
	if got := f.Log.Take(); strings.Count(got, "tick") > 1 {
		t.Errorf("it went on between events: %q", got)
	}
	invoke(t, f, `"please-wait"`)
	if !strings.Contains(f.Log.Take(), "tick") {
		t.Error("it did not go on with the next event")
	}
}

func TestAnInstanceSeesNoOtherEnvironment(t *testing.T) {
	t.Setenv("HOLDFAST_LEAK", "x")
	f := plain(t, map[string]string{"ANSWER": "x"})
	for _, variable := range f.environ("127.0.0.1:1") {
		if strings.HasPrefix(variable, "HOLDFAST_LEAK") {
			t.Error("the environment of the test is in the function's")
		}
	}
}
