package push

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestAClockThatIsWrongIsWarnedOf(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ahead time.Duration // of the broker
		want  string
	}{
		{"right", 0, ""},
		{"nearly right", -5 * time.Minute, ""},
		{"slow", 6 * time.Minute, "this host's clock differs by 6m0s from that of broker"},
		{"fast", -48 * time.Hour, "this host's clock differs by 48h0m0s from that of broker"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newThree(t)
			w.c.answer = func(r *api.StartResponse) { r.Now = r.Now.Add(tt.ahead) }
			w.deps.Destinations = w.deps.Destinations[:1]
			out := Run(t.Context(), w.job, w.deps)
			if got := strings.Join(out.Warnings, "; "); out.Status != OK || got != tt.want {
				t.Errorf("got %s, warnings %q; want %q", out.Status, got, tt.want)
			}
		})
	}
}

// daily keeps a day's backup for that many days.
func daily(days int) *holdfast.Policy {
	p := counts(1)
	p.Keep.Form, p.Keep.Counts = holdfast.Windows, holdfast.KeepCounts{}
	p.Keep.Windows.Daily = holdfast.Span{N: days, Unit: holdfast.Day}
	return p
}

func TestWhatIsKeptIsJudgedByTheBrokersClock(t *testing.T) {
	for name, told := range map[string]bool{"a broker that tells": true, "one that does not": false} {
		t.Run(name, func(t *testing.T) {
			w := newKept(t, daily(10))
			for days := 1; days <= 6; days++ {
				w.put(t, "crm", days, true)
			}
			real := w.c.Now()
			w.c.mu.Lock()
			w.c.now = real.AddDate(0, 0, 5) // so that some of them look old
			w.c.mu.Unlock()
			w.c.answer = func(r *api.StartResponse) {
				if r.Now = real; !told {
					r.Now = time.Time{}
				}
			}
			out := Run(t.Context(), w.job, w.deps)
			if got := len(w.ids(t, "crm")); out.Status != OK || (got == 7) != told {
				t.Errorf("got %s with %d backups left, %q", out.Status, got, out.Warnings)
			}
		})
	}
}

func TestNothingIsGivenUpByAClockThatIsBehindTheBackups(t *testing.T) {
	for _, tt := range []struct {
		name   string
		broker bool
		future time.Duration
		left   int
		warns  bool
	}{
		{"no broker tells the time", false, 6 * time.Minute, 6, true},
		{"within what clocks differ by", false, 4 * time.Minute, 3, false},
		{"a broker tells the time", true, 6 * time.Minute, 4, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newKept(t, counts(3))
			if !tt.broker {
				w.deps.Destinations = w.deps.Destinations[1:]
			}
			for days := 1; days <= 4; days++ {
				w.put(t, "crm", days, true)
			}
			id, err := holdfast.NewID(w.c.Now().Add(tt.future), strings.NewReader("1234"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{"crm.sql", holdfast.ManifestFile} {
				if err := w.vault.Put(t.Context(), holdfast.Ref{Host: "web1", Job: "crm", ID: id}.Key(file), []byte("data")); err != nil {
					t.Fatal(err)
				}
			}
			out := Run(t.Context(), w.job, w.deps)
			if got := w.ids(t, "crm"); out.Status != OK || len(got) != tt.left || !slices.Contains(got, id) {
				t.Errorf("got %s with %q left, want %d", out.Status, got, tt.left)
			}
			if got := strings.Contains(strings.Join(out.Warnings, "\n"), "is of the future by this host's clock"); got != tt.warns {
				t.Errorf("got warnings %q", out.Warnings)
			}
		})
	}
}

func TestABackupThatTookTooLongIsNotCommittedWhereNobodyElseJudges(t *testing.T) {
	for _, tt := range []struct {
		name  string
		takes time.Duration
		want  string
	}{
		{"just in time", 36 * time.Hour, "broker/main ok, broker/second ok, nas ok, local ok"},
		{"too late", 36*time.Hour + time.Second, "broker/main ok, broker/second ok, nas failed commit, local failed commit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newThree(t)
			w.job.Sources[1].Source = &fakeSource{file: "media.tar", dump: func(ctx context.Context, out io.Writer) error {
				_ = w.c.Sleep(ctx, tt.takes)
				_, err := out.Write([]byte("media"))
				return err
			}}
			out := Run(t.Context(), w.job, w.deps)
			if got := statuses(out); got != tt.want {
				t.Fatalf("got %s, %q; want %s", got, out.Error, tt.want)
			}
			if out.Status == OK {
				return
			}
			if !strings.Contains(out.Error, "must not be longer than 36h") {
				t.Errorf("got %q", out.Error)
			}
			wantNothing(t, w.nas)
			wantNothing(t, diskVault(t, w.dir))
		})
	}
}

func TestABrokerThatIsAwayHoldsUpNoDirectory(t *testing.T) {
	for name, alone := range map[string]bool{"with a directory": false, "a broker alone": true} {
		t.Run(name, func(t *testing.T) {
			w := newThree(t)
			w.c.onStart = func(int) error { return errOutage }
			if alone {
				w.deps.Destinations = w.deps.Destinations[:1]
			}
			dumped := time.Duration(-1)
			w.job.Sources[0].Source = &fakeSource{file: "crm.sql", dump: func(_ context.Context, out io.Writer) error {
				dumped = w.c.Now().Sub(testTime)
				_, err := out.Write([]byte("data"))
				return err
			}}
			out := Run(t.Context(), w.job, w.deps)
			waited := w.c.Now().Sub(testTime)
			if alone {
				if out.Status != Failed || waited < 15*time.Minute {
					t.Errorf("got %s after %s, want the usual 15 minutes", out.Status, waited)
				}
				return
			}
			// The last pause may go beyond by half a minute, by this clock, which stops no call.
			if got := statuses(out); got != "broker failed start, nas ok, local ok" || dumped < 30*time.Second || dumped > 90*time.Second {
				t.Errorf("got %s, dumped after %s", got, dumped)
			}
			if len(w.c.reports) != 1 || len(w.reportsHeard(t, "nas, local")) != 2 {
				t.Errorf("the broker got %d reports", len(w.c.reports))
			}
			w.wantTold(t, "partial", "/failure")
		})
	}
}
