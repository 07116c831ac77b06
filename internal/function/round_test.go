package function

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func TestWorkEndsAMarginBeforeTheDeadline(t *testing.T) {
	const margin = 10 * time.Second
	for _, c := range []struct{ left, want time.Duration }{
		{5 * time.Minute, margin},
		{20 * time.Second, 5 * time.Second}, // a quarter at the most
	} {
		ctx, cancel := context.WithTimeout(t.Context(), c.left)
		defer cancel()
		working, stop := beforeDeadline(ctx, margin)
		defer stop()
		outer, _ := ctx.Deadline()
		inner, ok := working.Deadline()
		if got := outer.Sub(inner); !ok || got > c.want || got < c.want-time.Second {
			t.Errorf("of %s: the margin is %s, want %s", c.left, got, c.want)
		}
	}
	working, stop := beforeDeadline(t.Context(), margin)
	defer stop()
	if _, ok := working.Deadline(); ok {
		t.Error("by hand there is a deadline")
	}
}

func TestVaultsAreGoneOverAtOnceAndAnsweredByName(t *testing.T) {
	met := make(chan string)
	got := inEach(map[string]string{"b": "B", "a": "A"}, func(name, vault string) string {
		select { // each waits for the other
		case met <- name:
		case <-met:
		}
		return name + vault
	})
	if diff := cmp.Diff([]string{"aA", "bB"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAPanicInOneVaultIsTheCallersAfterTheOthersAreDone(t *testing.T) {
	done := false
	defer func() {
		text, _ := recover().(string)
		if !done || !strings.HasPrefix(text, "broke\n") || !strings.Contains(text, "round_test.go") {
			t.Errorf("got panic %q with the other done %t, want it with its stack", text, done)
		}
	}()
	inEach(map[string]int{"a": 0, "b": 0}, func(name string, _ int) int {
		if name == "a" {
			panic("broke")
		}
		done = true
		return 0
	})
}

func TestTheVerdictIsOneShortLine(t *testing.T) {
	warning := holdfast.Finding{Severity: holdfast.Warning, Host: "web1", Job: "crm", Summary: "is small"}
	critical := holdfast.Finding{Severity: holdfast.Critical, Summary: "is public"}
	broken := errors.New("vault \"main\": broken")
	for want, tally := range map[string]tally{
		"":                                       {over: true},
		"1 finding: warning: web1/crm: is small": {findings: []holdfast.Finding{warning}},
		"2 findings, the worst is critical: vault: is public":          {findings: []holdfast.Finding{warning, critical}},
		`vault "main": broken`:                                         {errs: []error{broken}, unfinished: true},
		`2 failures, the first: vault "main": broken`:                  {errs: []error{broken, errors.New("x")}},
		errUnfinished.Error():                                          {unfinished: true},
		`vault "main": broken; 1 finding: warning: web1/crm: is small`: {errs: []error{broken}, findings: []holdfast.Finding{warning}},
	} {
		if got := errText(tally.verdict()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	long := tally{errs: []error{errors.New(strings.Repeat("é", maxVerdict))}}
	if got, want := errText(long.verdict()), strings.Repeat("é", maxVerdict/2)+"…"; got != want {
		t.Errorf("a long one: got %d bytes, want %d", len(got), len(want))
	}
}
