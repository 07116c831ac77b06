package rehearsal

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func (s *story) addHosts(t *testing.T) {
	s.web1, s.web2, s.alice = s.d.newMachine(), s.d.newMachine(), s.d.newMachine()
	s.identity = filepath.Join(s.alice.dir, "identity.txt")
	s.alice.must(t, testenv.LookPath(t, "age", "age-keygen"), "-o", s.identity)
	identity := read(t, s.identity)
	s.recipient = regexp.MustCompile(`age1[0-9a-z]+`).FindString(identity)
	lines := map[string]string{}
	must(t, json.Unmarshal([]byte(s.d.terraform.must(t, "output", "-json", "pusher_init")), &lines))
	web1 := s.web1.initialize(t, "web1", lines["NAME"], s.recipient)
	web2 := s.web2.initialize(t, "web2", lines["NAME"], s.recipient)
	alice := publicKey.FindString(s.alice.must(t, "holdfast", "key", "alice", "--out", filepath.Join(s.alice.dir, "alice.key")))
	s.d.apply(t, s.variables(map[string]any{
		"hosts": map[string]any{
			"web1": map[string]any{"key": web1, "jobs": []string{"crm"}},
			"web2": map[string]any{"key": web2, "jobs": []string{"notes"}},
		},
		"operators": map[string]any{"alice": map[string]any{"key": alice}},
		"jobs":      crm(map[string]any{}),
	}))
	s.d.start(t)
}

func (s *story) push(t *testing.T) {
	server := testenv.Postgres(t)
	s.source = server.Database(t)
	testenv.Psql(t, s.source, read(t, "../testdata/postgres.sql"))
	s.secrets["the database's password"] = server.Password
	s.web1.configure(t, "web1", s.broker, s.recipient, "  crm:\n    sources:\n      - postgres: { url: env:SOURCE_URL, bin_dir: "+server.BinDir+" }\n")
	s.web1.env = append(s.web1.env, "SOURCE_URL="+s.source)
	s.web1.must(t, "pusher", "doctor")
	s.web1.must(t, "pusher", "run")
	must(t, os.WriteFile(filepath.Join(s.web2.dir, "note.txt"), []byte("remember\n"), 0o600))
	s.web2.configure(t, "web2", s.broker, s.recipient, "  notes:\n    sources:\n      - files: { include: ["+s.web2.dir+"/note.txt] }\n")
	s.web2.must(t, "pusher", "run")

	objects := s.objects(t, "backups/")
	if len(objects) != 4 {
		t.Fatalf("the bucket holds %v, want two backups of two objects each", slices.Sorted(maps.Keys(objects)))
	}
	told := 0
	for key, size := range objects {
		function, err := s.d.notify(t, s.bucket, key, size)
		if err != nil {
			t.Errorf("the monitor, told of %s: %v\n%s", key, err, s.d.logs())
		}
		if function == s.d.names["monitor"] {
			told++
		}
	}
	if told != 2 {
		t.Errorf("the monitor was told of %d objects, want the 2 manifests", told)
	}
}

// revoke cuts web2 off; revokedIsOut sees to what comes of it.
func (s *story) revoke(t *testing.T) {
	v := s.d.variables
	v["hosts"].(map[string]any)["web2"].(map[string]any)["revoked"] = true
	s.d.apply(t, v)
	s.revoked = time.Now()
	s.warm = s.d.functions["broker"]
	delete(s.d.functions, "broker")
	s.d.start(t)
	s.refusesWeb2(t, "a fresh broker")
	s.web1.must(t, "pusher", "run")
}

func (s *story) refusesWeb2(t *testing.T, which string) {
	t.Helper()
	if code, out, errOut := s.web2.run(t, "pusher", "run"); code == 0 || !strings.Contains(out+errOut, "revoked") && !strings.Contains(out+errOut, "not allowed") && !strings.Contains(out+errOut, "unauthorized") {
		t.Fatalf("%s and a revoked host: exit code %d\n%s%s", which, code, out, errOut)
	}
}

func (s *story) revokedIsOut(t *testing.T) {
	fresh := s.d.functions["broker"]
	defer func() { s.d.functions["broker"] = fresh; s.warm.Stop() }()
	s.d.functions["broker"] = s.warm
	for {
		code, _, _ := s.web2.run(t, "pusher", "run")
		if code != 0 {
			break
		}
		if time.Since(s.revoked) > 75*time.Second {
			t.Fatal("a warm broker still lets the revoked host in, 75 s later")
		}
		time.Sleep(time.Second)
	}
	s.refusesWeb2(t, "a warm broker")
}

func (s *story) reportFailure(t *testing.T) {
	nextSecond()
	broken := *s.web1
	broken.env = append(slices.Clone(s.web1.env), "SOURCE_URL="+s.source+"-absent")
	if code, _, _ := broken.run(t, "pusher", "run"); code == 0 {
		t.Fatal("a dump of no database succeeded")
	}
	reports := s.objects(t, "reports/")
	if len(reports) != 1 {
		t.Fatalf("reports: got %v, want one", reports)
	}
	for key, size := range reports {
		name, err := s.d.notify(t, s.bucket, key, size)
		if failure, ok := errors.AsType[*FunctionError](err); name != s.d.names["monitor"] || !ok || !strings.Contains(failure.Message, "web1/crm") {
			t.Errorf("told of a failed run, %q answered %v, want a finding about web1/crm as its error", name, err)
		}
	}
	s.told(t, holdfast.Opened, holdfast.CheckFailedRun) // at once, and with no schedule
	nextSecond()
	before := s.manifests(t, "web1", "crm")
	s.web1.must(t, "pusher", "run")
	s.arrives(t, before)
	s.told(t, "", "") // that it is over can wait for the schedule
	must(t, s.d.schedule(t, "monitor"))
	s.told(t, holdfast.Resolved, holdfast.CheckFailedRun)
}

// arrives tells the monitor of the backup of crm that was not there before. It finds
// nothing wrong.
func (s *story) arrives(t *testing.T, before []string) {
	t.Helper()
	arrived := 0
	for _, key := range s.manifests(t, "web1", "crm") {
		if slices.Contains(before, key) {
			continue
		}
		arrived++
		if _, err := s.d.notify(t, s.bucket, key, 1); err != nil {
			t.Errorf("told of the recovery, the monitor answered %v\n%s", err, s.d.logs())
		}
	}
	if arrived != 1 {
		t.Errorf("%d new backups of crm, want 1", arrived)
	}
}

// nextSecond waits for it: ids have the second in them, and what has the same one
// is not known to be later.
func nextSecond() {
	for now := time.Now().Unix(); time.Now().Unix() == now; {
		time.Sleep(10 * time.Millisecond)
	}
}
