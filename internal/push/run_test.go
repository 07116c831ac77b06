package push

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func testJob(t testing.TB, sources ...holdfast.Source) Job {
	job := Job{
		Host: "web1", Name: "crm", Pusher: "pusher test", StateDir: t.TempDir(),
		Options: stream.Options{Compression: stream.None},
	}
	for i, s := range sources {
		job.Sources = append(job.Sources, Source{Stream: []string{"db", "files"}[i], Source: s})
	}
	return job
}

// wantFailed checks everything that a failed run owes.
func wantFailed(t *testing.T, c *cloud, out Outcome, stage, text string) {
	t.Helper()
	if out.Status != Failed || out.Err() == nil || out.Stage != stage || !strings.Contains(out.Error, text) {
		t.Errorf("got status %q, stage %q, error %q; want failed, %q, …%s…", out.Status, out.Stage, out.Error, stage, text)
	}
	if c.committed {
		t.Error("a failed run was committed")
	}
	if len(c.starts) > 0 && out.ID != "" && len(c.aborts) != 1 {
		t.Errorf("got %d aborts, want 1", len(c.aborts))
	}
	if len(c.reports) != 1 {
		t.Fatalf("got %d reports, want 1", len(c.reports))
	}
	if r := c.reports[0]; r.Stage != stage || r.Error != out.Error || r.Kind != holdfast.ReportFailure || r.Backup != out.ID {
		t.Errorf("got report %+v, want stage and error of the outcome", r)
	}
	if strings.Contains(out.Error+strings.Join(out.Warnings, ""), "TOPSECRET") {
		t.Errorf("a signed URL is in %q", out.Error)
	}
}

func TestRunMakesABackup(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	recipients, err := stream.ParseRecipients([]string{identity.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	for _, checksum := range []string{holdfast.ChecksumSHA256, holdfast.ChecksumMD5} {
		t.Run(checksum, func(t *testing.T) {
			c := newCloud(t)
			c.checksum = checksum
			db, files := noise(20<<20+5), bytes.Repeat([]byte("same again "), 100_000)
			job := testJob(t, &fakeSource{file: "crm.sql", data: db}, &fakeSource{file: "media.tar", data: files})
			job.Options = stream.Options{Compression: stream.Zstd, Recipients: recipients}

			out := Run(t.Context(), job, c.deps(t))
			if out.Status != OK || out.Err() != nil {
				t.Fatalf("got %+v", out)
			}
			if !c.committed || len(c.aborts)+len(c.reports) != 0 {
				t.Errorf("committed %v, %d aborts, %d reports", c.committed, len(c.aborts), len(c.reports))
			}
			if got := len(c.manifest.Streams[0].Parts); got != 3 {
				t.Errorf("got %d parts, want 3", got)
			}
			for i, want := range [][]byte{db, files} {
				s := c.manifest.Streams[i]
				d, err := stream.NewDecoder(bytes.NewReader(c.object(s.Name)), s, stream.Identities{Age: []age.Identity{identity}})
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(d); err != nil || !bytes.Equal(got, want) {
					t.Errorf("stream %s does not come back: %v", s.Name, err)
				}
			}
			if out.StoredSize != c.manifest.StoredSize() || out.PlainSize != c.manifest.PlainSize() || len(out.Streams) != 2 {
				t.Errorf("sizes of %+v are not those of the manifest", out)
			}
		})
	}
}

func TestRunFails(t *testing.T) {
	whole := &fakeSource{file: "crm.sql", data: noise(20 << 20)}
	tests := []struct {
		name        string
		source      *fakeSource
		trouble     func(*cloud)
		stage, text string
		is          error
	}{
		{"a store that is down for good", whole, func(c *cloud) {
			c.onPut = func(w http.ResponseWriter, _ *http.Request, _, _ int) bool { return unavailable(w) }
		}, StageUpload, "given up after 15m", nil},
		{"a store that nobody listens at", whole, func(c *cloud) { c.store.Close() }, StageUpload, "connection refused (given up", nil},
		{"a store that refuses every signature", whole, func(c *cloud) {
			c.onPut = func(w http.ResponseWriter, _ *http.Request, _, _ int) bool {
				http.Error(w, "<Error><Code>SignatureDoesNotMatch</Code></Error>", http.StatusForbidden)
				return true
			}
		}, StageUpload, "store answered 403 Forbidden (SignatureDoesNotMatch) (refused 4 times)", nil},
		{"a vault that is full", whole, func(c *cloud) {
			c.onPut = func(w http.ResponseWriter, _ *http.Request, _, try int) bool {
				if try > 1 {
					panic("a full vault was asked again")
				}
				w.WriteHeader(http.StatusInsufficientStorage)
				return true
			}
		}, StageUpload, "507", holdfast.ErrFull},
		{"a quota that is used up", whole, func(c *cloud) {
			c.onStart = func(try int) error {
				if try > 1 {
					panic("asked again")
				}
				return &api.Problem{Type: api.ProblemQuota, Title: "quota", Detail: "max_per_day is 48", Status: 429}
			}
		}, StageStart, "max_per_day is 48", nil},
		{"a backup larger than admitted", whole, func(c *cloud) { c.maxSize = 10 << 20 }, StageUpload, "max_size", errTooLarge},
		{"a stream of more parts than allowed", &fakeSource{file: "crm.sql", data: make([]byte, 25<<20)},
			func(c *cloud) { c.maxParts = 1 }, StageUpload, "does not fit", nil},
		{"a broker that wants an unknown checksum", whole, func(c *cloud) { c.checksum = "crc32" }, StageStart, "crc32", nil},
		{"a broker that refuses the commit", whole, func(c *cloud) {
			c.onCommit = func(int) error {
				c.committed = false
				return &api.Problem{Type: api.ProblemExists, Title: "exists", Status: 409}
			}
		}, StageCommit, "exists", nil},
		{"a source that fails halfway", &fakeSource{file: "crm.sql", data: noise(12 << 20), err: errors.New("server gone")}, nil,
			StageDump, `source "files": server gone`, nil},
		{"a source that yields nothing", &fakeSource{file: "crm.sql"}, nil, StageDump, "yielded nothing", nil},
		{"a source that panics", &fakeSource{file: "crm.sql", dump: func(_ context.Context, w io.Writer) error {
			w.Write([]byte("half"))
			panic("index out of range")
		}}, nil, StageDump, "panic: index out of range", nil},
	}
	for _, tt := range tests {
		for _, spooled := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: ", spooled"}[spooled], func(t *testing.T) {
				c := newCloud(t)
				if tt.trouble != nil {
					tt.trouble(c)
				}
				job := testJob(t, &fakeSource{file: "other.sql", data: []byte("fine")}, tt.source)
				if spooled {
					job.Spool, job.KeepLocal = t.TempDir(), 3
				}
				out := Run(t.Context(), job, c.deps(t))
				wantFailed(t, c, out, tt.stage, tt.text)
				if tt.is != nil && !errors.Is(out.Err(), tt.is) {
					t.Errorf("%v is not %v", out.Err(), tt.is)
				}
				if spooled {
					if left, _ := filepath.Glob(filepath.Join(job.Spool, "crm", "*")); len(left) > 0 {
						t.Errorf("the spool still has %v", left)
					}
				}
			})
		}
	}
}

func TestRunStoppedInTheMiddle(t *testing.T) {
	c := newCloud(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	post := filepath.Join(t.TempDir(), "post")
	job := testJob(t, &fakeSource{file: "crm.sql", dump: func(ctx context.Context, w io.Writer) error {
		w.Write(make([]byte, 9<<20))
		cancel(errors.New("told to stop"))
		<-ctx.Done()
		return errors.New("signal: killed")
	}})
	job.Hooks.Post = [][]string{{"sh", "-c", `echo "$HOLDFAST_STATUS" >"$0"`, post}}
	out := Run(ctx, job, c.deps(t))
	wantFailed(t, c, out, StageDump, "stopped: told to stop")
	if got, err := os.ReadFile(post); string(got) != "failed\n" {
		t.Errorf("post hook left %q, %v", got, err)
	}
}

func TestRunTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job, d, nas, _ := hanging(t, "", time.Minute) // nothing hangs but the source
		job.Sources[0].Source = &fakeSource{file: "crm.sql", dump: func(ctx context.Context, w io.Writer) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		job.Timeout = time.Hour
		out := Run(t.Context(), job, d)
		if out.Status != Failed || out.Stage != StageDump || !strings.Contains(out.Error, "stopped: not finished within 1h0m0s") {
			t.Errorf("got status %q, stage %q, error %q", out.Status, out.Stage, out.Error)
		}
		var keys []string
		for o, err := range nas.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, o.Key)
		}
		if len(keys) != 1 || !strings.HasPrefix(keys[0], holdfast.ReportsPrefix) {
			t.Errorf("the destination has %q, want a report alone", keys)
		}
		for u := range nas.ListUploads(t.Context(), "") {
			t.Errorf("the upload of %q is left", u.Key)
		}
	})
}

func TestRunStopsASilentSourceWhenThePartsFail(t *testing.T) {
	c := newCloud(t)
	c.onPut = func(w http.ResponseWriter, _ *http.Request, _, _ int) bool {
		w.WriteHeader(http.StatusInsufficientStorage)
		return true
	}
	job := testJob(t, &fakeSource{file: "crm.sql", dump: func(ctx context.Context, w io.Writer) error {
		w.Write(make([]byte, 8<<20))
		<-ctx.Done() // a query that takes hours
		return ctx.Err()
	}})
	wantFailed(t, c, Run(t.Context(), job, c.deps(t)), StageUpload, "507")
}

func TestRunRefusesASecondRun(t *testing.T) {
	c := newCloud(t)
	var second Outcome
	var job Job
	job = testJob(t, &fakeSource{file: "crm.sql", dump: func(ctx context.Context, w io.Writer) error {
		second = Run(ctx, job, c.deps(t))
		_, err := w.Write([]byte("data"))
		return err
	}})
	if out := Run(t.Context(), job, c.deps(t)); out.Status != OK {
		t.Fatalf("first run: %+v", out)
	}
	if !errors.Is(second.Err(), ErrRunning) || second.Stage != StageLock || second.Error != `job "crm" is running already` {
		t.Errorf("second run: got %+v", second)
	}
	if len(c.reports) != 0 || len(c.starts) != 1 {
		t.Errorf("second run reported %v, started %d", c.reports, len(c.starts))
	}
	if out := Run(t.Context(), testJob(t, &fakeSource{file: "a", data: []byte("x")}), c.deps(t)); out.Status != OK {
		t.Errorf("run after it: %+v", out)
	}
}

func TestJobsThatCannotBeCommittedAreRefusedAtOnce(t *testing.T) {
	tests := map[string]func(*Job){
		"two sources of one file":    func(j *Job) { j.Sources[1].Source = j.Sources[0].Source },
		"two sources of one name":    func(j *Job) { j.Sources[1].Stream = j.Sources[0].Stream },
		"no source":                  func(j *Job) { j.Sources = nil },
		"an unknown compression":     func(j *Job) { j.Options.Compression = "xz" },
		"local copies without spool": func(j *Job) { j.KeepLocal = 1 },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			job := testJob(t, &fakeSource{file: "a", data: []byte("a")}, &fakeSource{file: "b", data: []byte("b")})
			spoil(&job)
			wantFailed(t, c, Run(t.Context(), job, c.deps(t)), StageSetup, "")
			if len(c.starts) != 0 {
				t.Error("the broker was asked")
			}
		})
	}
}
