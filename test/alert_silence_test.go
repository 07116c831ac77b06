package test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/status"
)

func TestASilencedJobIsShownAndNotToldUntilTheSilenceEnds(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: {}\n  shop: {}\n")
	path := w.customers("app", 10)
	h := w.addHost("web1", []string{"crm", "shop"}, dumps("crm", path)+dumps("shop", path))
	w.begin()
	w.push(h)

	if r := w.want(w.operator("silence", "crm", "--for", "2d", "--reason", "moving"), 0); !strings.Contains(r.out, "*/crm") || !strings.Contains(r.out, "moving") {
		t.Errorf("silence prints %q", r.out)
	}
	w.forward(27 * time.Hour)
	w.tells("[critical] web1/shop: the newest good backup is 27h old") // and no word of crm
	w.push(h, "shop")
	w.tells("[resolved] web1/shop: the newest good backup is 27h old")
	if r := w.want(w.operator("silence"), 0); !strings.Contains(r.out, "*/crm") {
		t.Errorf("silence shows %q", r.out)
	}
	crm := w.shown("crm")
	if crm.State != status.Critical || crm.Silenced.Sub(w.now()).Round(time.Hour) != 21*time.Hour {
		t.Errorf("status.json: got %s, silenced until %s", crm.State, crm.Silenced)
	}
	if page := w.want(w.operator("status", "--page", "-"), 0).out; !strings.Contains(page, "Silenced until") {
		t.Error("the page does not show it")
	}

	w.forward(22 * time.Hour) // it has ended by itself
	w.tells("[critical] web1/crm: the newest good backup is 49h old")
	if r := w.want(w.operator("silence"), 0); r.out != "nothing is silenced\n" {
		t.Errorf("silence shows %q", r.out)
	}
	w.push(h, "shop")

	w.want(w.operator("silence", "web1/crm", "--for", "2d"), 0)
	w.forward(24*time.Hour + time.Minute)
	w.quiet() // without a reminder
	w.want(w.operator("silence", "web1/crm", "--end"), 0)
	w.tells("[reminder] web1/crm: the newest good backup is 3d old")
	if crm := w.shown("crm"); crm.State != status.Critical || !crm.Silenced.IsZero() {
		t.Errorf("status.json: got %s, silenced until %s", crm.State, crm.Silenced)
	}
	w.want(w.operator("silence", "crm", "--for", "6h"), 0)
	w.push(h, "crm")
	w.tells("[resolved] web1/crm: the newest good backup is 3d old") // those who know that it began
	w.quiet()
}

// shown returns what status.json says of a job, by the last round.
func (w *watchedSite) shown(job string) status.Job {
	w.t.Helper()
	w.pulse.wait(2)
	var s status.Status
	must(w.t, json.Unmarshal([]byte(w.want(w.operator("status", "--json"), 0).out), &s))
	for _, j := range s.Vaults[0].Jobs {
		if j.Job == job {
			return j
		}
	}
	w.t.Fatalf("status.json lacks %s: %+v", job, s)
	return status.Job{}
}
