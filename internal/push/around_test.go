package push

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

func TestHooksRunInOrderAroundTheRun(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pre    []string // a pre hook after the first
		source error
		status Status
		want   string
	}{
		{"a run that succeeds", []string{"true"}, nil, OK, "pre web1 crm -\ndump\npost web1 crm ok\nagain ok\n"},
		{"a source that fails", []string{"true"}, errOutage, Failed, "pre web1 crm -\ndump\npost web1 crm failed\nagain failed\n"},
		{"a pre hook that fails", []string{"false"}, nil, Failed, "pre web1 crm -\npost web1 crm failed\nagain failed\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCloud(t)
			log := filepath.Join(t.TempDir(), "log")
			write := func(line string) {
				f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				fmt.Fprintln(f, line)
			}
			job := testJob(t, &fakeSource{file: "crm.sql", dump: func(_ context.Context, w io.Writer) error {
				write("dump")
				w.Write([]byte("data"))
				return tt.source
			}})
			line := `echo "%s $HOLDFAST_HOST $HOLDFAST_JOB ${HOLDFAST_STATUS:--}" >>"$0"`
			job.Hooks.Pre = [][]string{{"sh", "-c", fmt.Sprintf(line, "pre"), log}, tt.pre}
			job.Hooks.Post = [][]string{{"sh", "-c", fmt.Sprintf(line, "post"), log}, {"sh", "-c", `echo "again $HOLDFAST_STATUS" >>"$0"`, log}}
			out := Run(t.Context(), job, c.deps(t))
			if out.Status != tt.status {
				t.Errorf("got %+v", out)
			}
			got, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("hooks (-want +got):\n%s", diff)
			}
			if tt.pre[0] == "false" {
				wantFailed(t, c, out, StageHook, `hook "false": exit status 1`)
				if len(c.starts) != 0 {
					t.Error("the broker was asked")
				}
			}
		})
	}
}

func TestAPostHookThatFailsMakesTheRunPartial(t *testing.T) {
	c := newCloud(t)
	job := testJob(t, &fakeSource{file: "crm.sql", data: []byte("data")})
	after := filepath.Join(t.TempDir(), "after")
	job.Hooks.Post = [][]string{{"sh", "-c", "echo cannot remount; exit 3"}, {"touch", after}}
	out := Run(t.Context(), job, c.deps(t))
	if out.Status != Partial || out.Stage != StageHook || out.Error != `hook "sh": exit status 3` || out.Tail != "cannot remount\n" || out.Err() == nil {
		t.Errorf("got %+v", out)
	}
	if !c.committed || len(c.aborts)+len(c.reports) != 0 {
		t.Errorf("committed %v, aborts %v, reports %v", c.committed, c.aborts, c.reports)
	}
	if _, err := os.Stat(after); err != nil {
		t.Errorf("the hook after it did not run: %v", err)
	}
}

func TestAHookThatHangsIsKilled(t *testing.T) {
	c := newCloud(t)
	job := testJob(t, &fakeSource{file: "crm.sql", data: []byte("data")})
	job.Hooks = Hooks{Pre: [][]string{{"sleep", "1000"}}, Timeout: 10 * time.Millisecond}
	wantFailed(t, c, Run(t.Context(), job, c.deps(t)), StageHook, `hook "sleep": not finished within 10ms`)
}

func TestHookOutputKeepsWholeLines(t *testing.T) {
	var l lastBytes
	fmt.Fprintln(&l, strings.Repeat("password=", 4000))
	fmt.Fprintln(&l, "the end")
	if got := l.text(); got != "the end\n" {
		t.Errorf("got %d bytes, want the last line only", len(got))
	}
}

func TestHeartbeats(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		broken bool
		want   []string
		warns  int
	}{
		{"a run that succeeds", nil, false, []string{"/start", "/success"}, 0},
		{"a run that fails", errOutage, false, []string{"/start", "/failure"}, 0},
		{"a heartbeat that is down", nil, true, []string{"/start", "/start", "/start", "/success", "/success", "/success"}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCloud(t)
			var got []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = append(got, r.URL.Path)
				if tt.broken {
					w.WriteHeader(http.StatusBadGateway)
				}
			}))
			defer server.Close()
			job := testJob(t, &fakeSource{file: "crm.sql", data: []byte("data"), err: tt.err})
			job.Heartbeat = Heartbeat{server.URL + "/start", server.URL + "/success", server.URL + "/failure"}
			out := Run(t.Context(), job, c.deps(t))
			if (out.Status == OK) != (tt.err == nil) || len(out.Warnings) != tt.warns {
				t.Errorf("got %+v", out)
			}
			if strings.Contains(fmt.Sprint(out.Warnings), "/start") {
				t.Errorf("a heartbeat URL is in %q", out.Warnings)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("pings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpoolKeepsTheNewest(t *testing.T) {
	c := newCloud(t)
	data := noise(9 << 20)
	job := testJob(t, &fakeSource{file: "crm.sql", data: data})
	job.Spool, job.KeepLocal = t.TempDir(), 2
	put := func(path string) {
		path = filepath.Join(job.Spool, "crm", path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("20251026T140000Z-00000000/manifest.json")
	put("20251027T140000Z-00000000/manifest.json")
	put("20251028T130000Z-00000000/crm.sql") // of a run that was killed
	put("notes/manifest.json")               // not the spool's
	if out := Run(t.Context(), job, c.deps(t)); out.Status != OK {
		t.Fatalf("got %+v", out)
	}
	left, err := filepath.Glob(filepath.Join(job.Spool, "crm", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = strings.TrimPrefix(left[i], filepath.Join(job.Spool, "crm")+"/")
	}
	want := []string{"20251027T140000Z-00000000/manifest.json", string(testID) + "/crm.sql", string(testID) + "/manifest.json", "notes/manifest.json"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("spool (-want +got):\n%s", diff)
	}
	path := filepath.Join(job.Spool, "crm", string(testID), "crm.sql")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v; want mode 0600", info, err)
	}
	if got, err := os.ReadFile(path); err != nil || !slices.Equal(got, data) || !slices.Equal(c.object("db"), data) {
		t.Errorf("spooled or stored bytes differ: %v", err)
	}
}

func TestSpoolWithoutLocalCopiesIsEmptyAfterwards(t *testing.T) {
	c := newCloud(t)
	job := testJob(t, &fakeSource{file: "crm.sql", data: []byte("data")})
	job.Spool = t.TempDir()
	if out := Run(t.Context(), job, c.deps(t)); out.Status != OK {
		t.Fatalf("got %+v", out)
	}
	if left, _ := filepath.Glob(filepath.Join(job.Spool, "crm", "*")); len(left) > 0 {
		t.Errorf("got %v", left)
	}
}

func TestEverySourceIsDumpedBeforeTheFirstIsSent(t *testing.T) {
	c := newCloud(t)
	dumped := 0
	dump := func(_ context.Context, w io.Writer) error {
		dumped++
		_, err := w.Write([]byte("data"))
		return err
	}
	c.onPut = func(http.ResponseWriter, *http.Request, int, int) bool {
		if dumped != 2 {
			t.Errorf("a part came after %d dumps", dumped)
		}
		return false
	}
	job := testJob(t, &fakeSource{file: "a", dump: dump}, &fakeSource{file: "b", dump: dump})
	job.Spool = t.TempDir()
	if out := Run(t.Context(), job, c.deps(t)); out.Status != OK {
		t.Fatalf("got %+v", out)
	}
}

func TestSpoolThatCannotBeWritten(t *testing.T) {
	// /dev/full answers every write as a full disk does.
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	w := &spoolWriter{f: full}
	r := &run{job: testJob(t), Deps: Deps{}.withDefaults()}
	_, err = r.dump(t.Context(), Source{"db", &fakeSource{file: "crm.sql", data: noise(1 << 20)}}, w, func(error) {})
	if err == nil || w.err.Load() == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("got %v", err)
	}

	c := newCloud(t)
	job := testJob(t, &fakeSource{file: "crm.sql", data: []byte("data")})
	job.Spool = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(job.Spool, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantFailed(t, c, Run(t.Context(), job, c.deps(t)), StageSpool, "not a directory")
}

func TestManualNamesTheToolsOfEachSource(t *testing.T) {
	manifest := func(kind, format, file, compression, encryption string) holdfast.Manifest {
		return holdfast.Manifest{
			Ref: holdfast.Ref{Host: "web1", Job: "crm", ID: testID},
			Streams: []holdfast.Stream{{
				Name: "db", File: file + ".stored", PlainFile: file, Compression: compression,
				Source: holdfast.Facts{Kind: kind, Format: format}, Encryption: holdfast.Encryption{Format: encryption},
			}},
		}
	}
	for _, tt := range []struct {
		m    holdfast.Manifest
		want []string
	}{
		{manifest("postgres", "plain", "crm.sql", "zstd", "age"), []string{
			"$ age -d -i KEYFILE crm.sql.stored | zstd -d > crm.sql", "$ createdb DATABASE"}},
		{manifest("postgres", "custom", "crm.dump", "none", "age"), []string{
			"$ age -d -i KEYFILE crm.dump.stored > crm.dump", "$ pg_restore --exit-on-error -d DATABASE crm.dump"}},
		{manifest("mysql", "", "crm.sql", "gzip", "none"), []string{"$ gzip -d < crm.sql.stored > crm.sql", "$ mysql --binary-mode --local-infile=0 DATABASE < crm.sql"}},
		{manifest("mariadb", "", "crm.sql", "zstd", "none"), []string{"$ mariadb --binary-mode --local-infile=0 DATABASE < crm.sql"}},
		{manifest("sqlite", "", "crm.db", "zstd", "age"), []string{"$ sqlite3 crm.db 'PRAGMA integrity_check'   # says ok; then it takes the database's place"}},
		{manifest("files", "tar", "m.tar", "zstd", "age"), []string{"$ tar -xpf m.tar -C DIRECTORY"}},
		{manifest("command", "", "x.out", "zstd", "age"), []string{"x.out is what the program wrote; feed it to its counterpart."}},
	} {
		got := manual(tt.m)
		for _, line := range append(tt.want, "$ curl -fSo "+tt.m.Streams[0].File+" 'URL'") {
			if !slices.Contains(got, line) {
				t.Errorf("%s: no line %q in\n%s", tt.m.Streams[0].Source.Kind, line, strings.Join(got, "\n"))
			}
		}
	}
}
