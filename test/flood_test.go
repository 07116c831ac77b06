package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// serverPeak returns the most memory that the server has had so far, in MiB.
func (s *site) serverPeak() int {
	s.t.Helper()
	for line := range strings.Lines(read(s.t, fmt.Sprintf("/proc/%d/status", s.server.Process.Pid))) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(text), " kB"))
			must(s.t, err)
			return kib >> 10
		}
	}
	s.t.Fatal("the system does not tell the server's memory")
	return 0
}

func TestAHostCannotExhaustTheServersMemory(t *testing.T) {
	s, a, _, _ := attackedSite(t)
	p := a.announce("crm", []byte("x"))
	path := "/v1/backups/" + string(p.ref.ID) + "/commit"
	for _, token := range []string{"x", p.start.UploadToken} {
		body := []byte(`{"upload_token":"` + token + `","etags":{"crm":["` + strings.Repeat(`","`, (32<<20)/3) + `"]}}`)
		var all sync.WaitGroup
		for range 24 {
			bearer := a.token("POST", path, body, nil)
			all.Go(func() {
				req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+path, bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+bearer)
				got, err := http.DefaultClient.Do(req)
				if err != nil {
					return // refused before the body was sent
				}
				defer got.Body.Close()
				_, _ = io.Copy(io.Discard, got.Body)
				if got.StatusCode < 400 || got.StatusCode >= 500 {
					t.Errorf("status %d, want a refusal", got.StatusCode)
				}
			})
		}
		all.Wait()
	}
	const most = 250 // MiB
	got := s.serverPeak()
	t.Logf("the server took %d MiB at most", got)
	if got > most {
		t.Errorf("the server took %d MiB, want at most %d", got, most)
	}
	a.must(a.finish(a.begin("crm", []byte("and it still works\n"))), 200, 201)
}

func TestAHostCannotFillTheLog(t *testing.T) {
	s, a, _, _ := attackedSite(t)
	p := a.announce("crm", []byte("x"))
	path := "/v1/backups/" + string(p.ref.ID) + "/commit"
	before := len(s.log.String())
	body := []byte(`{"upload_token":"` + p.start.UploadToken + `","` + strings.Repeat("A", 30<<20) + `":1}`)
	a.must(a.call("POST", path, body, nil), 400)
	if got := len(s.log.String()) - before; got > 10<<10 {
		t.Errorf("one call has logged %d bytes", got)
	}
}

func TestAHostCannotFillTheVaultWithFiles(t *testing.T) {
	_, a, _, _ := attackedSite(t)
	p := a.announce("crm", []byte("x"))
	taken := 0
	for n := 1; n <= 3; n++ {
		part := holdfast.Part{Number: n, Size: 1, Sum: p.part.Sum}
		if got := a.put(a.sign(p, part), []byte("x")); got.status == 200 {
			taken++
		} else {
			a.must(got, 409)
		}
	}
	if taken != 1 {
		t.Errorf("%d parts of one byte were taken, want the one that can be the last", taken)
	}
}

func TestStartingAndAbortingWithoutEndIsPutOff(t *testing.T) {
	_, a, _, _ := attackedSite(t)
	start := api.StartRequest{Job: "tiny", Streams: []api.StartStream{{Name: "tiny", File: "tiny.sql"}}}
	for range 100 {
		got := a.call("POST", api.PathStart, start, nil)
		if got.status == http.StatusTooManyRequests {
			var p api.Problem
			got.into(t, &p)
			if p.Type == api.ProblemQuota || got.header.Get("Retry-After") == "" {
				t.Errorf("got %+v, want it put off and not refused for the day", p)
			}
			return
		}
		begun := a.started(got)
		a.must(a.call("POST", "/v1/backups/"+string(begun.ID)+"/abort", api.AbortRequest{UploadToken: begun.UploadToken}, nil), 204)
	}
	t.Error("a hundred starts in a row were admitted")
}

func TestAServerWithoutFilesLeftSaysSo(t *testing.T) {
	s, _, _, _ := attackedSite(t)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.server.Process.Pid))
	must(t, err)
	few := &unix.Rlimit{Cur: uint64(len(open) + 5), Max: uint64(len(open) + 5)}
	must(t, unix.Prlimit(s.server.Process.Pid, unix.RLIMIT_NOFILE, few, nil))
	for range 20 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		must(t, err)
		defer conn.Close()
	}
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(s.log.String(), "too many open files"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server says nothing:\n%s", s.log.tail())
		}
	}
}
