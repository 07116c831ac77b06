package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// recipe is an installation made of the files of examples/NAME: those very files,
// with addresses and paths of this test in place of theirs. All programs of it go by
// one clock, which the test moves from night to night.
//
// Each night the server is started, which thins out and looks at once; the host pushes;
// the server is stopped; and cron does `holdfast clean` and `holdfast monitor --alert`.
// All of these are processes of their own, as there. Only time passes faster.
type recipe struct {
	*site
	name       string
	variant    string // of its files: ".sftp"
	serverless bool   // holdfast.yaml has nothing that serves
	host       *host
	clock      *clock
	ahead      time.Duration // of the true time, at the runs of the present night
	fills      map[string]string
	env        []string          // more environment for holdfast
	public     string            // URL of the broker
	listen     string            // address of the server
	spots      map[string]string // by vault: the directory that its objects lie in
	unwatched  map[string]bool   // by vault: only directories of the host
	held       map[string][]held // by vault and job: what should be there, newest first
}

// held is a backup that should be in a vault.
type held struct {
	id   string
	at   time.Time // by its id, UTC
	size int64     // as stored, bytes
}

// alertsKey is where a vault remembers what people were told.
const alertsKey = "state/alerts.json"

// hour is when the nights' runs begin, UTC.
const hour = 2*time.Hour + 30*time.Minute

// These stand in the examples: whom they encrypt to, who pushes, and who may restore.
const (
	exampleRecipient = "age1xyykmspdvtydav06vpevuhzpvxl36v20zwyldqxn9ncuxm0rcewq68cm94"
	exampleHost      = "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM"
	exampleOperator  = "ed25519:nzDspp7BA31C3_m6t79KZDeNBB6AtSOJOXuXAqnOTlY"
)

// newRecipe makes the host and the operator that the example has. The clock stands at
// the true time.
func newRecipe(t *testing.T, name, hostName string) *recipe {
	t.Helper()
	r := &recipe{site: newSite(t, ""), name: name, clock: newClock(t, 0), fills: map[string]string{}, spots: map[string]string{}, held: map[string][]held{}}
	r.public, r.listen = r.url, strings.TrimPrefix(r.url, "http://")
	r.host = r.addHost(hostName, nil, "  x: { sources: [{ files: { include: [/x] } }] }\n")
	answer := r.want(r.program("holdfast", nil, "", "key", "ops", "--out", filepath.Join(r.dir, "ops.key"), "--json"), 0)
	var operator struct{ Key string }
	decode(t, answer.out, &operator)
	r.fill(map[string]string{
		exampleRecipient: r.recipient,
		exampleHost:      r.host.public,
		exampleOperator:  operator.Key,
	})
	return r
}

// mailed gives the example a mail server, and returns the mailbox of its people.
func (r *recipe) mailed() *mailbox {
	r.t.Helper()
	box := &mailbox{testenv.SMTP(r.t)}
	write(r.t, filepath.Join(r.dir, "smtp.password"), box.Password+"\n", 0o600)
	r.fill(map[string]string{
		"host: smtp.example.com": "host: " + box.Host, "port: 587": fmt.Sprint("port: ", box.STARTTLS), "user: backup@example.com": "user: " + box.User,
	})
	r.trust(box.Certificate)
	return box
}

// trust has the programs on the server, and those of operators, trust a certificate.
func (r *recipe) trust(certificate string) {
	path := filepath.Join(r.dir, "trust.pem")
	known, _ := os.ReadFile(path)
	write(r.t, path, string(known)+certificate, 0o644)
	if len(known) == 0 {
		r.env = append(r.env, "SSL_CERT_FILE="+path)
	}
}

// fill says what stands in place of what in the files of the example.
func (r *recipe) fill(fills map[string]string) { maps.Copy(r.fills, fills) }

// install writes both files, and fails the test if anything was to be filled in that
// neither has: then the example is not what runs here.
func (r *recipe) install() {
	r.t.Helper()
	froms := slices.SortedFunc(maps.Keys(r.fills), func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, from := range froms {
		pairs = append(pairs, from, r.fills[from])
	}
	both := ""
	for file, to := range map[string]string{"pusher.yaml": r.host.config, "holdfast.yaml": r.config} {
		file = strings.Replace(file, ".yaml", r.variant+".yaml", 1)
		text := read(r.t, filepath.Join("..", "examples", r.name, file))
		both += text
		write(r.t, to, strings.NewReplacer(pairs...).Replace(text), 0o600)
	}
	for _, from := range froms {
		if !strings.Contains(both, from) {
			r.t.Fatalf("examples/%s: nothing reads %q any more", r.name, from)
		}
	}
}

// begin installs both files, starts the server and moves the clock to the evening
// before the first night.
func (r *recipe) begin() {
	r.t.Helper()
	r.install()
	now := time.Now().UTC()
	r.ahead = now.Truncate(24 * time.Hour).Add(hour - 24*time.Hour).Sub(now)
	r.later(0)
	if !r.serverless {
		r.serve()
	}
}

// serve starts the server of the recipe, and waits for the round of retention that it
// begins with: for that, an upload that is under way on a server whose files have the
// true time (sshd's) would be months old.
func (r *recipe) serve() {
	r.t.Helper()
	before := map[string]string{}
	for vault := range r.spots {
		before[vault] = r.cleaned(vault)
	}
	r.server = exec.Command(filepath.Join(bin, "skewed", "holdfast"), "serve", "--config", r.config)
	r.server.Env = append(os.Environ(), r.environment()...)
	r.server.Stdout, r.server.Stderr = r.log, r.log
	r.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(r.t, r.server.Start())
	r.t.Cleanup(r.kill)
	waitWith(r.t, "the server", func() bool { return dial(r.listen) == nil }, r.log.tail)
	for vault := range r.spots {
		waitWith(r.t, "retention in "+vault, func() bool { return r.unwatched[vault] || r.cleaned(vault) != before[vault] }, r.log.tail)
	}
}

// cleaned is what the last round of retention has left in a vault.
func (r *recipe) cleaned(vault string) string {
	return string(document(r.spots[vault], holdfast.CleanupKey))
}

// document returns a document of the state of the vault that lies in dir: a file, or by
// SFTP the newest of several. Nothing if there is none yet.
func document(dir, key string) []byte {
	if body, err := os.ReadFile(filepath.Join(dir, key)); err == nil {
		return body
	}
	all, _ := filepath.Glob(filepath.Join(dir, filepath.Dir(key), "."+filepath.Base(key), "*"))
	if len(all) == 0 {
		return nil
	}
	body, _ := os.ReadFile(all[len(all)-1])
	return body
}

// environment is that of holdfast. For it, what lies on a disk since a moment ago is
// from then; else its vaults would take what is being written for left behind.
func (r *recipe) environment() []string {
	return append(slices.Clone(r.env), r.clock.env(), "TEST_CLOCK_FILES=1")
}

// nightfall moves the clock to the next night's runs, wherever it stands.
func (r *recipe) nightfall() {
	r.ahead += 24 * time.Hour
	r.later(0)
}

// later moves the clock to so much after the runs of the present night.
func (r *recipe) later(by time.Duration) {
	r.t.Helper()
	r.clock.set(r.ahead + by)
}

// now is the time of the present night's runs.
func (r *recipe) now() time.Time { return time.Now().Add(r.ahead).UTC() }

// operator runs the operator's program by the clock.
func (r *recipe) operator(args ...string) result {
	r.t.Helper()
	return r.program("skewed/holdfast", r.environment(), "", append([]string{"--config", r.config}, args...)...)
}

// push does what cron does on the host.
func (r *recipe) push(jobs ...string) {
	r.t.Helper()
	r.want(r.host.pusherAt(r.clock, append([]string{"run", "--quiet"}, jobs...)...), 0)
}

// served pushes while the server runs. It does not while the clock moves, nor while
// others look: a round of its own that has one foot in each of two nights would sign
// for yesterday, or lose its claim on people as if it had died. And a broker admits no
// more than 20 starts of a job in a minute of true time.
func (r *recipe) served(jobs ...string) {
	r.t.Helper()
	if !r.serverless && r.server == nil {
		r.serve()
	}
	r.push(jobs...)
	if r.serverless {
		return
	}
	if code := r.stop(); code != 0 {
		r.t.Fatalf("the server ended with %d\n%s", code, r.log.tail())
	}
}

// look thins out and judges, as cron does on the server, and fails the test if anybody is
// still being told something then.
func (r *recipe) look() {
	r.t.Helper()
	r.operator("clean") // 1 where a brake refuses, which is told
	told := r.operator("monitor", "--alert", "--quiet")
	for vault, dir := range r.spots {
		if !r.unwatched[vault] && claimed(r.t, dir) {
			r.t.Fatalf("a run has not ended its telling of %s\n%s%s", vault, told.errOut, document(dir, alertsKey))
		}
	}
}

// claimed reports whether a run is telling people about the vault that lies in dir.
func claimed(t *testing.T, dir string) bool {
	t.Helper()
	var state struct {
		Version  int
		Channels map[string]struct{ Claim any }
	}
	must(t, json.Unmarshal(document(dir, alertsKey), &state))
	if state.Version != 1 {
		t.Fatalf("the state of alerts is of version %d", state.Version)
	}
	for _, c := range state.Channels {
		if c.Claim != nil {
			return true
		}
	}
	return false
}

// plain says that a vault is a directory of the host which holdfast.yaml does not know.
func (r *recipe) plain(vault string) { r.unwatched = map[string]bool{vault: true} }

// stored returns the backups of a job that holdfast lists in a vault, newest first; of a
// directory that it does not know those that lie there.
func (r *recipe) stored(vault, job string) []listedBackup {
	r.t.Helper()
	if r.unwatched[vault] {
		return r.lying(vault, job)
	}
	var answer struct{ Backups []listedBackup }
	decode(r.t, r.want(r.operator("list", job, "--json", "--vault", vault), 0).out, &answer)
	return answer.Backups
}

// lying returns the backups that lie in a vault: all kinds of it are files here in the
// end.
func (r *recipe) lying(vault, job string) (all []listedBackup) {
	r.t.Helper()
	manifests, err := filepath.Glob(filepath.Join(r.spots[vault], "backups", r.host.name, job, "*", "manifest.json"))
	must(r.t, err)
	for _, path := range slices.Backward(manifests) {
		b := listedBackup{ID: filepath.Base(filepath.Dir(path))}
		objects, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
		must(r.t, err)
		for _, object := range objects {
			info, err := os.Stat(object)
			must(r.t, err)
			b.Size += info.Size()
		}
		all = append(all, b)
	}
	return all
}

// arrived notes that the newest backup of a job should be in these vaults.
func (r *recipe) arrived(job string, vaults ...string) {
	r.t.Helper()
	for _, vault := range vaults {
		all, place := r.lying(vault, job), vault+" "+job
		if len(all) == 0 || len(r.held[place]) > 0 && all[0].ID <= r.held[place][0].id {
			r.t.Fatalf("%s has no new backup of %s", vault, job)
		}
		at, err := time.Parse("20060102T150405Z", all[0].ID[:16])
		must(r.t, err)
		r.held[place] = append([]held{{all[0].ID, at, all[0].Size}}, r.held[place]...)
	}
}

// thin has a rule of the test's own decide what is left of a job in these vaults.
func (r *recipe) thin(rule rule, job string, vaults ...string) {
	for _, vault := range vaults {
		r.held[vault+" "+job] = rule(r.now(), r.held[vault+" "+job])
	}
}

// keeps compares what a vault has of a job with what it should have, one by one.
func (r *recipe) keeps(t *testing.T, vault, job string) {
	t.Helper()
	var got, want []string
	for _, b := range r.stored(vault, job) {
		got = append(got, b.ID)
	}
	for _, h := range r.held[vault+" "+job] {
		want = append(want, h.id)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("%s of %s: want %d, got %d; want - got +\n%s", job, vault, len(want), len(got), diff)
	}
}
