package broker

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestReportIsStoredUnderTheBrokersIDCleanedAndCut(t *testing.T) {
	w := newWorld(t)
	said := holdfast.Report{
		Kind: holdfast.ReportFailure, Job: "crm", ID: "20991231T235959Z-00000000", Backup: "20251028T110000Z-00000000",
		HostTime: noon.Add(time.Hour), Stage: "du\nmp", OK: true, Pusher: strings.Repeat("v", 100),
		Error: "bad \x1b[31mred\x1b[0m\u202e \x00end", Tail: "BEGIN" + strings.Repeat("é", holdfast.MaxReportTail) + "\n\tEND",
	}
	got := answer[api.ReportResponse](t, w.call("web1", "POST", api.PathReports, said), http.StatusOK)
	if !got.ID.Time().Equal(noon) || got.ID == said.ID {
		t.Errorf("got id %s, want one of the broker's time", got.ID)
	}
	body := w.vault.objects[holdfast.ReportKey("web1", "crm", got.ID)].body
	var stored holdfast.Report
	if err := json.Unmarshal(body, &stored); err != nil {
		t.Fatal(err)
	}
	if len(stored.Tail) > holdfast.MaxReportTail || !utf8.ValidString(stored.Tail) || !strings.HasSuffix(stored.Tail, "é\n\tEND") || strings.Contains(stored.Tail, "BEGIN") {
		t.Errorf("tail of %d bytes is not the end of what was said", len(stored.Tail))
	}
	want := holdfast.Report{
		Kind: holdfast.ReportFailure, Host: "web1", Job: "crm", ID: got.ID, Backup: said.Backup, HostTime: said.HostTime,
		Stage: "du mp", Error: "bad [31mred[0m end", Tail: stored.Tail, Pusher: strings.Repeat("v", maxReportWord),
	}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]holdfast.Ref{{Host: "web1", Job: "crm", ID: got.ID}}, w.admitted); diff != "" {
		t.Errorf("Committed: %s", diff)
	}
}

func TestTooManyReportsADay(t *testing.T) {
	w := newWorld(t)
	report := holdfast.Report{Kind: holdfast.ReportDrill, Job: "crm", OK: true}
	for range MaxReportsPerDay {
		answer[api.ReportResponse](t, w.call("web1", "POST", api.PathReports, report), http.StatusOK)
	}
	answer[api.Problem](t, w.call("web1", "POST", api.PathReports, report), http.StatusTooManyRequests)
	report.Job = "media"
	answer[api.ReportResponse](t, w.call("web1", "POST", api.PathReports, report), http.StatusOK)
	report.Job = "crm"
	w.clock = w.clock.Add(12 * time.Hour)
	answer[api.ReportResponse](t, w.call("web1", "POST", api.PathReports, report), http.StatusOK)
}

func TestCutsNeverSplitACharacter(t *testing.T) {
	const s = "aé€😀"
	for n := range len(s) + 2 {
		if got := cutEnd(s, n); len(got) > n || !utf8.ValidString(got) || !strings.HasPrefix(s, got) {
			t.Errorf("cutEnd %d: got %q", n, got)
		}
		if got := cutStart(s, n); len(got) > n || !utf8.ValidString(got) || !strings.HasSuffix(s, got) {
			t.Errorf("cutStart %d: got %q", n, got)
		}
	}
}
