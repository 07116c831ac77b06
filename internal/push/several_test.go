package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// three is a job that goes to two vaults of a broker, a place and a directory.
type three struct {
	c     *cloud
	nas   *place
	dir   string
	job   Job
	deps  Deps
	db    []byte
	post  string // file with what the post hook was told
	pings []string
}

func newThree(t *testing.T) *three {
	w := &three{c: newCloud(t), dir: t.TempDir(), db: noise(20<<20 + 5)}
	w.c.vaults = []string{"main", "second"}
	w.nas = newPlace(w.c)
	w.nas.Limits = holdfast.UploadLimits{MaxParts: 10, Checksum: holdfast.ChecksumMD5}
	w.job = testJob(t, &fakeSource{file: "crm.sql", data: w.db}, &fakeSource{file: "media.tar", data: []byte("media")})
	w.deps = w.c.deps(t)
	w.deps.Destinations = append(w.deps.Destinations, w.nas.to("nas"), onDisk("local", w.dir, w.c, nil))

	w.post = filepath.Join(t.TempDir(), "post")
	w.job.Hooks.Post = [][]string{{"sh", "-c", `printf %s "$HOLDFAST_STATUS" >"$0"`, w.post}}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		w.pings = append(w.pings, r.URL.Path)
	}))
	t.Cleanup(server.Close)
	w.job.Heartbeat = Heartbeat{Success: server.URL + "/success", Failure: server.URL + "/failure"}
	return w
}

func (w *three) data() map[string][]byte {
	return map[string][]byte{"crm.sql": w.db, "media.tar": []byte("media")}
}

// wantTold checks what hooks and heartbeats were told.
func (w *three) wantTold(t *testing.T, status, ping string) {
	t.Helper()
	if got, err := os.ReadFile(w.post); string(got) != status {
		t.Errorf("post hook was told %q (%v), want %q", got, err, status)
	}
	if !slices.Equal(w.pings, []string{ping}) {
		t.Errorf("pinged %q, want %q", w.pings, ping)
	}
}

func TestOneDumpGoesToEveryDestination(t *testing.T) {
	for _, spooled := range []bool{false, true} {
		t.Run(map[bool]string{false: "straight", true: "by way of the spool"}[spooled], func(t *testing.T) {
			w := newThree(t)
			dumps := 0
			source := w.job.Sources[0].Source.(*fakeSource)
			w.job.Sources[0].Source = &fakeSource{file: "crm.sql", dump: func(ctx context.Context, out io.Writer) error {
				dumps++
				_, err := source.Dump(ctx, out)
				return err
			}}
			if spooled {
				w.job.Spool, w.job.KeepLocal = t.TempDir(), 1
			}
			out := Run(t.Context(), w.job, w.deps)
			if got, want := statuses(out), "broker/main ok, broker/second ok, nas ok, local ok"; out.Status != OK || got != want {
				t.Fatalf("got %s, %+v; want %s", got, out, want)
			}
			if dumps != 1 || out.ID != testID {
				t.Errorf("dumped %d times under %s, want once under the broker's id", dumps, out.ID)
			}
			for _, stream := range []string{"db", "second:db"} {
				if !slices.Equal(w.c.object(stream), w.db) {
					t.Errorf("%s differs from what was dumped", stream)
				}
			}
			ref := holdfast.Ref{Host: "web1", Job: "crm", ID: testID}
			ofNAS := wantBackup(t, w.nas, ref, w.data())
			onDisk := wantBackup(t, diskVault(t, w.dir), ref, w.data())
			if ofNAS.Streams[0].Checksum != holdfast.ChecksumMD5 || onDisk.Streams[0].Checksum != holdfast.ChecksumSHA256 {
				t.Errorf("got checksums %s and %s", ofNAS.Streams[0].Checksum, onDisk.Streams[0].Checksum)
			}
			if len(w.c.commits) != 2 || len(w.c.aborts)+len(w.c.reports) != 0 {
				t.Errorf("got %d commits, aborts %v, reports %v", len(w.c.commits), w.c.aborts, w.c.reports)
			}
			if w.nas.opened != 1 || w.nas.closed != 1 {
				t.Errorf("opened %d times, closed %d times, want once", w.nas.opened, w.nas.closed)
			}
			w.wantTold(t, "ok", "/success")
			if spooled {
				left, _ := filepath.Glob(filepath.Join(w.job.Spool, "crm", string(testID), "*"))
				if len(left) != 3 {
					t.Errorf("the spool has %q, want both streams and the manifest", left)
				}
			}
		})
	}
}

// outages are what can befall one of the destinations, and the others not.
var outages = []struct {
	name    string
	trouble func(*three)
	want    string // of the deliveries
	text    string // in the outcome
	reports string // who of the direct ones must have one
}{
	{"a server that does not answer", func(w *three) {
		w.nas.Fault = func(string, string) error { return errOutage }
	}, "broker/main ok, broker/second ok, nas failed start, local ok", "nas: connection refused (given up after 1m", "local"},
	{"a server with another host key", func(w *three) {
		asked := 0
		w.nas.Fault = func(op, _ string) error {
			if asked++; op == "StartUpload" && asked > 1 {
				panic("asked again")
			}
			return fmt.Errorf("reach: %w", errHostKey)
		}
	}, "broker/main ok, broker/second ok, nas failed start, local ok", "nas: reach: the host key is another one", "local"},
	{"a key that is not there", func(w *three) {
		w.nas.after = func(op string, _ int) error {
			if op == "open" && w.c.Now() != testTime {
				panic("asked again")
			}
			return errors.New("secret file:nas.key: is missing")
		}
	}, "broker/main ok, broker/second ok, nas failed start, local ok", "nas: secret file:nas.key: is missing", "local"},
	{"a server that is full in the middle", func(w *three) {
		w.nas.after = func(op string, try int) error {
			if op == "SendPart" && try == 2 {
				return fmt.Errorf("send part 2: %w", holdfast.ErrFull)
			}
			return nil
		}
	}, "broker/main ok, broker/second ok, nas failed upload, local ok", "nas: send part 2", "nas, local"},
	{"a server that goes away for good", func(w *three) {
		w.nas.after = func(op string, try int) error {
			if op == "SendPart" && try > 1 {
				return errOutage
			}
			return nil
		}
	}, "broker/main ok, broker/second ok, nas failed upload, local ok", "given up after 15m", "nas, local"},
	{"a server that refuses the manifest", func(w *three) {
		w.nas.Fault = func(op, key string) error {
			if op == "Put" && strings.HasSuffix(key, holdfast.ManifestFile) {
				return fmt.Errorf("put: %w", holdfast.ErrExist)
			}
			return nil
		}
	}, "broker/main ok, broker/second ok, nas failed commit, local ok", "nas: put", "nas, local"},
	{"a server that stores less than it was sent", func(w *three) {
		w.nas.after = func(op string, _ int) error {
			if op == "CompleteUpload" {
				return w.nas.Delete(context.Background(), keyOf("crm.sql"))
			}
			return nil
		}
	}, "broker/main ok, broker/second ok, nas failed commit, local ok", "0 bytes are stored", "nas, local"},
	{"a directory that cannot be made", func(w *three) {
		w.dir = filepath.Join(w.dir, "file")
		if err := os.WriteFile(w.dir, nil, 0o600); err != nil {
			panic(err)
		}
		w.deps.Destinations[2] = onDisk("local", w.dir, w.c, nil)
	}, "broker/main ok, broker/second ok, nas ok, local failed start", "not a directory", "nas"},
	{"a broker that is away", func(w *three) {
		w.c.onStart = func(int) error { return errOutage }
	}, "broker failed start, nas ok, local ok", "broker: connection refused (given up after 1m", "nas, local"},
	{"a broker one of whose vaults is away", func(w *three) {
		w.c.answer = func(r *api.StartResponse) {
			r.Vaults, r.Unavailable = r.Vaults[:1], []api.Unavailable{{Vault: "second", Reason: "not \x1breachable"}}
		}
	}, `broker/main ok, broker/second failed start, nas ok, local ok`, `broker/second: takes no backup now: not \x1breachable`, "nas, local"},
	{"a broker's vault that has no room in the middle", func(w *three) {
		w.c.onPut = func(out http.ResponseWriter, r *http.Request, part, _ int) bool {
			full := part == 2 && strings.HasPrefix(r.URL.Path, "/second:")
			if full {
				out.WriteHeader(http.StatusInsufficientStorage)
			}
			return full
		}
	}, "broker/main ok, broker/second failed upload, nas ok, local ok", "broker/second: send stream \"db\" part 2: store answered 507", "nas, local"},
	{"a broker's vault that refuses the commit", func(w *three) {
		w.c.onCommit = func(try int) error {
			if try == 1 {
				return &api.Problem{Title: "exists", Status: 409, Type: api.ProblemExists}
			}
			return nil
		}
	}, "", "exists", "nas, local"},
	{"a broker that admits less than the dump", func(w *three) {
		w.c.answer = func(r *api.StartResponse) { r.Vaults[1].MaxSize = 10 << 20 }
	}, "broker/main ok, broker/second failed upload, nas ok, local ok", "broker/second: backup is larger than the broker allows (max_size)", "nas, local"},
}

func keyOf(file string) string { return holdfast.Ref{Host: "web1", Job: "crm", ID: testID}.Key(file) }

func TestADestinationThatFailsDoesNotStopTheOthers(t *testing.T) {
	for _, tt := range outages {
		for _, spooled := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: ", spooled"}[spooled], func(t *testing.T) {
				w := newThree(t)
				tt.trouble(w)
				if spooled {
					w.job.Spool = t.TempDir()
				}
				out := Run(t.Context(), w.job, w.deps)
				w.nas.Fault = nil // to look into it
				if got := statuses(out); tt.want != "" && got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if out.Status != Partial || out.Err() == nil || !strings.Contains(out.Error, tt.text) {
					t.Errorf("got %s %q, want partial, …%s…", out.Status, out.Error, tt.text)
				}
				w.wantTold(t, "partial", "/failure")
				w.wantWhole(t, out)
				for _, r := range append(w.reportsHeard(t, tt.reports), w.c.reports...) {
					if r.Kind != holdfast.ReportFailure || r.Error != out.Error || r.Stage != out.Stage || r.Backup != out.ID {
						t.Errorf("got report %+v, want what the outcome says", r)
					}
				}
				if len(w.c.reports) != 1 {
					t.Errorf("the broker got %d reports, want 1", len(w.c.reports))
				}
			})
		}
	}
}

// wantWhole checks that those that have the backup have all of it, that the others
// have none, and that nothing is left begun.
func (w *three) wantWhole(t *testing.T, out Outcome) {
	t.Helper()
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: out.ID}
	aborts := 0
	for _, d := range out.Deliveries {
		var vault looked = w.nas
		switch {
		case d.Vault != "" && d.Status == OK:
			if stream := strings.TrimPrefix(d.Vault+":db", "main:"); !slices.Equal(w.c.object(stream), w.db) {
				t.Errorf("%s differs from what was dumped", stream)
			}
			continue
		case d.Vault != "":
			if d.Stage != StageStart {
				aborts++
			}
			continue
		case d.Name == "local" && d.Stage == StageStart, d.Name == "broker":
			continue
		case d.Name == "local":
			vault = diskVault(t, w.dir)
		}
		if d.Status == OK {
			wantBackup(t, vault, ref, w.data())
		} else {
			wantNothing(t, vault)
		}
	}
	if len(w.c.aborts) != aborts {
		t.Errorf("the broker got %d aborts, want %d", len(w.c.aborts), aborts)
	}
}

// reportsHeard returns the reports of the direct destinations named.
func (w *three) reportsHeard(t *testing.T, names string) []holdfast.Report {
	t.Helper()
	var all []holdfast.Report
	for name := range strings.SplitSeq(names, ", ") {
		var vault looked = w.nas
		if name == "local" {
			vault = diskVault(t, w.dir)
		}
		heard := reportsIn(t, vault)
		if len(heard) != 1 {
			t.Errorf("%s got %d reports, want 1", name, len(heard))
		}
		all = append(all, heard...)
	}
	return all
}

func TestEveryDestinationLostStopsTheDump(t *testing.T) {
	w := newThree(t)
	w.c.onPut = func(out http.ResponseWriter, _ *http.Request, _, _ int) bool {
		out.WriteHeader(http.StatusInsufficientStorage)
		return true
	}
	w.nas.after = func(op string, _ int) error {
		if op == "SendPart" {
			return holdfast.ErrFull
		}
		return nil
	}
	w.deps.Destinations = w.deps.Destinations[:2]
	w.job.Sources[0].Source = &fakeSource{file: "crm.sql", dump: func(ctx context.Context, out io.Writer) error {
		out.Write(make([]byte, 24<<20)) // a part for each of them
		<-ctx.Done()                    // a query that takes hours
		return ctx.Err()
	}}
	out := Run(t.Context(), w.job, w.deps)
	if got, want := statuses(out), "broker/main failed upload, broker/second failed upload, nas failed upload"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if out.Status != Failed || out.Stage != StageUpload || !errors.Is(out.Err(), holdfast.ErrFull) {
		t.Errorf("got %+v", out)
	}
	for _, name := range []string{"broker/main: ", "; broker/second: ", "; nas: "} {
		if !strings.Contains(out.Error, name) {
			t.Errorf("%q does not name %s", out.Error, name)
		}
	}
	w.wantTold(t, "failed", "/failure")
	wantNothing(t, w.nas)
	if len(w.c.aborts) != 2 {
		t.Errorf("got %d aborts, want 2", len(w.c.aborts))
	}
}

func TestASourceThatFailsLeavesNothingAnywhere(t *testing.T) {
	w := newThree(t)
	w.job.Sources[1].Source.(*fakeSource).err = errors.New("server gone")
	out := Run(t.Context(), w.job, w.deps)
	if out.Status != Failed || out.Stage != StageDump || out.Error != `source "files": server gone` {
		t.Errorf("got %+v", out)
	}
	want := []DeliveryOutcome{
		{Name: "broker", Vault: "main", ID: testID, Status: Failed, Parts: 3},
		{Name: "broker", Vault: "second", ID: testID, Status: Failed, Parts: 3},
		{Name: "nas", ID: testID, Status: Failed, Parts: 3},
		{Name: "local", ID: testID, Status: Failed, Parts: 3},
	}
	if diff := cmp.Diff(want, out.Deliveries); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	wantNothing(t, w.nas)
	wantNothing(t, diskVault(t, w.dir))
	if len(w.c.aborts) != 2 || len(w.reportsHeard(t, "nas, local")) != 2 {
		t.Errorf("got %d aborts", len(w.c.aborts))
	}
}
