package rehearsal

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/status"
)

// silence is how long crm may be without a new backup in hostSilent.
const silence = 45 * time.Second

// hostSilent has a host stop, until it is told of, and begin again. The one who tells
// is frozen in the middle of it, while another instance looks at the same.
func (s *story) hostSilent(t *testing.T) {
	v := maps.Clone(s.d.variables)
	v["jobs"] = crm(map[string]any{"every": fmt.Sprint(int(silence.Seconds()), "s"), "grace": "0"})
	s.d.apply(t, v)
	s.d.start(t)
	for newest := s.newest(t); time.Since(newest) <= silence; {
		time.Sleep(100 * time.Millisecond)
	}
	s.audience.takeBeats()
	first := s.frozenWhileTelling(t)
	defer s.d.functions["monitor"].giveBack(first)
	opened := s.told(t, holdfast.Opened, holdfast.CheckFresh)
	if link := opened.Link; link == "" {
		t.Fatal("the message has no link to the status page")
	}
	s.page(t, opened.Link, "critical")
	s.jobIs(t, status.Critical)

	// first stays frozen while another instance tells that it is over.
	nextSecond()
	before := s.manifests(t, "web1", "crm")
	s.web1.must(t, "pusher", "run")
	s.arrives(t, before)
	must(t, s.d.schedule(t, "monitor"))
	s.told(t, holdfast.Resolved, holdfast.CheckFresh)
	_, err := first.invoke(t.Context(), s.d.scheduled(t, "monitor"))
	if err != nil {
		t.Errorf("thawed, after it was over: %v\n%s", err, s.d.logs())
	}
	s.told(t, "", "")
	s.page(t, opened.Link, "ok")
	s.jobIs(t, status.OK)
	if diff := cmp.Diff(map[string]int{"start": 4, "success": 4}, s.audience.takeBeats()); diff != "" {
		t.Errorf("heartbeats of four rounds: want - got +\n%s", diff)
	}
}

// frozenWhileTelling runs a round of the monitor that is stopped when the webhook
// has its message and not yet answered, has another instance do a round meanwhile,
// and thaws the first, which it returns.
func (s *story) frozenWhileTelling(t *testing.T) *instance {
	t.Helper()
	event := s.d.scheduled(t, "monitor")
	first, err := s.d.functions["monitor"].take(t.Context())
	must(t, err)
	frozen, done := make(chan struct{}), make(chan error, 1)
	s.audience.beforeNextAnswer(func() {
		first.signal(syscall.SIGSTOP)
		close(frozen)
	})
	go func() {
		_, err := first.invoke(t.Context(), event)
		done <- err
	}()
	select {
	case <-frozen:
	case err := <-done:
		t.Fatalf("the monitor told nobody: %v\n%s", err, s.d.logs())
	}
	s.isAboutCRM(t, s.d.schedule(t, "monitor"))
	first.signal(syscall.SIGCONT)
	s.isAboutCRM(t, <-done)
	return first
}

func (s *story) isAboutCRM(t *testing.T, err error) {
	t.Helper()
	if failure, ok := errors.AsType[*FunctionError](err); !ok || !strings.Contains(failure.Message, "web1/crm") {
		t.Errorf("the monitor answered %v, want a finding about web1/crm as its error", err)
	}
}

// newest returns when the newest backup of crm was begun.
func (s *story) newest(t *testing.T) time.Time {
	t.Helper()
	var newest time.Time
	for _, key := range s.manifests(t, "web1", "crm") {
		if at := holdfast.ID(strings.Split(key, "/")[3]).Time(); at.After(newest) {
			newest = at
		}
	}
	return newest
}
