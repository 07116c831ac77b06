package push

import (
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// tailed is an error of a program with its stderr.
type tailed struct{ tail string }

func (e tailed) Error() string { return "pg_dump: exit status 1: hunter2" }
func (e tailed) Tail() string  { return e.tail }

func TestReportIsRedactedAndBounded(t *testing.T) {
	c := newCloud(t)
	long := strings.Repeat("é", holdfast.MaxReportTail) + " password is hunter2"
	job := testJob(t, &fakeSource{file: "crm.sql", err: tailed{long}})
	job.Secrets = []secret.Secret{secret.New("hunter2")}
	out := Run(t.Context(), job, c.deps(t))
	wantFailed(t, c, out, StageDump, "pg_dump: exit status 1: [hidden]")
	r := c.reports[0]
	if len(r.Tail) > holdfast.MaxReportTail || !strings.HasSuffix(r.Tail, "[hidden]") || strings.Contains(r.Tail, "\ufffd") {
		t.Errorf("got a tail of %d bytes that ends %q", len(r.Tail), r.Tail[len(r.Tail)-20:])
	}
}
