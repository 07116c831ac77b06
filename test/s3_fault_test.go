package test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// s3Fault is a fault of the store in one run, and how the run has to end.
type s3Fault struct {
	name string
	injection
	timeout string // of the job; without one a pusher waits a quarter of an hour
	size    string // of the dump; 9M if none, which are two parts

	code    int
	stage   string // of the report and the outcome, if it failed
	text    string // in the outcome
	backups int
}

// s3Faults runs one pusher for each fault, all at the same time against one
// server, since most of what they do is wait; each is a host of its own.
func s3Faults(t *testing.T, faults []*s3Fault) {
	t.Helper()
	s := newS3Site(t, "  crm: {}\n")
	g := newGate(t, s)
	hosts := make([]*host, len(faults))
	for i, f := range faults {
		more, size := "", f.size
		if f.timeout != "" {
			more = "    timeout: " + f.timeout + "\n"
		}
		if size == "" {
			size = "9M"
		}
		hosts[i] = s.addHost(fmt.Sprintf("host-%03d", i), []string{"crm"}, random("crm", size, more))
	}
	s.serve(g.listen, "holdfast")
	g.let(func(w http.ResponseWriter, r *http.Request) bool {
		for i, f := range faults {
			if strings.Contains(r.URL.Path+r.URL.RawQuery, hosts[i].name) {
				if !f.take(r) {
					return false
				}
				f.do(g, w, r)
				return true
			}
		}
		return false
	})
	runs := make([]*running, len(faults))
	for i := range faults {
		runs[i] = hosts[i].begin("run")
	}
	ends := make([]result, len(faults))
	for i := range faults {
		ends[i] = runs[i].wait()
	}
	g.open()
	for i, f := range faults {
		t.Run(f.name, func(t *testing.T) { f.check(t, s, hosts[i].name, ends[i]) })
	}
	s.restores("crm")
	s.swept()
}

// check proves that the run ended as it should, with one whole backup or none.
func (f *s3Fault) check(t *testing.T, s *site, host string, end result) {
	if n := f.hits(); n == 0 || f.times > 0 && n != f.times {
		t.Errorf("%s", &f.injection)
	}
	if end.code != f.code || !strings.Contains(end.out, f.text) {
		t.Errorf("exit code %d, want %d, and %q in the outcome\nstdout: %s\nstderr: %s", end.code, f.code, f.text, end.out, end.errOut)
	}
	var backups int
	for _, b := range s.listed("crm") {
		if b.Host == host {
			backups++
		}
	}
	if backups != f.backups {
		t.Errorf("backups: got %d, want %d", backups, f.backups)
	}
	var reports []holdfast.Report
	for _, r := range s.reports("crm") {
		if r.Host == host {
			reports = append(reports, r)
		}
	}
	switch {
	case (f.code == 0 || f.stage == "") && len(reports) > 0:
		t.Errorf("reports: got %+v, want none", reports)
	case f.code != 0 && f.stage != "" && (len(reports) != 1 || reports[0].Stage != f.stage):
		t.Errorf("reports: got %+v, want a failure in %s", reports, f.stage)
	}
	if strings.Contains(end.out+end.errOut, "X-Amz-Signature") {
		t.Errorf("a signed URL was printed\nstdout: %s\nstderr: %s", end.out, end.errOut)
	}
}

// passing is a fault that goes by: the run succeeds.
func passing(call, name string, times int, do strike) *s3Fault {
	return &s3Fault{name: call + ": " + name, injection: injection{call: call, times: times, do: do}, backups: 1}
}

// lasting is a fault that does not go by within the run's time.
func lasting(call, name, stage, text string, do strike) *s3Fault {
	return &s3Fault{name: call + ": " + name, injection: injection{call: call, do: do}, timeout: "4s", code: 1, stage: stage, text: text}
}

var (
	slowDown = says(503, "SlowDown")
	internal = says(500, "InternalError")
	conflict = says(409, "ConditionalRequestConflict")
)

func TestAFaultThatPassesCostsNoBackup(t *testing.T) {
	t.Parallel()
	faults := []*s3Fault{
		passing("part", "slow down, and when to come back", 2, says(503, "SlowDown", "Retry-After", "1")),
		passing("part", "no part of S3 answers", 1, says(502, "")),
		passing("part", "the request took too long", 2, says(400, "RequestTimeout")),
		passing("part", "a digest that went wrong on the way", 2, says(400, "BadDigest")),
		passing("part", "a clock that is wrong", 1, says(403, "RequestTimeTooSkewed")),
		passing("part", "an expired URL", 2, says(403, "AccessDenied")),
		passing("part", "reset halfway", 2, breaks(holdfast.MinPartSize/2)),
		passing("part", "a slow line", 1, slow(40, 20*time.Millisecond)),
		passing("complete", "200 and an error", 2, says(200, "InternalError")),
		passing("complete", "200 and slow down", 1, says(200, "SlowDown")),
		passing("complete", "200, blanks and an error", 1, blank(func(_ *gate, w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(problemXML("InternalError")))
		})),
		passing("complete", "200, blanks and a reset", 1, blank(func(_ *gate, w http.ResponseWriter, _ *http.Request) { reset(w) })),
		passing("complete", "200, blanks and a reset, but done", 1, blank(func(g *gate, w http.ResponseWriter, r *http.Request) { g.pass(r); reset(w) })),
		passing("complete", "a conflict", 1, conflict),
		passing("complete", "a lost answer, and an upload that is forgotten", 2, forgets()),
		passing("complete", "no answer of five", 5, loses),
		passing("manifest", "a conflict", 1, conflict),
	}
	for _, call := range []string{"start", "list", "uploads", "part", "complete", "manifest"} {
		faults = append(faults,
			passing(call, "slow down", 1, slowDown), passing(call, "an internal error", 1, internal), passing(call, "reset", 1, breaks(0)),
			passing(call, "a lost answer", 1, loses), passing(call, "half an answer", 1, cuts), passing(call, "latency", 1, slow(1, time.Second)))
	}
	// In batches, so that the patience of one server's client does not run out.
	for batch := range slices.Chunk(faults, 18) {
		t.Run("batch", func(t *testing.T) {
			t.Parallel()
			s3Faults(t, batch)
		})
	}
}

func TestAFaultThatLastsFailsTheRun(t *testing.T) {
	t.Parallel()
	unreported := func(f *s3Fault) *s3Fault { f.stage = ""; return f }
	stored := func(f *s3Fault) *s3Fault { f.backups = 1; return f }
	s3Faults(t, []*s3Fault{
		lasting("start", "slow down", "start", "not finished within 4s", slowDown),
		lasting("start", "access denied", "start", "not finished within 4s", says(403, "AccessDenied")),
		lasting("start", "reset", "start", "not finished within 4s", breaks(0)),
		// The broker counts reports by listing them.
		unreported(lasting("list", "an internal error", "start", "not finished within 4s", internal)),
		lasting("part", "slow down", "upload", "not finished within 4s", slowDown),
		lasting("part", "reset halfway", "upload", "not finished within 4s", breaks(holdfast.MinPartSize/2)),
		lasting("part", "no such upload", "upload", "404 Not Found (NoSuchUpload)", says(404, "NoSuchUpload")),
		lasting("part", "elsewhere", "upload", "307", says(307, "TemporaryRedirect", "Location", "http://127.0.0.1:1/")),
		lasting("part", "no room", "upload", "507", says(507, "InsufficientStorage")),
		lasting("complete", "an internal error", "commit", "not finished within 4s", internal),
		lasting("complete", "200 and an error", "commit", "not finished within 4s", says(200, "InternalError")),
		// What the store shows counts, not what it answered.
		lasting("complete", "200 and nothing", "commit", "0 bytes are stored", blank(func(*gate, http.ResponseWriter, *http.Request) {})),
		lasting("complete", "a conflict", "commit", "not finished within 4s", conflict),
		lasting("complete", "a key that is taken", "commit", "0 bytes are stored", says(412, "PreconditionFailed")),
		lasting("complete", "a part that is not there", "commit", "a part is missing", says(400, "InvalidPart")),
		lasting("complete", "no such upload", "commit", "the upload is gone", says(404, "NoSuchUpload")),
		lasting("manifest", "an internal error", "commit", "not finished within 4s", internal),
		// It was done each time, and nobody was told: a backup more than was heard of.
		stored(lasting("manifest", "a lost answer", "commit", "not finished within 4s", loses)),
	})
}
