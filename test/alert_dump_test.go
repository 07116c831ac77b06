package test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// One history of some days for all, because that is what is usual.
func TestWhatIsWrongWithADumpIsToldOnceAndItsEnd(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: {}\n  shop: {}\n  app: {}\n")
	crm, shop := testenv.Postgres(t).Database(t), testenv.Postgres(t).Database(t)
	const fill = "CREATE TABLE customer AS SELECT n AS id, md5(n::text) AS name FROM generate_series(1, 10000) n"
	testenv.Psql(t, crm, fill)
	testenv.Psql(t, shop, "CREATE TABLE item (id int)")
	app := w.customers("app", 3000)
	h := w.addHost("web1", []string{"crm", "shop", "app"}, dumpsPostgres(t, "crm", "CRM_URL")+dumpsPostgres(t, "shop", "SHOP_URL")+dumps("app", app))
	h.env = []string{"CRM_URL=" + crm, "SHOP_URL=" + shop}
	w.begin()
	w.days(4, h)
	w.quiet()

	t.Run("one that has shrunk", func(t *testing.T) {
		testenv.Psql(t, crm, "DELETE FROM customer WHERE id > 100")
		w.push(h, "crm")
		w.tells("[warning] web1/crm: the newest good backup is …B, much smaller than the usual …B")
		w.quiet()
		testenv.Psql(t, crm, "DROP TABLE customer; "+fill)
		w.push(h, "crm")
		w.tells("[resolved] web1/crm: the newest good backup is …B, much smaller than the usual …B")
	})
	t.Run("one that fails", func(t *testing.T) {
		h.env[1] = "SHOP_URL=" + shop + "_is_gone"
		w.want(h.pusherAt(w.clock, "run", "shop"), 1)
		w.tells("[warning] web1/shop: the last run failed: dump: …pg_dump: exit status 1…")
		w.quiet()
		h.env[1] = "SHOP_URL=" + shop
		w.push(h, "shop")
		w.tells("[resolved] web1/shop: the last run failed: dump: …pg_dump: exit status 1…")
	})
	t.Run("one that does not compress any more", func(t *testing.T) {
		db := openSQLite(t, app)
		execSQL(t, db, "UPDATE customer SET name = randomblob(length(name))")
		w.push(h, "app")
		w.tells("[2 changes] web1/app: the newest good backup compresses 1.… to 1, usual is …; and 1 more")
		w.quiet()
		execSQL(t, db, "UPDATE customer SET name = printf('%200d', id)")
		w.push(h, "app")
		w.tells("[2 resolved] web1/app: the newest good backup compresses 1.… to 1, usual is …; and 1 more")
	})
	w.quiet()
	want := []string{
		"opened web1/crm size-shrunk", "resolved web1/crm size-shrunk",
		"opened web1/shop failed-run", "resolved web1/shop failed-run",
		"opened web1/app compression", "opened web1/app size-grown", "resolved web1/app compression", "resolved web1/app size-grown",
	}
	if diff := cmp.Diff(want, w.people.pager.items(t)); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}
