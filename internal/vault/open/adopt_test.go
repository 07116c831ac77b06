package open_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/rounds"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/testenv/b2"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// place is where another program leaves its backups.
type place interface {
	vault() string // as holdfast.yaml has it
	put(t *testing.T, name string, size int, written time.Time)
	names(t *testing.T) []string // of all that is not Holdfast's
}

type directory struct{ path string }

func (d directory) vault() string { return fmt.Sprintf("disk: { path: %q }", d.path) }

func (d directory) put(t *testing.T, name string, size int, written time.Time) {
	t.Helper()
	path := filepath.Join(d.path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, written, written); err != nil {
		t.Fatal(err)
	}
}

func (d directory) names(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.Walk(d.path, func(path string, info os.FileInfo, err error) error {
		name := strings.TrimPrefix(path, d.path+"/")
		if err == nil && !info.IsDir() && !strings.HasPrefix(name, ".holdfast/") {
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// bucket is one on a real server. What is put there was written just now.
type bucket struct {
	server testenv.S3Server
	name   string
}

func (b bucket) vault() string {
	return fmt.Sprintf("s3: { bucket: %s, endpoint: %q, region: %s, store: minio, access_key: env:TEST_ADOPT_ID, secret_key: env:TEST_ADOPT_KEY }",
		b.name, b.server.URL, b.server.Region)
}

func (b bucket) put(t *testing.T, name string, size int, _ time.Time) {
	t.Helper()
	_, err := b.server.Client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.name, Key: &name, Body: bytes.NewReader(make([]byte, size))})
	if err != nil {
		t.Fatal(err)
	}
}

func (b bucket) names(t *testing.T) []string {
	t.Helper()
	page, err := b.server.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b.name})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, o := range page.Contents {
		if !strings.HasPrefix(*o.Key, holdfast.StatePrefix) {
			all = append(all, *o.Key)
		}
	}
	return all
}

// server is a directory on a real SFTP server.
type server struct{ *testenv.SSHD }

func (s server) vault() string {
	return fmt.Sprintf("sftp: { host: %s, port: %d, user: %s, path: %q, key: env:TEST_ADOPT_SSH, host_key: [%q] }", s.Host, s.Port, s.User, s.Path, s.Fingerprint)
}

func (s server) put(t *testing.T, name string, size int, written time.Time) {
	t.Helper()
	directory{s.Dir}.put(t, name, size, written)
	for name = filepath.Join(s.Dir, name); name != s.Dir; name = filepath.Dir(name) {
		if err := os.Chown(name, s.uid(t), -1); err != nil {
			t.Fatal(err)
		}
	}
}

// uid returns who owns the directory, as whom Holdfast logs in.
func (s server) uid(t *testing.T) int {
	t.Helper()
	info, err := os.Stat(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

func (s server) names(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(directory{s.Dir}.names(t), func(name string) bool {
		return strings.HasPrefix(name, holdfast.StatePrefix) || name[0] == '.'
	})
}

// cloud is a bucket of B2, as far as internal/testenv/b2 is like it.
type cloud struct {
	bucket
	server *b2.Server
}

func (c cloud) vault() string {
	return fmt.Sprintf("b2: { bucket: %s, key_id: env:TEST_ADOPT_B2_ID, application_key: env:TEST_ADOPT_B2_KEY, api: %q }", c.server.Bucket, c.server.URL)
}

// months is another program's backups of some months, and a clock.
type months struct {
	place
	t   *testing.T
	now time.Time
}

func (m *months) clock() time.Time { return m.now }

const folder = "My App"

func fileOf(at time.Time) string { return folder + "/" + at.Format("2006-01-02-15-04-05") + ".zip" }

// nightly puts one backup a night there, the last some hours ago.
func (m *months) nightly(nights int) []time.Time {
	var all []time.Time
	for i := range nights {
		at := m.now.Add(-5*time.Hour - time.Duration(i)*24*time.Hour)
		m.put(m.t, fileOf(at), 1000+i%7, at.Add(time.Minute))
		all = append(all, at)
	}
	return all
}

// live opens the vault as a configuration with more in the entry of adopt has it.
func (m *months) live(more string) (rounds.Rounds, map[string]holdfast.Vault) {
	m.t.Helper()
	text := "vaults:\n  main:\n    " + m.vault() + "\n    adopt:\n      - { host: web1, job: crm, pattern: spatie, below: " + folder + more + " }\n" +
		"jobs:\n  crm:\n    expect: { every: 24h, min_count: 10 }\n    keep: { all: 7d, daily: 16d, weekly: 8w, monthly: 4mo, yearly: 2y }\n"
	c, err := config.ParseHoldfast("holdfast.yaml", []byte(text))
	if err != nil {
		m.t.Fatal(err)
	}
	registry, err := c.Registry()
	if err != nil {
		m.t.Fatal(err)
	}
	vault, err := open.Open(m.t.Context(), c.Vaults["main"], open.Options{Now: m.clock})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if err := vault.(interface{ Close() error }).Close(); err != nil {
			m.t.Error(err)
		}
	})
	return rounds.Rounds{Registry: func() *config.Registry { return registry }, Now: m.clock}, map[string]holdfast.Vault{"main": vault}
}

// judged returns what the monitor says, and the checks that found something.
func (m *months) judged(more string) (monitor.Result, []string) {
	m.t.Helper()
	r, vaults := m.live(more)
	all, err := r.Monitor(m.t.Context(), rounds.ToMonitor(vaults), monitor.Options{HashBytes: monitor.DefaultHashBytes})
	if err != nil {
		m.t.Fatal(err)
	}
	checks := []string{}
	for _, f := range all[0].Findings {
		if f.Check != holdfast.CheckVersioning && f.Check != holdfast.CheckPublic && f.Check != holdfast.CheckRetentionBrake {
			checks = append(checks, f.Check)
		}
	}
	return all[0], checks
}

// cleaned runs retention.
func (m *months) cleaned(more string, o retention.Options) retention.JobResult {
	m.t.Helper()
	r, vaults := m.live(more)
	all, err := r.Retention(m.t.Context(), vaults, o)
	if err != nil || len(all[0].Jobs) != 1 || all[0].Swept.Stray.Count > 0 {
		m.t.Fatalf("got %+v, %v", all, err)
	}
	return all[0].Jobs[0]
}

// doomed returns the files that the policy gives up, from their times alone.
func (m *months) doomed(times []time.Time) (files []string) {
	var backups []holdfast.Backup
	byID := map[holdfast.ID]string{}
	for _, at := range times {
		id := holdfast.ID(at.Format("20060102T150405Z") + "-00000000")
		byID[id] = fileOf(at)
		backups = append(backups, holdfast.Backup{Ref: holdfast.Ref{ID: id}, Committed: true, Data: []holdfast.Object{{Size: 1000}}})
	}
	span := func(n int, u holdfast.Unit) holdfast.Span { return holdfast.Span{N: n, Unit: u} }
	keep := holdfast.Keep{Form: holdfast.Windows, MinKeep: holdfast.DefaultMinKeep, Windows: holdfast.KeepWindows{
		All: span(7, holdfast.Day), Daily: span(16, holdfast.Day), Weekly: span(8, holdfast.Week), Monthly: span(4, holdfast.Month), Yearly: span(2, holdfast.Year)}}
	for _, d := range retention.Plan(keep, backups, m.now) {
		if !d.Keep {
			files = append(files, byID[d.ID])
		}
	}
	return files
}

// Months of spatie's backups are watched from the first day, and thinned out once
// somebody says so: the right ones, and nothing else.
func TestMonthsOfAnotherProgramsBackups(t *testing.T) {
	s3Server := testenv.S3(t)
	t.Setenv("TEST_ADOPT_ID", s3Server.AccessKey)
	t.Setenv("TEST_ADOPT_KEY", s3Server.SecretKey)
	ssh := testenv.StartSSHD(t, testenv.SSHDOptions{})
	t.Setenv("TEST_ADOPT_SSH", ssh.Key)
	backblaze := b2.Over(t, s3Server, testenv.Bucket{})
	key := backblaze.NewKey(t, "", "listBuckets", "listFiles", "readFiles", "shareFiles", "writeFiles", "deleteFiles")
	t.Setenv("TEST_ADOPT_B2_ID", key.ID)
	t.Setenv("TEST_ADOPT_B2_KEY", key.Secret)
	for name, place := range map[string]place{
		"directory": directory{t.TempDir()}, "bucket": bucket{s3Server, s3Server.NewBucket(t, testenv.Bucket{Versioned: true})},
		"sftp": server{ssh}, "b2": cloud{bucket{s3Server, backblaze.Bucket}, backblaze},
	} {
		t.Run(name, func(t *testing.T) {
			m := &months{place, t, time.Now().UTC().Truncate(time.Second).Add(time.Hour)}
			m.follow()
		})
	}
}

func (m *months) follow() {
	t, began := m.t, m.now
	times := m.nightly(120)
	m.put(t, folder+"/notes.txt", 10, began.Add(-time.Hour))
	m.put(t, "other/"+filepath.Base(fileOf(times[50])), 10, began.Add(-time.Hour))
	all := m.names(t)

	result, checks := m.judged("")
	if len(checks) > 0 || len(result.Jobs) != 1 || result.Checked.Manifests > 0 {
		t.Fatalf("at first: %v, %+v", checks, result)
	}
	if j := result.Jobs[0]; j.Count != 120 || j.Newest == nil || !j.Newest.Adopted || j.Newest.Size != 1000 || j.Status != monitor.StatusOK {
		t.Errorf("at first: %+v", j)
	}
	var text bytes.Buffer
	if err := result.Text(&text); err != nil || !strings.Contains(text.String(), "the newest of 1 job adopted, not verified") {
		t.Errorf("got %v and\n%s", err, &text)
	}

	// Only planned, also when forced.
	doomed := m.doomed(times)
	for _, o := range []retention.Options{{}, {Force: true}, {DryRun: true}} {
		j := m.cleaned("", o)
		if len(j.Delete) != len(doomed) || j.Watched != len(doomed) || j.Kept != 120 || j.Braked || len(j.Outcome.Deleted) > 0 {
			t.Errorf("watched, with %+v: %d to delete, %d watched, %d kept, braked %v, %v", o, len(j.Delete), j.Watched, j.Kept, j.Braked, j.Outcome)
		}
	}
	if diff := cmp.Diff(all, m.names(t)); diff != "" {
		t.Fatalf("what is only watched has changed (-want +got):\n%s", diff)
	}

	// A night is missed, then a dump comes that is nearly empty.
	m.now = began.Add(24 * time.Hour)
	if _, checks = m.judged(""); !slices.Equal(checks, []string{holdfast.CheckFresh}) {
		t.Errorf("after a missed night: %v", checks)
	}
	late := m.now.Add(-time.Hour)
	m.put(t, fileOf(late), 20, late)
	if _, checks = m.judged(""); !slices.Equal(checks, []string{holdfast.CheckShrunk}) {
		t.Errorf("after a shrunken dump: %v", checks)
	}
	if j := m.cleaned(", delete: true", retention.Options{}); !j.Braked {
		t.Error("retention goes on over a shrunken dump")
	}
	whole := m.now.Add(-30 * time.Minute)
	m.put(t, fileOf(whole), 1010, whole)
	if _, checks = m.judged(""); len(checks) > 0 {
		t.Errorf("after a whole dump: %v", checks)
	}

	// Now they may be deleted. Most of so long a history goes at first, which a person has to want.
	times = append(times, late, whole)
	doomed, all = m.doomed(times), m.names(t)
	if j := m.cleaned(", delete: true", retention.Options{}); !j.Braked || len(m.names(t)) != len(all) {
		t.Error("the first run deletes most of what there is unasked")
	}
	j := m.cleaned(", delete: true", retention.Options{Force: true})
	if len(j.Outcome.Deleted) != len(doomed) || j.Watched != 0 || len(j.Outcome.Failed)+len(j.Outcome.Locked) > 0 {
		t.Errorf("deleted %d of %d: %+v", len(j.Outcome.Deleted), len(doomed), j.Outcome)
	}
	want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(doomed, name) })
	if diff := cmp.Diff(want, m.names(t)); diff != "" || len(doomed) < 60 {
		t.Errorf("%d were to go; left (-want +got):\n%s", len(doomed), diff)
	}
	if j := m.cleaned(", delete: true", retention.Options{}); j.Braked || len(j.Delete) > 0 {
		t.Errorf("again: %+v", j)
	}
	if _, checks = m.judged(", delete: true"); len(checks) > 0 {
		t.Errorf("at last: %v", checks)
	}
}
