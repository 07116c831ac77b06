package function

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

const day = 24 * time.Hour

func TestRetentionThinsOutAllVaultsWithoutTheBrokersSecret(t *testing.T) {
	w := newWorld(t)
	second := w.s3.NewBucket(t, testenv.Bucket{Versioned: true})
	w.vaults += w.vault("second", second, "below")
	w.jobs = "  crm: { vault: main, keep: { last: 3 } }\n  media: { vault: second, keep: { last: 3 } }\n"
	w.secret = "ssm:/nobody/may/read/this"
	w.write()
	for i := range 5 {
		w.backup(w.bucket, "", "web1", "crm", time.Duration(i)*day/2)
		w.backup(second, "below/", "web1", "media", time.Duration(i)*day/2)
	}
	retention := Retention(w.env())
	if _, err := w.invoke(retention, event(t, "schedule.json")); err != nil {
		t.Fatal(err)
	}
	for bucket, prefix := range map[string]string{w.bucket: "backups/web1/crm/", second: "below/backups/web1/media/"} {
		keys := w.kept(bucket)
		if len(keys) != 6 || slices.ContainsFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) }) {
			t.Errorf("left in %s: %q, want three backups", bucket, keys)
		}
	}
	if lines := w.logged("thinned out", `"deleted":2`); len(lines) != 2 {
		t.Errorf("logged %q, want a line for each job", lines)
	}
	if diff := cmp.Diff(map[string]float64{"Completed": 1, "Findings": 0, "Failed": 0}, w.measured("Function", "retention")); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	got := w.measured("Vault", "second")
	if got["Deleted"] != 2 || got["FreedBytes"] < 2*float64(len(data)) {
		t.Errorf("metrics of a vault: got %v", got)
	}

	// Schedules deliver more than once.
	w.forget()
	if _, err := w.invoke(retention, event(t, "schedule.json")); err != nil {
		t.Fatal(err)
	}
	if got := w.measured("Vault", "main"); got["Deleted"] != 0 || len(w.kept(w.bucket)) != 6 {
		t.Errorf("the second time: metrics %v, stored %q", got, w.kept(w.bucket))
	}
}

func TestAFindingOfRetentionIsItsErrorInOneLine(t *testing.T) {
	w := newWorld(t)
	w.jobs = "  crm: { keep: { last: 3 } }\n"
	w.write()
	for i := range 10 { // the newest is stale, so nothing may go
		w.backup(w.bucket, "", "web1", "crm", 10*day+time.Duration(i)*day)
	}
	_, err := w.invoke(Retention(w.env()), event(t, "schedule.json"))
	if err == nil || !strings.HasPrefix(err.Error(), "1 finding: ") || !strings.Contains(err.Error(), "web1/crm") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want the finding", err)
	}
	if len(w.logged(`"host":"web1"`, `"job":"crm"`, `"check":`)) != 1 {
		t.Error("the finding is not logged")
	}
	if diff := cmp.Diff(map[string]float64{"Completed": 1, "Findings": 1, "Failed": 0}, w.measured("Function", "retention")); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if got := len(w.kept(w.bucket)); got != 20 {
		t.Errorf("%d objects are left, want all 20", got)
	}
}

func TestRetentionStopsBeforeTheDeadlineAndTheNextRunGoesOn(t *testing.T) {
	w := newWorld(t)
	gate := w.throughGate("main", func(body string) bool { return strings.Contains(body, "<Delete") && strings.Contains(body, "/web1/") })
	w.jobs = "  crm: { keep: { last: 3 } }\n"
	w.write()
	for _, host := range []string{"db1", "web1"} {
		for i := range 5 {
			w.backup(w.bucket, "", host, "crm", time.Duration(i)*day/2)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := Retention(w.env())(ctx, event(t, "schedule.json"))
	if !errors.Is(err, errUnfinished) || ctx.Err() != nil {
		t.Fatalf("got %v at %v, want %v before the deadline", err, ctx.Err(), errUnfinished)
	}
	if got := len(w.kept(w.bucket)); got != 6+10 {
		t.Errorf("%d objects are left, want those of the first job's 3 backups and of the second's 5", got)
	}
	if len(w.logged("retention did not finish")) != 1 {
		t.Error("that it did not finish is not logged")
	}
	if diff := cmp.Diff(map[string]float64{"Completed": 0, "Findings": 0, "Failed": 0}, w.measured("Function", "retention")); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if got := w.measured("Vault", "main"); got["Deleted"] != 2 {
		t.Errorf("metrics of what was done: got %v, want 2 deletions", got)
	}

	gate.open()
	w.forget()
	if _, err := w.invoke(Retention(w.env()), event(t, "schedule.json")); err != nil {
		t.Fatal(err)
	}
	if got := len(w.kept(w.bucket)); got != 12 {
		t.Errorf("%d objects are left after the next run, want 12", got)
	}
}

func TestAVaultThatDoesNotAnswerIsAFailureAndTheOthersAreThinnedOut(t *testing.T) {
	w := newWorld(t)
	w.vaults += w.vault("absent", "no-such-bucket", "")
	w.jobs = "  crm: { vault: main, keep: { last: 3 } }\n  media: { vault: absent }\n"
	w.write()
	for i := range 4 {
		w.backup(w.bucket, "", "web1", "crm", time.Duration(i)*day/2)
	}
	_, err := w.invoke(Retention(w.env()), event(t, "schedule.json"))
	if err == nil || !strings.Contains(err.Error(), `vault "absent"`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want what failed", err)
	}
	if got := len(w.kept(w.bucket)); got != 6 {
		t.Errorf("%d objects are left in the other vault, want 6", got)
	}
	if diff := cmp.Diff(map[string]float64{"Completed": 0, "Findings": 0, "Failed": 1}, w.measured("Function", "retention")); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}
