package alert

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func silence(host, job string, hours int) Silence {
	return Silence{Host: host, Job: job, From: start, Until: start.Add(time.Duration(hours) * time.Hour)}
}

func TestSilencesAreKeptReplacedAndEnded(t *testing.T) {
	h := newHouse(t)
	at := start
	load := func() []string {
		all, err := LoadSilences(t.Context(), h.vault, at)
		if err != nil {
			t.Fatal(err)
		}
		list := []string{}
		for _, s := range all {
			list = append(list, fmt.Sprintf("%s/%s %s", s.Host, s.Job, s.Until.Sub(s.From)))
		}
		return list
	}
	for _, s := range []Silence{silence("web1", "crm", 2), silence("*", "media", 5), silence("web1", "crm", 3)} {
		if err := AddSilence(t.Context(), h.vault, s, at); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"*/media 5h0m0s", "web1/crm 3h0m0s"}, load()); diff != "" {
		t.Errorf("added, and one anew (-want +got):\n%s", diff)
	}
	at = start.Add(4 * time.Hour)
	if diff := cmp.Diff([]string{"*/media 5h0m0s"}, load()); diff != "" {
		t.Errorf("one has ended (-want +got):\n%s", diff)
	}
	for _, want := range []bool{true, false} {
		if ended, err := EndSilence(t.Context(), h.vault, "*", "media", at); ended != want || err != nil {
			t.Errorf("ended %t, %v, want %t", ended, err, want)
		}
	}
	body, _, err := h.vault.Load(t.Context(), SilencesKey)
	if err != nil || string(body) != `{"version":1,"silences":[]}` {
		t.Errorf("the document is %s, %v", body, err)
	}
}

func TestSilencesThatMakeNoSense(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		silence Silence
		want    string
	}{
		{silence("", "crm", 1), "host"},
		{silence("web1", "../crm", 1), "job"},
		{silence("web1", "crm", -1), "ends before it begins"},
		{Silence{Host: "web1", Job: "crm", From: start.Add(-2 * time.Hour), Until: start.Add(-time.Hour)}, "has ended already"},
	} {
		if err := AddSilence(t.Context(), h.vault, tt.silence, start); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q in it", tt.silence, err, tt.want)
		}
	}
}

func TestSilencesOfManyAtOnceAreAllKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		var group sync.WaitGroup
		for n := range 8 {
			group.Go(func() {
				if err := AddSilence(t.Context(), h.vault, silence("web1", fmt.Sprint("job-", n), 1), start); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if all, err := LoadSilences(t.Context(), h.vault, start); err != nil || len(all) != 8 {
			t.Errorf("%d silences, %v, want 8", len(all), err)
		}
	})
}

func TestSilencesThatCannotBeReadSilenceNothingAndAreToldOf(t *testing.T) {
	for name, doc := range map[string]string{
		"cut off":            `{"version":1,"silences":[{"host":"web1"`,
		"of a later version": `{"version":2,"silences":[]}`,
		"with a stray field": `{"version":1,"silences":[],"more":1}`,
		"without an end":     `{"version":1,"silences":[{"host":"web1","job":"crm","from":"2025-10-28T12:00:00Z","until":"0001-01-01T00:00:00Z"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "ops")
			tag, err := h.vault.Swap(t.Context(), SilencesKey, []byte(doc), "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := LoadSilences(t.Context(), h.vault, start); err == nil || !strings.Contains(err.Error(), SilencesKey) {
				t.Errorf("error %v, want one that names the document", err)
			}
			h.look("crm/fresh!")
			h.run()
			h.wantSaid("ops: opened crm/fresh!", "ops: opened vault/state")
			if _, err := h.vault.Swap(t.Context(), SilencesKey, []byte(`{"version":1,"silences":[]}`), tag); err != nil {
				t.Fatal(err)
			}
			h.look("crm/fresh!")
			h.run()
			h.wantSaid("ops↩: resolved vault/state")
		})
	}
}

func TestOutcomeNamesTheSilencesInForce(t *testing.T) {
	h := newHouse(t, "ops")
	later := silence("web1", "media", 9)
	later.From = start.Add(time.Hour)
	for _, s := range []Silence{silence("web1", "crm", 2), later} {
		if err := AddSilence(t.Context(), h.vault, s, start); err != nil {
			t.Fatal(err)
		}
	}
	h.look("crm/fresh!", "media/fresh!")
	o := h.run()
	if len(o.Silences) != 1 || o.Silences[0].Job != "crm" || !o.Silences[0].covers(holdfast.JobName{Host: "web1", Job: "crm"}) {
		t.Errorf("silences %+v, want that of crm", o.Silences)
	}
	h.wantSaid("ops: opened media/fresh!")
}
