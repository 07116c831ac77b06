package function

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func TestTheMonitorJudgesAllJobsOnScheduleWithoutTheBrokersSecret(t *testing.T) {
	w := newWorld(t)
	w.secret = "ssm:/nobody/may/read/this"
	w.hosts += strings.Replace(host("old1", "[crm]"), "{", "{ revoked: true,", 1)
	w.write()
	w.backup(w.bucket, "", "web1", "crm", 0)
	w.backup(w.bucket, "", "web1", "crm", 10*time.Minute)
	w.backup(w.bucket, "", "web1", "media", 30*time.Minute)
	w.backup(w.bucket, "", "db1", "crm", 20*time.Minute)
	w.backup(w.bucket, "", "old1", "crm", 30*day)
	if _, err := w.invoke(Monitor(openChannels)(w.env()), event(t, "schedule.json")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"Completed": 1, "Findings": 0, "Failed": 0, "Opened": 0}, w.measured("Function", "monitor")); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	got := w.measured("Vault", "main")
	if age := got["NewestAge"]; got["Backups"] != 5 || got["StoredBytes"] < 5*float64(len(data)) || age < 1800 || age > 1860 {
		t.Errorf("metrics of the vault: got %v", got)
	}
	if lines := w.logged("judged", `"status":"ok"`); len(lines) != 4 {
		t.Errorf("logged %q, want a line for each of 4 jobs", lines)
	}
}

func TestAFindingOfTheMonitorIsItsErrorUntilItIsResolved(t *testing.T) {
	w := newWorld(t)
	w.hosts = host("web1", "[crm]")
	w.write()
	monitor := Monitor(openChannels)(w.env())
	w.backup(w.bucket, "", "web1", "crm", 0)
	if _, err := w.invoke(monitor, event(t, "schedule.json")); err != nil {
		t.Fatal(err)
	}
	w.forget()
	w.wait(3 * time.Hour)
	for range 2 { // it is one as long as it lasts
		_, err := w.invoke(monitor, event(t, "schedule.json"))
		if err == nil || !strings.Contains(err.Error(), "web1/crm") || strings.Contains(err.Error(), "\n") {
			t.Fatalf("got %v, want the finding", err)
		}
	}
	got := w.measured("Function", "monitor")
	if got["Completed"] != 2 || got["Failed"] != 0 || got["Findings"] == 0 {
		t.Errorf("metrics: got %v", got)
	}
	if lines := w.logged(`"check":"fresh"`, `"change":"opened"`); len(lines) != 1 {
		t.Errorf("logged %q, want that it opened, once", lines)
	}
	w.backup(w.bucket, "", "web1", "crm", 0)
	if _, err := w.invoke(monitor, event(t, "schedule.json")); strings.Contains(errText(err), "web1/crm") {
		t.Errorf("got %v, want nothing of web1/crm", err)
	}
	if lines := w.logged("resolved", `"check":"fresh"`, `"host":"web1"`); len(lines) != 1 {
		t.Errorf("logged %q, want that it is resolved", lines)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAReportIsKnownAtOnceAndSaysNothingOfOtherJobs(t *testing.T) {
	w := newWorld(t)
	monitor := Monitor(openChannels)(w.env())
	w.backup(w.bucket, "", "web1", "crm", 0)
	w.backup(w.bucket, "", "db1", "crm", 0)
	if _, err := w.invoke(monitor, event(t, "schedule.json")); err != nil {
		t.Fatal(err)
	}
	w.wait(3 * time.Hour) // now web1's and db1's jobs are stale, which no schedule has seen
	w.forget()
	w.logged()

	key := w.report(w.bucket, "", "web1", "crm", "the dump failed")
	_, err := w.invoke(monitor, event(t, "s3-put.json", "BUCKET", w.bucket, "KEY", key))
	if err == nil || !strings.Contains(err.Error(), "2 findings") || !strings.Contains(err.Error(), "web1/crm") {
		t.Errorf("got %v, want that web1/crm is stale and has failed", err)
	}
	if lines := w.logged("the dump failed"); len(lines) != 1 {
		t.Errorf("logged %q", lines)
	}
	// What is new is told at once; the rest are figures of the whole.
	if diff := cmp.Diff(map[string]float64{"Opened": 2}, w.measured("Function", "monitor")); diff != "" || len(w.measured("Vault", "main")) > 0 {
		t.Errorf("metrics of an event of a part (-want +got):\n%s", diff)
	}

	// A backup arrives, and both are over at once; db1's are open once somebody looks.
	w.wait(time.Minute)
	ref := w.backup(w.bucket, "", "web1", "crm", 0)
	if _, err := w.invoke(monitor, event(t, "s3-put.json", "BUCKET", w.bucket, "KEY", ref.ManifestKey())); err != nil {
		t.Errorf("after the backup: %v", err)
	}
	if lines := w.logged("resolved", `"host":"web1"`); len(lines) != 2 {
		t.Errorf("logged %q, want both as resolved", lines)
	}
	if _, err := w.invoke(monitor, event(t, "schedule.json")); !strings.Contains(errText(err), "db1/crm") {
		t.Errorf("on schedule: got %v, want db1/crm", err)
	}
	// And they stay open whatever arrives of others.
	ref = w.backup(w.bucket, "", "web1", "crm", 0)
	if _, err := w.invoke(monitor, event(t, "s3-put.json", "BUCKET", w.bucket, "KEY", ref.ManifestKey())); err != nil {
		t.Errorf("an event of web1: got %v, want nothing", err)
	}
	w.logged()
	if _, err := w.invoke(monitor, event(t, "schedule.json")); !strings.Contains(errText(err), "db1/crm") {
		t.Errorf("on schedule again: got %v, want db1/crm", err)
	}
	if lines := w.logged(`"change":"opened"`, `"host":"db1"`); len(lines) > 0 {
		t.Errorf("opened again: %q", lines)
	}
}

func TestAnEventFindsItsVaultByBucketAndPrefix(t *testing.T) {
	w := newWorld(t)
	second := w.s3.NewBucket(t, testenv.Bucket{Versioned: true})
	w.vaults += w.vault("below", w.bucket, "some/where") + w.vault("second", second, "")
	w.jobs = "  web1/crm: { vault: main }\n  web1/media: { vault: below }\n  db1/crm: { vault: second }\n"
	w.write()
	key := w.report(w.bucket, "some/where/", "web1", "media", "reason of media")
	other := w.report(second, "", "db1", "crm", "reason of crm")
	monitor := Monitor(openChannels)(w.env())
	_, err := w.invoke(monitor, event(t, "s3-put.json", "BUCKET", w.bucket, "KEY", strings.ReplaceAll(key, "/", "%2F")))
	if err == nil || !strings.Contains(err.Error(), "web1/media") {
		t.Fatalf("got %v, want web1/media", err)
	}
	if lines := w.logged("judged"); len(lines) != 1 || !strings.Contains(lines[0], `"vault":"below"`) {
		t.Errorf("judged %q, want the one job in the one vault", lines)
	}
	_, err = w.invoke(monitor, event(t, "s3-put.json", "BUCKET", second, "KEY", other))
	if err == nil || !strings.Contains(err.Error(), "db1/crm") {
		t.Fatalf("got %v, want db1/crm", err)
	}
}

func TestRecordsThatConcernNoJobAreLoggedAndDoNothing(t *testing.T) {
	w := newWorld(t)
	monitor := Monitor(openChannels)(w.env())
	for _, key := range []string{
		"state/monitor.json", "backups/web1/crm/nonsense/manifest.json", "reports/web1/crm/nonsense.json",
		"reports/WEB1/crm/20251028T140000Z-9f3c2a7d.json", "other/backups/web1/crm/x", "%zz", "",
	} {
		if _, err := w.invoke(monitor, event(t, "s3-put.json", "BUCKET", w.bucket, "KEY", key)); err != nil {
			t.Errorf("%q: %v", key, err)
		}
		if lines := w.logged("ignored a record of the event"); len(lines) != 1 {
			t.Errorf("%q: logged %q, want that it is ignored", key, lines)
		}
	}
	if _, err := w.invoke(monitor, event(t, "s3-put.json", "BUCKET", "another", "KEY", "reports/web1/crm/20251028T140000Z-9f3c2a7d.json")); err != nil {
		t.Errorf("another bucket: %v", err)
	}
	if _, err := w.invoke(monitor, event(t, "s3-test-event.json", "BUCKET", w.bucket)); err != nil {
		t.Errorf("S3's test event: %v", err)
	}
	if keys := w.stored(w.bucket); len(keys) > 0 {
		t.Errorf("stored %q: something was judged", keys)
	}
}

func TestSeveralRecordsAreOneRun(t *testing.T) {
	w := newWorld(t)
	one := string(event(t, "s3-put.json", "BUCKET", w.bucket, "KEY", w.report(w.bucket, "", "web1", "crm", "one")))
	two := string(event(t, "s3-put.json", "BUCKET", w.bucket, "KEY", w.report(w.bucket, "", "db1", "crm", "two")))
	cut := func(s string) string { return s[strings.Index(s, "[")+1 : strings.LastIndex(s, "]")] }
	all := `{"Records":[` + strings.Join([]string{cut(one), `"nonsense"`, cut(two), cut(one)}, ",") + `]}`
	_, err := w.invoke(Monitor(openChannels)(w.env()), []byte(all))
	if err == nil || !strings.Contains(err.Error(), "2 findings") {
		t.Errorf("got %v, want two findings", err)
	}
	if lines := w.logged("judged"); len(lines) != 2 {
		t.Errorf("judged %q, want each job once", lines)
	}
}

func TestAVaultThatCannotBeJudgedIsAFailure(t *testing.T) {
	w := newWorld(t)
	w.vaults += w.vault("absent", "no-such-bucket", "")
	w.jobs = "  crm: { vault: main }\n  media: { vault: absent }\n"
	w.write()
	w.backup(w.bucket, "", "web1", "crm", 0)
	w.backup(w.bucket, "", "db1", "crm", 0)
	_, err := w.invoke(Monitor(openChannels)(w.env()), event(t, "schedule.json"))
	if err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("got %v, want what failed", err)
	}
	got := w.measured("Function", "monitor")
	if got["Completed"] != 0 || got["Failed"] != 1 {
		t.Errorf("metrics: got %v", got)
	}
	if len(w.measured("Vault", "absent")) > 0 || w.measured("Vault", "main")["Backups"] != 2 {
		t.Error("metrics of the vaults are not those of the one that was judged")
	}
}

// panicking is a log that breaks whoever writes to it.
type panicking struct{ slog.Handler }

func (panicking) Handle(context.Context, slog.Record) error { panic("the log broke") }

func TestAPanicFailsTheInvocationAndIsCounted(t *testing.T) {
	w := newWorld(t)
	w.backup(w.bucket, "", "web1", "unknown", 0) // of which retention has to say something
	for name, function := range map[string]func(Env) Handler{"monitor": Monitor(openChannels), "retention": Retention} {
		e := w.env()
		e.Log = slog.New(panicking{e.Log.Handler()})
		func() {
			defer func() {
				if p := recover(); p != "the log broke" {
					t.Errorf("%s: got panic %v", name, p)
				}
			}()
			_, err := w.invoke(function(e), event(t, "schedule.json"))
			t.Errorf("%s: returned %v", name, err)
		}()
		if got := w.measured("Function", name); got["Failed"] != 1 || got["Completed"] != 0 {
			t.Errorf("%s: metrics %v", name, got)
		}
	}
}

// At two in the morning many backups arrive together, and each wakes a monitor.
func TestManyMonitorsAtOnceDoNotRaiseAnAlarm(t *testing.T) {
	w := newWorld(t)
	const hosts = 24
	w.hosts = ""
	for i := range hosts {
		w.hosts += host(fmt.Sprintf("h%02d", i), "[crm]")
	}
	w.write()
	var keys []string
	for i := range hosts {
		keys = append(keys, w.backup(w.bucket, "", fmt.Sprintf("h%02d", i), "crm", 0).ManifestKey())
	}
	var running sync.WaitGroup
	for _, key := range keys {
		running.Go(func() {
			if _, err := w.invoke(Monitor(openChannels)(w.env()), event(t, "s3-put.json", "BUCKET", w.bucket, "KEY", key)); err != nil {
				t.Errorf("woken by %s: %v", key, err)
			}
		})
	}
	running.Wait()
}
