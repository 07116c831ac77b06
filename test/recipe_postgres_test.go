package test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/testenv/b2"
)

// crm is the CRM of the recipe: a database and uploads, and three places for them.
type crm struct {
	*recipe
	source  string // URL of the database
	uploads string // directory
	box     *testenv.SSHD
	slack   *slackServer
	beats   *pulse // of the host
}

var three = []string{"offsite", "box", "local"}

const crmRows = "SELECT * FROM customer ORDER BY id; SELECT * FROM call ORDER BY id"

func newCRM(t *testing.T) *crm {
	t.Helper()
	r := newRecipe(t, "postgres-crm", "crm1")
	c := &crm{
		recipe: r, source: testenv.Postgres(t).Database(t), uploads: filepath.Join(r.dir, "uploads"),
		box: testenv.StartSSHD(t, testenv.SSHDOptions{Home: true}), slack: newSlack(t, t.TempDir()), beats: newPulse(t),
	}
	store := newStore(t, r.clock)
	cloud := b2.Over(t, store, testenv.Bucket{})
	cloud.Now = r.clock.now
	key := cloud.NewKey(t, "", "listBuckets", "listFiles", "readFiles", "writeFiles", "deleteFiles", "shareFiles", "readBuckets")
	r.env = append(r.env, "AWS_REGION="+store.Region)
	r.spots = map[string]string{"offsite": filepath.Join(store.Dir, cloud.Bucket), "box": filepath.Join(c.box.Dir, "crm"), "local": filepath.Join(r.dir, "local")}
	must(t, os.Mkdir(r.spots["local"], 0o700))
	for name, text := range map[string]string{
		"b2.id": key.ID, "b2.key": key.Secret, "box-owner.key": c.box.Key, "slack.webhook": c.slack.hook.URL + slackHookPath,
		"crm1/box.key": c.box.Key, "crm1/crm.url": c.source,
	} {
		write(t, filepath.Join(r.dir, name), text, 0o600)
	}
	public := filepath.Join(r.host.dir, "backup.asc")
	r.identity = r.openPGP(public)
	delete(r.fills, exampleRecipient)
	r.fill(map[string]string{
		"https://backup.example.com":            r.url,
		"127.0.0.1:8420":                        r.listen,
		"/etc/holdfast/crm1.key":                r.host.key,
		"/etc/holdfast/backup.asc":              public,
		"/var/lib/holdfast":                     filepath.Join(r.host.dir, "state"),
		"/srv/backups":                          r.spots["local"],
		"/srv/crm/uploads":                      c.uploads,
		"example-crm-backups":                   cloud.Bucket + "\n      api: " + cloud.URL,
		"host: u123456-sub1.your-storagebox.de": "host: " + c.box.Host,
		"host: u123456.your-storagebox.de":      "host: " + c.box.Host,
		"user: u123456-sub1":                    "user: " + c.box.User,
		"user: u123456\n":                       "user: " + c.box.User + "\n",
		"path: crm1/crm":                        "path: crm",
		"port: 23":                              fmt.Sprint("port: ", c.box.Port),
		"SHA256:uNiVztksCsDhcc0u9e8BrsKW7dHFCw2ouqOPdByzO+E": c.box.Fingerprint,
		`"file:crm.url" `: `"file:crm.url", bin_dir: ` + testenv.Postgres(t).BinDir + " ",
		"https://hc-ping.com/7d3c1c9e-59a4-4a43-9c55-6d6c2b1f0a11": c.beats.URL + "/success",
		"https://hc-ping.com/0b4ff0c1-3b6e-4a5b-8d2c-a0b1c2d3e4f5": newPulse(t).URL + "/success",
	})
	testenv.Psql(t, c.source, `CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL, created timestamptz DEFAULT now());
		CREATE TABLE call (id serial PRIMARY KEY, customer int REFERENCES customer, note text)`)
	c.work(300)
	return c
}

// work adds customers and calls, and uploads a contract.
func (c *crm) work(n int) {
	c.t.Helper()
	testenv.Psql(c.t, c.source, fmt.Sprintf(`INSERT INTO customer (name) SELECT md5(random()::text) FROM generate_series(1, %d);
		INSERT INTO call (customer, note) SELECT id, name || ' größer ' || md5(random()::text) FROM customer ORDER BY id DESC LIMIT %d`, n, n))
	contract := make([]byte, 2000)
	_, err := rand.Read(contract)
	must(c.t, err)
	write(c.t, filepath.Join(c.uploads, c.contract(c.now())), string(contract), 0o640)
}

func (*crm) contract(at time.Time) string { return "contracts/" + at.Format(time.DateOnly) + ".pdf" }

func (c *crm) nights(n int) {
	c.t.Helper()
	for range n {
		c.nightfall()
		c.work(3)
		c.backup()
		c.thin(lastDays(30), "crm", three...)
	}
}

// backup is what is done each night.
func (c *crm) backup() {
	c.t.Helper()
	c.served()
	c.arrived("crm", three...)
	c.look()
}

func TestThePostgresRecipeOverThreeMonths(t *testing.T) {
	t.Parallel()
	c := newCRM(t)
	c.plain("local")
	c.begin()
	c.want(c.host.pusherAt(c.clock, "doctor"), 0)
	c.nights(40)

	c.nightfall() // and the cron job did not run
	c.later(3 * time.Hour)
	c.look()
	c.nights(15)

	t.Run("a table that was emptied comes back", c.emptied)
	c.nights(35)
	for _, vault := range three {
		t.Run("what is kept in "+vault, func(t *testing.T) {
			c.keeps(t, vault, "crm")
			if n := len(c.held[vault+" crm"]); n != 30 {
				t.Errorf("%d should be there, want 30", n)
			}
		})
	}
	if got := c.beats.count("success"); got != 40+15+2+35 {
		t.Errorf("heartbeats: got %d", got)
	}
	t.Run("Slack", c.told)
	t.Run("each of the three restores", c.tested)
	t.Run("one file comes back", c.one)
	t.Run("the host is gone", c.disaster)
}

// emptied is a night before which somebody has emptied the tables.
func (c *crm) emptied(t *testing.T) {
	lost := testenv.Psql(t, c.source, crmRows)
	c.nightfall()
	testenv.Psql(t, c.source, "TRUNCATE call, customer")
	c.backup()
	before := c.stored("box", "crm")[1].ID

	c.later(6 * time.Hour)
	testenv.Psql(t, c.source, "DROP TABLE call, customer")
	c.want(c.into("crm@"+before, "box", c.source), 0)
	if got := testenv.Psql(t, c.source, crmRows); got != lost {
		t.Errorf("restored %d bytes of rows, want %d", len(got), len(lost))
	}
	c.backup()
	c.thin(lastDays(30), "crm", three...)
}

// into restores the database of a backup from a vault.
func (c *crm) into(backup, vault, url string) result {
	c.t.Helper()
	write(c.t, filepath.Join(c.dir, "restore.url"), url, 0o600)
	return c.operator("restore", backup, "--vault", vault, "--stream", "db", "--into", "file:"+filepath.Join(c.dir, "restore.url"),
		"-i", c.identity, "--bin-dir", testenv.Postgres(c.t).BinDir)
}

// told proves that Slack had one message of each thing that went wrong for each of the
// watched vaults, and one of its end.
func (c *crm) told(t *testing.T) {
	got := slackWebhook{c.slack}.subjects(t)
	for _, vault := range []string{"offsite", "box"} {
		for _, pattern := range []string{
			"[critical] vault " + vault + ": crm1/crm: the newest good backup is 27h old",
			"[resolved] vault " + vault + ": crm1/crm: the newest good backup is … old",
			"[warning] vault " + vault + ": crm1/crm: db.sql of the newest good backup is …, much smaller than the usual …",
			"[resolved] vault " + vault + ": crm1/crm: db.sql of the newest good backup is …, much smaller than the usual …",
		} {
			n := len(got)
			got = slices.DeleteFunc(got, func(text string) bool { return like(text, pattern) })
			if n-len(got) != 1 {
				t.Errorf("told %d times, want once: %s", n-len(got), pattern)
			}
		}
	}
	if len(got) > 0 {
		t.Errorf("told besides: %q", got)
	}
}

// tested restores the newest backup of each place into a scratch database.
func (c *crm) tested(t *testing.T) {
	rows := testenv.Psql(t, c.source, crmRows)
	for _, vault := range []string{"offsite", "box"} {
		scratch := testenv.Postgres(t).Database(t)
		c.want(c.into("crm", vault, scratch), 0)
		if diff := cmp.Diff(rows, testenv.Psql(t, scratch, crmRows)); diff != "" {
			t.Errorf("%s: want - got +\n%s", vault, diff)
		}
	}
}

func (c *crm) one(t *testing.T) {
	contract := filepath.Join(c.uploads, c.contract(c.now().AddDate(0, 0, -3)))
	dir := filepath.Join(c.dir, "one")
	c.want(c.operator("restore", "crm", "--vault", "offsite", "--path", contract, "--to", dir, "-i", c.identity), 0)
	if read(t, filepath.Join(dir, "files", contract)) != read(t, contract) {
		t.Error("the contract is not what it was")
	}
}

// disaster loses the host with all that was on it, the local copies too.
func (c *crm) disaster(t *testing.T) {
	rows, files := testenv.Psql(t, c.source, crmRows), describe(t, c.uploads)
	testenv.Psql(t, c.source, "DROP TABLE call, customer")
	for _, dir := range []string{c.uploads, c.host.dir, c.spots["local"]} {
		must(t, os.RemoveAll(dir))
	}
	same := func(t *testing.T, database, dir string) {
		t.Helper()
		if diff := cmp.Diff(rows, testenv.Psql(t, database, crmRows)); diff != "" {
			t.Errorf("rows: want - got +\n%s", diff)
		}
		if diff := cmp.Diff(files, describe(t, filepath.Join(dir, c.uploads))); diff != "" {
			t.Errorf("files: want - got +\n%s", diff)
		}
	}
	c.serve()
	t.Run("with a ticket and the identity alone", func(t *testing.T) {
		m, database := c.bare(t), testenv.Postgres(t).Database(t)
		m.postgres(t)
		m.gpg(t, "--import", "identity.txt")
		m.paste(t, c.ticket("crm"), "DATABASE_URL="+database)
		same(t, database, filepath.Join(m.dir, "files"))
	})
	t.Run("with holdfast and an operator's key", func(t *testing.T) {
		m, database := c.bare(t), testenv.Postgres(t).Database(t)
		write(t, filepath.Join(m.dir, "restore.url"), database, 0o600)
		c.want(m.holdfast("restore", "crm", "--stream", "db", "--into", "file:"+filepath.Join(m.dir, "restore.url"), "-i", "identity.txt", "--bin-dir", testenv.Postgres(t).BinDir), 0)
		c.want(m.holdfast("restore", "crm", "--stream", "files", "--to", ".", "-i", "identity.txt"), 0)
		same(t, database, filepath.Join(m.dir, "files"))
	})
	t.Run("with the Storage Box and the words of the manifest", func(t *testing.T) {
		must(t, os.RemoveAll(c.spots["offsite"]))
		c.kill()
		m, database := c.bare(t), testenv.Postgres(t).Database(t)
		m.postgres(t)
		m.gpg(t, "--import", "identity.txt")
		m.fetch(t, c.box, "crm/backups/crm1/crm/"+c.held["box crm"][0].id)
		name := database[strings.LastIndexByte(database, '/')+1:]
		testenv.Psql(t, testenv.Postgres(t).URL("postgres"), "DROP DATABASE "+name)
		m.obey(t, map[string]string{"DATABASE": name, "DIRECTORY": "."})
		same(t, database, m.dir)
	})
}
