package holdfast

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseSelector(t *testing.T) {
	for _, test := range []struct {
		text string
		want Selector
	}{
		{"crm", Selector{"", "crm", Latest}},
		{"web1/crm", Selector{"web1", "crm", Latest}},
		{"web1/crm@latest", Selector{"web1", "crm", Latest}},
		{"crm@2025-10-28", Selector{"", "crm", "2025-10-28"}},
		{"crm@2025-10-28T14:00", Selector{"", "crm", "2025-10-28T14:00"}},
		{"crm@2025-10-28T14:00:05Z", Selector{"", "crm", "2025-10-28T14:00:05Z"}},
		{"crm@20251028T140000Z-9f3c2a7d", Selector{"", "crm", "20251028T140000Z-9f3c2a7d"}},
	} {
		got, err := ParseSelector(test.text)
		if err != nil || got != test.want {
			t.Errorf("%q: got %+v, %v, want %+v", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{
		"", "@", "crm@", "@latest", "/crm", "web1/", "a/b/c", "CRM", "crm@Latest", "crm@yesterday", "crm@2025-02-30",
		"crm@2025-10-28Z", "crm@2025-10-28T4:00", "crm@2025-10-28T14:00:05.5", "crm@2025-10-28T25:00", "crm@2025-10-28T14:00ZZ",
		"crm@20251028T140000Z-9F3C2A7D", "crm@20251328T140000Z-9f3c2a7d", "crm@latest@latest", "../crm", "crm@../latest",
	} {
		if got, err := ParseSelector(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

// listed returns a good backup with that id.
func listed(host, job string, id ID) Backup {
	return Backup{Ref: Ref{host, job, id}, Committed: true, Data: []Object{{Size: 1}}}
}

func TestPick(t *testing.T) {
	now := time.Date(2025, 11, 1, 12, 0, 0, 0, time.UTC)
	unfinished := listed("web1", "crm", "20251101T110000Z-00000005")
	unfinished.Committed = false
	empty := listed("web1", "crm", "20251101T100000Z-00000006")
	empty.Data[0].Size = 0
	backups := []Backup{
		listed("web1", "crm", "20251102T000000Z-00000007"), // future-dated
		unfinished,
		empty,
		listed("web1", "crm", "20251030T140030Z-00000004"),
		listed("web1", "crm", "20251028T235959Z-00000003"),
		listed("web1", "crm", "20251028T000000Z-00000002"),
		listed("web1", "crm", "20251027T140000Z-00000001"),
		listed("web1", "media", "20251031T000000Z-00000008"),
		listed("web2", "media", "20251030T000000Z-00000009"),
	}
	tests := []struct {
		name, selector string
		want           string // the end of the id, or the end of the error
	}{
		{"the newest good one", "crm", "00000004"},
		{"the newest of a day", "crm@2025-10-28", "00000003"},
		{"up to the end of a minute", "crm@2025-10-30T14:00", "00000004"},
		{"not after a second", "crm@2025-10-30T14:00:29", "00000003"},
		{"exactly a second", "crm@2025-10-28T00:00:00Z", "00000002"},
		{"by its id", "crm@20251027T140000Z-00000001", "00000001"},
		{"by its id, though it is empty", "crm@20251101T100000Z-00000006", "00000006"},
		{"by its id, though it is future-dated", "crm@20251102T000000Z-00000007", "00000007"},
		{"one host's", "web2/media", "00000009"},
		{"by its id, though another host has the job", "media@20251031T000000Z-00000008", "00000008"},
		{"one day's, though another host has the job", "media@2025-10-30", "00000009"},
		{"several hosts'", "media", `backup "media@latest": several hosts have it: web1/media@latest, web2/media@latest`},
		{"an unfinished one", "crm@20251101T110000Z-00000005", "does not exist; it was begun and never finished"},
		{"a day between", "crm@2025-10-29", "does not exist; the nearest are web1/crm@20251028T235959Z-00000003 and web1/crm@20251030T140030Z-00000004"},
		{"a day too late", "crm@2025-10-31", "does not exist; the newest before is web1/crm@20251030T140030Z-00000004"},
		{"a time too early", "crm@2025-10-01T00:00", "does not exist; the oldest is web1/crm@20251027T140000Z-00000001"},
		{"another job", "cmr", "does not exist; there are backups of web1/crm, web1/media, web2/media"},
		{"another host", "web2/crm", "does not exist; there are backups of web1/crm, web1/media, web2/media"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := ParseSelector(test.selector)
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.Pick(backups, now)
			got := string(b.ID)
			if err != nil {
				got = err.Error()
				if strings.Contains(test.want, "does not exist") != errors.Is(err, ErrNotExist) {
					t.Errorf("%v: wraps ErrNotExist wrongly", err)
				}
			}
			if !strings.HasSuffix(got, test.want) {
				t.Errorf("got %s, want …%s", got, test.want)
			}
		})
	}
	if _, err := (Selector{"", "crm", Latest}).Pick([]Backup{unfinished, empty}, now); err == nil || !strings.Contains(err.Error(), "2 are there") {
		t.Errorf("nothing good: got %v", err)
	}
	if _, err := (Selector{"", "crm", Latest}).Pick(nil, now); err == nil || !strings.Contains(err.Error(), "no backups at all") {
		t.Errorf("nothing at all: got %v", err)
	}
	if _, err := (Selector{"", "crm", "soon"}).Pick(backups, now); err == nil {
		t.Error("a selector that was not parsed: got no error")
	}
}

// Whatever is picked is of the job, and by anything but its id good; and every
// good backup is found by its own id.
func TestPickProperties(t *testing.T) {
	now := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		backups := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Backup {
			when := now.Add(time.Duration(rapid.IntRange(-100, 5).Draw(t, "hours")) * time.Hour)
			id, err := NewID(when, strings.NewReader(rapid.StringN(4, 4, 4).Draw(t, "random")))
			if err != nil {
				t.Fatal(err)
			}
			b := listed(rapid.SampledFrom([]string{"web1", "web2"}).Draw(t, "host"), rapid.SampledFrom([]string{"crm", "media"}).Draw(t, "job"), id)
			b.Committed = rapid.Bool().Draw(t, "committed")
			return b
		}), 1, 12).Draw(t, "backups")
		of := rapid.SampledFrom(backups).Draw(t, "of")
		at := rapid.SampledFrom([]string{Latest, string(of.ID), of.Time().Format(dayForm), of.Time().Format(minuteForm)}).Draw(t, "at")
		s := Selector{of.Host, of.Job, at}
		got, err := s.Pick(backups, now)
		if err != nil {
			if of.Good(now) {
				t.Fatalf("%s: %v", s, err)
			}
			return
		}
		if !s.Match(got) || !got.Committed || at != string(of.ID) && !got.Good(now) {
			t.Fatalf("%s: got %+v", s, got)
		}
		if of.Good(now) && got.ID < of.ID {
			t.Fatalf("%s: got %s, which is older than %s", s, got.ID, of.ID)
		}
	})
}

func FuzzParseSelector(f *testing.F) {
	for _, s := range []string{"crm", "web1/crm@latest", "crm@2025-10-28", "crm@2025-10-28T14:00", "crm@2025-10-28T14:00:05Z", "crm@20251028T140000Z-9f3c2a7d", "../x@", "a/b@@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSelector(text)
		if err != nil {
			return
		}
		if CheckName("job", s.Job) != nil || s.Host != "" && CheckName("host", s.Host) != nil {
			t.Errorf("%q: accepted %+v", text, s)
		}
		if again, err := ParseSelector(s.String()); err != nil || again != s {
			t.Errorf("%q: %s reads as %+v, %v", text, s, again, err)
		}
		if _, err := s.Pick(nil, time.Unix(0, 0)); !errors.Is(err, ErrNotExist) {
			t.Errorf("%q: got %v", text, err)
		}
	})
}
