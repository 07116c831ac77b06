package survey_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/adopt/pattern"
	"github.com/holdfast-backup/holdfast/internal/adopt/survey"
)

func take(t *testing.T, o survey.Options, names ...string) *survey.Survey {
	t.Helper()
	s, err := survey.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		s.Add(name, 10)
	}
	return s
}

func TestProposals(t *testing.T) {
	const dbTime = "{year}-{month}-{day}-{hour}{minute}{second}"
	for _, c := range []struct {
		name  string
		files []string
		want  []survey.Proposal
	}{
		{"nothing", []string{"readme.txt"}, nil},
		{"spatie's folder", []string{"My App/2025-10-27-02-00-00.zip", "My App/2025-10-28-02-00-00.zip"},
			[]survey.Proposal{{"my-app", "spatie", "My App"}}},
		{"two apps", []string{"crm/2025-10-28-02-00-00.zip", "shop/2025-10-28-02-00-00.zip"},
			[]survey.Proposal{{"crm", "spatie", "crm"}, {"shop", "spatie", "shop"}}},
		{"a folder in a folder comes first", []string{"a/2025-10-28-02-00-00.zip", "a/old/2025-10-28-02-00-00.zip"},
			[]survey.Proposal{{"old", "spatie", "a/old"}, {"a", "spatie", "a"}}},
		{"at the top", []string{"2025-10-28-02-00-00.zip"},
			[]survey.Proposal{{"backups", "{year}-{month}-{day}-{hour}-{minute}-{second}.zip", ""}}},
		{"database and media in one folder", []string{"dj/default-web1-2025-10-28-140000.psql.gz", "dj/web1-2025-10-28-140007.tar.gz"},
			[]survey.Proposal{{"default-web1", "default-web1-" + dbTime + ".psql.gz", "dj"}, {"web1", "web1-" + dbTime + ".tar.gz", "dj"}}},
		{"one database alone", []string{"dj/default-web1-2025-10-28-140000.psql.gz"},
			[]survey.Proposal{{"default-web1", "dbbackup", "dj"}}},
		{"encrypted from some day on", []string{"default-2025-10-27-140000.psql.gz", "default-2025-10-28-140000.psql.gz.gpg"},
			[]survey.Proposal{{"default", "default-" + dbTime + ".psql.gz*", ""}}},
		{"compressed from some day on", []string{"default-2025-10-27-140000.psql", "default-2025-10-28-140000.psql.gz", "default-2025-10-28-140000.psql.gpg"},
			[]survey.Proposal{{"default", "default-" + dbTime + ".psql*", ""}}},
		{"several dumps of one script", []string{"d/crm_20251028_020000.sql.gz", "d/shop_20251028_020000.sql.gz"},
			[]survey.Proposal{{"crm", "crm_{year}{month}{day}_{hour}{minute}{second}.sql.gz", "d"}, {"shop", "shop_{year}{month}{day}_{hour}{minute}{second}.sql.gz", "d"}}},
		{"names that say something else in a pattern", []string{"{x}*_20251028_020000.sql.gz", "\x1b[2J\n_20251028_020000.sql.gz"},
			[]survey.Proposal{{"2j", "*{year}{month}{day}_{hour}{minute}{second}.sql.gz", ""}, {"x", "*x*_{year}{month}{day}_{hour}{minute}{second}.sql.gz", ""}}},
		{"a name of braces", []string{"{a}{b}{c}{d}_20251028_020000.sql.gz"},
			[]survey.Proposal{{"a--b--c--d", "*{year}{month}{day}_{hour}{minute}{second}.*", ""}}},
		{"names alike", []string{"a/crm_20251028_020000.sql.gz", "b/CRM_20251028_020000.sql.gz"},
			[]survey.Proposal{{"crm", "stamp", "a"}, {"crm-2", "stamp", "b"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := take(t, survey.Options{}, c.files...).Proposals()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			// Each file is matched by a proposal, and each is one that a configuration takes.
			for _, file := range c.files {
				if len(got) > 0 && !slices.ContainsFunc(got, func(p survey.Proposal) bool { return matches(t, p, file) }) {
					t.Errorf("%q is matched by none", file)
				}
			}
			for _, p := range got {
				if err := holdfast.CheckName("job", p.Job); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func matches(t *testing.T, p survey.Proposal, file string) bool {
	t.Helper()
	rule, err := pattern.ParseRule(p.Pattern, p.Below)
	if err != nil {
		t.Fatal(err)
	}
	_, err = rule.Match(file)
	return err == nil
}

func TestOwnPatternComesFirst(t *testing.T) {
	own, err := pattern.Parse("crm_{year}{month}{day}_*.gz")
	if err != nil {
		t.Fatal(err)
	}
	s := take(t, survey.Options{Own: &own, Below: "d"}, "d/crm_20251028_020000.sql.gz", "d/crm_20251029_030000.sql.gz", "d/crm_20251028_x.gz", "e/shop_20251028_020000.sql.gz")
	want := []survey.Proposal{{"d", "crm_{year}{month}{day}_*.gz", "d"}}
	if diff := cmp.Diff(want, s.Proposals()); diff != "" || s.Unread.Files != 0 {
		t.Errorf("(-want +got):\n%s and %d unread", diff, s.Unread.Files)
	}
}

func TestUnread(t *testing.T) {
	s := take(t, survey.Options{
		Skip: func(name string) bool { return strings.HasPrefix(name, "state/") }, Usable: func(name string) bool { return name != "b/2025-10-28-02-00-00.zip" },
	}, "b/2025-10-28-02-00-00.zip", "notes.txt", "app/2025-02-30-02-00-00.zip", "state/monitor.json", "app/2025-10-28-02-00-00.zip")
	want := survey.Unread{Files: 3, Bytes: 30, NoTime: 1, Examples: []string{"b/2025-10-28-02-00-00.zip", "notes.txt", "app/2025-02-30-02-00-00.zip"}}
	if diff := cmp.Diff(want, s.Unread); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	many := take(t, survey.Options{}, strings.Split(strings.Repeat("a,", 99), ",")...)
	if len(many.Unread.Examples) != 10 || many.Unread.Files != 100 {
		t.Errorf("got %+v", many.Unread)
	}
}

func TestOverlaps(t *testing.T) {
	rule := func(text, below string) pattern.Rule {
		r, err := pattern.ParseRule(text, below)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	s := take(t, survey.Options{Adopted: []pattern.Rule{rule("spatie", "a"), rule("stamp", ""), rule("spatie", "")}},
		"a/2025-10-28-02-00-00.zip", "b/2025-10-28-02-00-00.zip", "a/2025-10-29-02-00-00.zip", "crm_20251028_020000.sql.gz")
	if diff := cmp.Diff([]survey.Overlap{{First: 0, Second: 2, Files: 2}}, s.Overlaps()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := s.Proposals(); len(got) != 0 {
		t.Errorf("proposes again what is adopted: %v", got)
	}
}
