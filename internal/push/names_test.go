package push

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

const otherID = holdfast.ID("20251028T140003Z-00000001")

func TestTheBrokerNamesTheBackup(t *testing.T) {
	away := func(int) error { return errOutage }
	for _, tt := range []struct {
		name    string
		trouble func(w *three, other *cloud)
		run     holdfast.ID // "" for one of the host's own clock
		other   holdfast.ID // of the delivery at the other broker
	}{
		{"two brokers", nil, testID, otherID},
		{"the first is away", func(w *three, _ *cloud) { w.c.onStart = away }, otherID, otherID},
		{"the second is away", func(_ *three, other *cloud) { other.onStart = away }, testID, ""},
		{"a vault of the first is away", func(w *three, _ *cloud) {
			w.c.answer = func(r *api.StartResponse) {
				r.Vaults, r.Unavailable = r.Vaults[:1], []api.Unavailable{{Vault: "second"}}
			}
		}, testID, otherID},
		{"both are away", func(w *three, other *cloud) { w.c.onStart, other.onStart = away, away }, "", ""},
		{"there is none", func(w *three, _ *cloud) {
			w.deps.Destinations = slices.DeleteFunc(w.deps.Destinations, func(d Destination) bool { return d.Kind() == KindBroker })
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, other := newThree(t), newCloud(t)
			other.id = otherID
			w.deps.Destinations = append(w.deps.Destinations, NewBroker("other", other, w.deps.HTTP, other.Now))
			if tt.trouble != nil {
				tt.trouble(w, other)
			}
			out := Run(t.Context(), w.job, w.deps)
			want := tt.run
			if want == "" {
				want = out.ID
				if age := w.c.Now().Sub(out.ID.Time()); age < 0 || age > 2*time.Minute {
					t.Errorf("got id %s, want one of the host's clock", out.ID)
				}
			}
			if out.ID != want || out.Status == Failed {
				t.Errorf("got %s, %s: %s; want %s", out.ID, out.Status, out.Error, want)
			}
			wantBackup(t, w.nas, holdfast.Ref{Host: "web1", Job: "crm", ID: want}, w.data())
			wantBackup(t, diskVault(t, w.dir), holdfast.Ref{Host: "web1", Job: "crm", ID: want}, w.data())
			if i := slices.IndexFunc(out.Deliveries, func(d DeliveryOutcome) bool { return d.Name == "other" }); i >= 0 && out.Deliveries[i].ID != tt.other {
				t.Errorf("got id %q at the other broker, want %q", out.Deliveries[i].ID, tt.other)
			}
			if tt.other != "" && other.manifest.ID != tt.other {
				t.Errorf("the other broker got the manifest of %s", other.manifest.ID)
			}
			// Each is told of a failure under the name that it knows.
			for _, r := range other.reports {
				if r.Backup != cmp.Or(tt.other, out.ID) {
					t.Errorf("the other broker got a report of %q", r.Backup)
				}
			}
			for _, r := range w.c.reports {
				if r.Backup != out.ID {
					t.Errorf("the broker got a report of %q", r.Backup)
				}
			}
		})
	}
}

func TestAJobGoesWhereItIsSaidTo(t *testing.T) {
	w := newThree(t)
	w.job.To = []string{"local"}
	out := Run(t.Context(), w.job, w.deps)
	if got := statuses(out); out.Status != OK || got != "local ok" {
		t.Errorf("got %s, %+v", got, out)
	}
	if len(w.c.starts) != 0 || w.nas.opened != 0 {
		t.Errorf("the broker was asked %d times, nas opened %d times", len(w.c.starts), w.nas.opened)
	}
}

func TestAJobWithoutADestinationFails(t *testing.T) {
	c := newCloud(t)
	job := testJob(t, &fakeSource{file: "crm.sql", data: []byte("data")})
	job.To = []string{"nowhere"}
	out := Run(t.Context(), job, c.deps(t))
	if out.Status != Failed || out.Stage != StageStart || !strings.Contains(out.Error, "no destination takes the backup") {
		t.Errorf("got %+v", out)
	}
}

func TestAVaultThatNothingReachesIsWarnedOf(t *testing.T) {
	for _, tt := range []struct {
		name   string
		direct string
		more   func(w *three) []Destination
		warns  bool
	}{
		{"no way there", "vault", func(*three) []Destination { return nil }, true},
		{"a destination that the job does not go to", "vault", func(w *three) []Destination {
			w.job.To = []string{"broker"}
			return []Destination{onDisk("vault", w.dir, w.c, nil)}
		}, true},
		{"two servers of other names", "vault", func(w *three) []Destination {
			return []Destination{w.nas.to("nas"), newPlace(w.c).to("elsewhere")}
		}, true},
		{"two servers, one of that name", "vault", func(w *three) []Destination {
			return []Destination{w.nas.to("nas"), newPlace(w.c).to("vault")}
		}, false},
		{"a broker of that name", "broker", func(*three) []Destination { return nil }, true},
		{"a destination of that name", "vault", func(w *three) []Destination { return []Destination{onDisk("vault", w.dir, w.c, nil)} }, false},
		{"one of another name that may be it", "vault", func(w *three) []Destination { return []Destination{w.nas.to("nas")} }, false},
		{"a directory of another name", "vault", func(w *three) []Destination { return []Destination{onDisk("local", w.dir, w.c, nil)} }, true},
		{"no vault that hosts reach", "", func(*three) []Destination { return nil }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newThree(t)
			w.c.answer = func(r *api.StartResponse) {
				if tt.direct != "" {
					r.Direct = []string{tt.direct}
				}
			}
			w.deps.Destinations = append(w.deps.Destinations[:1], tt.more(w)...)
			out := Run(t.Context(), w.job, w.deps)
			warned := strings.Contains(strings.Join(out.Warnings, "\n"), "belongs into vault ")
			if out.Status != OK || warned != tt.warns {
				t.Errorf("got %s, warnings %q; want a warning: %v", out.Status, out.Warnings, tt.warns)
			}
		})
	}
}

func TestABrokerThatSignsForNoneGivesTheNameAlone(t *testing.T) {
	w := newThree(t)
	w.c.answer = func(r *api.StartResponse) { r.Vaults, r.Direct = nil, []string{"nas"} }
	out := Run(t.Context(), w.job, w.deps)
	if got := statuses(out); out.Status != OK || got != "nas ok, local ok" || out.ID != testID {
		t.Errorf("got %s, %+v", got, out)
	}
}

func TestARunThatIsStoppedLeavesNothingAnywhere(t *testing.T) {
	w := newThree(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	w.job.Sources[1].Source = &fakeSource{file: "media.tar", dump: func(ctx context.Context, out io.Writer) error {
		out.Write(make([]byte, 9<<20))
		cancel(errors.New("told to stop"))
		<-ctx.Done()
		return ctx.Err()
	}}
	out := Run(ctx, w.job, w.deps)
	if out.Status != Failed || out.Stage != StageDump || out.Error != "stopped: told to stop" {
		t.Errorf("got %+v", out)
	}
	wantNothing(t, w.nas)
	wantNothing(t, diskVault(t, w.dir))
	if len(w.c.aborts) != 2 || len(w.c.reports) != 1 || len(w.reportsHeard(t, "nas, local")) != 2 {
		t.Errorf("got aborts %v, reports %v", w.c.aborts, w.c.reports)
	}
	w.wantTold(t, "failed", "/failure")
}

func TestARunThatIsStoppedWhileItCommitsKeepsWhatIsThere(t *testing.T) {
	w := newThree(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	committed := make(chan struct{})
	w.c.vaults = []string{"main"}
	w.c.onCommit = func(int) error { close(committed); return nil }
	w.nas.after = func(op string, _ int) error {
		if op == "CompleteUpload" {
			<-committed
			cancel(errors.New("told to stop"))
			return ctx.Err()
		}
		return nil
	}
	w.deps.Destinations = w.deps.Destinations[:2]
	out := Run(ctx, w.job, w.deps)
	if got := statuses(out); out.Status != Partial || got != "broker/main ok, nas failed commit" || !strings.Contains(out.Error, "nas: stopped: told to stop") {
		t.Errorf("got %s, %+v", got, out)
	}
	wantNothing(t, w.nas)
}

// TestAnAnswerThatIsLostIsAskedForAgain loses the answers of what was done.
func TestAnAnswerThatIsLostIsAskedForAgain(t *testing.T) {
	for _, lost := range []string{"StartUpload", "SendPart", "CompleteUpload", "Put"} {
		t.Run(lost, func(t *testing.T) {
			w := newThree(t)
			w.nas.after = func(op string, try int) error {
				if op == lost && try <= 2 {
					return io.ErrUnexpectedEOF
				}
				return nil
			}
			w.deps.Destinations = w.deps.Destinations[1:2]
			out := Run(t.Context(), w.job, w.deps)
			if out.Status != OK {
				t.Fatalf("got %+v", out)
			}
			wantBackup(t, w.nas, holdfast.Ref{Host: "web1", Job: "crm", ID: out.ID}, w.data())
			if w.nas.opened != 1 || w.nas.closed != 1 {
				t.Errorf("opened %d times, closed %d times", w.nas.opened, w.nas.closed)
			}
		})
	}
}

func TestWhatLiesThereAlreadyIsNotTakenForTheRuns(t *testing.T) {
	w := newThree(t)
	w.deps.Destinations = w.deps.Destinations[:2]
	if err := w.nas.Vault.Put(t.Context(), keyOf("media.tar"), []byte("MEDIA")); err != nil {
		t.Fatal(err)
	}
	out := Run(t.Context(), w.job, w.deps)
	if got := statuses(out); out.Status != Partial || got != "broker/main ok, broker/second ok, nas failed commit" {
		t.Errorf("got %s, %+v", got, out)
	}
	wantNothing(t, w.nas)
}
