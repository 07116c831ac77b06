package retention

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const oneCase = `{"id": "R7", "policy": {"form": "counts", "keep": {"daily": 1}, "min_keep": 1, "time_zone": "UTC"},
 "now": "2026-03-15T12:00:00Z", "backups": [
 {"name": "old", "time": "2026-03-12T02:00:00Z", "mb": 0.5, "hold": true},
 {"name": "new", "time": "2026-03-15T02:00:00Z", "mb": 0},
 {"name": "mid", "time": "2026-03-14T02:00:00Z", "mb": 1}]}`

func TestParseCaseReadsOneCase(t *testing.T) {
	want := CaseResult{
		Keep: []string{"old", "new"}, Delete: []string{"mid"},
		Reasons: map[string][]string{
			"new": {"daily 2026-03-15", "newest 1 good backups stay"},
			"mid": {"no rule keeps it"},
			"old": {"held"},
		},
	}
	for name, text := range map[string]string{
		"alone":                   oneCase,
		"in a file of cases":      `{"about": "one", "cases": [` + oneCase + `]}`,
		"with space around it":    "\n " + oneCase + "\n",
		"whose answer it carries": strings.Replace(oneCase, `"id"`, `"keep": ["x"], "delete": [], "note": "y", "id"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := ParseCase([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Plan()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseCaseDefaults(t *testing.T) {
	c, err := ParseCase([]byte(`{"policy": {"form": "windows"}, "now": "2026-03-15T12:00:00Z", "backups": []}`))
	if err != nil {
		t.Fatal(err)
	}
	keep, err := c.Policy.keep()
	if err != nil {
		t.Fatal(err)
	}
	if keep.MinKeep != 3 || keep.Location.String() != "UTC" || keep.MaxTotal != 0 {
		t.Errorf("got min_keep %d, zone %v, max_total %v; want 3, UTC and none", keep.MinKeep, keep.Location, keep.MaxTotal)
	}
	got, err := c.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if got.Keep == nil || got.Delete == nil || got.Reasons == nil {
		t.Errorf("got %+v, want empty lists and no null in JSON", got)
	}
}

func TestParseCaseSaysWhatIsWrong(t *testing.T) {
	replace := func(old, new string) string {
		if !strings.Contains(oneCase, old) {
			t.Fatalf("the case has no %q", old)
		}
		return strings.Replace(oneCase, old, new, 1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing", ``, "unexpected end"},
		{"no JSON", `name: x`, "invalid character"},
		{"no case in the file", `{"cases": []}`, "0 cases"},
		{"two cases", `{"cases": [` + oneCase + `,` + oneCase + `]}`, "2 cases"},
		{"something after the case", oneCase + oneCase, "invalid character"},
		{"an unknown key", replace(`"hold"`, `"held"`), `"held"`},
		{"an unknown form", replace(`"counts"`, `"moons"`), "want windows or counts"},
		{"an unknown rule", replace(`"daily"`, `"dayly"`), `"dayly", want last, hourly, daily`},
		{"a rule of the other form", replace(`"daily"`, `"all"`), `unknown rule "all"`},
		{"a negative number", replace(`"daily": 1`, `"daily": -1`), "policy.keep.daily: -1"},
		{"a length in words", replace(`"daily": 1`, `"daily": "7d"`), "policy.keep"},
		{"no floor", replace(`"min_keep": 1`, `"min_keep": 0`), "min_keep: 0"},
		{"an unknown zone", replace(`"UTC"`, `"Mars/Olympus"`), "Mars/Olympus"},
		{"the zone of the machine", replace(`"UTC"`, `"Local"`), "Local"},
		{"no now", replace(`"now"`, `"id"`), "now: missing"},
		{"a time that is none", replace(`2026-03-14T02:00:00Z`, `2026-02-30T02:00:00Z`), "2026-02-30"},
		{"a negative size", replace(`"mb": 1`, `"mb": -1`), `backup "mid": mb: -1`},
		{"a name twice", replace(`"mid"`, `"new"`), `backups[2]: name "new"`},
		{"no name", replace(`"mid"`, `""`), `backups[2]: name ""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseCase([]byte(c.text))
			if err == nil {
				t.Fatal("got no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want it to say %q", err, c.want)
			}
		})
	}
}

func FuzzParseCase(f *testing.F) {
	f.Add([]byte(oneCase))
	f.Add([]byte(`{"cases": [` + oneCase + `]}`))
	f.Add([]byte(strings.Replace(oneCase, "counts", "windows", 1)))
	f.Add([]byte(`{"policy": {"form": "windows", "keep": {"yearly": 100000}}, "now": "0001-01-02T00:00:00Z",
		"backups": [{"name": "a", "time": "9999-12-31T23:59:59Z", "mb": 1e12}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCase(data)
		if err != nil {
			return
		}
		got, err := c.Plan()
		if err != nil {
			t.Fatalf("parsed but not planned: %v", err)
		}
		if len(got.Keep)+len(got.Delete) != len(c.Backups) || len(got.Reasons) != len(c.Backups) {
			t.Fatalf("got %d kept, %d deleted and %d reasons about %d backups",
				len(got.Keep), len(got.Delete), len(got.Reasons), len(c.Backups))
		}
	})
}
