package test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func TestAHostThatStopsIsToldOnceRemindedOfEachDayAndResolvedOnce(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: { expect: { every: 24h, grace: 2h } }\n")
	database := testenv.Postgres(t).Database(t)
	testenv.Psql(t, database, "CREATE TABLE customer AS SELECT n AS id, md5(n::text) AS name FROM generate_series(1, 2000) n")
	h := w.addHost("web1", []string{"crm"}, dumpsPostgres(t, "crm", "SOURCE_URL"))
	h.env = []string{"SOURCE_URL=" + database}
	w.begin()
	w.push(h)
	w.forward(25 * time.Hour)
	w.quiet()

	w.forward(2 * time.Hour)
	w.tells("[critical] web1/crm: the newest good backup is 27h old")
	w.forward(23 * time.Hour)
	w.quiet()
	w.forward(time.Hour)
	w.tells("[reminder] web1/crm: the newest good backup is 51h old")
	w.forward(24 * time.Hour)
	w.tells("[reminder] web1/crm: the newest good backup is 3d old")
	w.push(h)
	w.tells("[resolved] web1/crm: the newest good backup is 3d old")
	w.quiet()

	t.Run("the bot has edited what it said, and gone on in its thread", func(t *testing.T) {
		all := w.people.slack.bot()
		first := all[0]
		if first.to != "" || len(first.edits) != 3 || !strings.HasPrefix(first.edits[2], "[resolved] web1/crm") {
			t.Errorf("first message: got %+v", first)
		}
		for n, m := range all[1:] {
			if m.to != first.ts || m.broadcast != (n == 2) || len(m.edits) > 0 {
				t.Errorf("message %d: got %+v, want it in the thread of %s", n+1, m, first.ts)
			}
		}
	})
	t.Run("the mails are one thread", func(t *testing.T) {
		all := w.people.mail.letters(t)
		ids := map[string]bool{}
		for n, l := range all {
			ids[l.id] = true
			if n > 0 && (l.references != all[0].id || l.subject != "Re: "+all[0].subject) {
				t.Errorf("mail %d: got %q with references %s, want a reply to %s", n, l.subject, l.references, all[0].id)
			}
			if !strings.Contains(l.html, "web1/crm") || !strings.Contains(l.text, w.url+"/login/") {
				t.Errorf("mail %d lacks the job, or the link to the status page:\n%s", n, l.text)
			}
		}
		if len(ids) != len(all) {
			t.Errorf("%d mails have %d Message-IDs", len(all), len(ids))
		}
	})
	t.Run("the webhook names the states", func(t *testing.T) {
		want := []string{"opened web1/crm fresh", "reminder web1/crm fresh", "reminder web1/crm fresh", "resolved web1/crm fresh"}
		if diff := cmp.Diff(want, w.people.pager.items(t)); diff != "" {
			t.Errorf("want - got +\n%s", diff)
		}
	})
	t.Run("nothing secret is logged", func(t *testing.T) {
		for _, secret := range []string{slackToken, slackHookPath, pagerSecret, w.people.mail.Password, database, "/login/"} {
			if strings.Contains(w.log.String(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
}
