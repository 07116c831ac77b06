package conform

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

// clock is a clock that only moves when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(_ context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return nil
}

// newMem returns a vault that keeps every promise, with every hook.
func newMem(t *testing.T) (*mem.Vault, *Env) {
	t.Helper()
	clock := newClock()
	vault := mem.New(clock.Now, "")
	server := httptest.NewServer(vault.Handler())
	t.Cleanup(server.Close)
	vault.SetBaseURL(server.URL)
	env := NewEnv(vault, server.Client())
	env.Advance = clock.Advance
	env.Lock = func(_ context.Context, key string, d time.Duration) error {
		return vault.Lock(key, clock.Now().Add(d))
	}
	return vault, env
}

func TestMemKeepsEveryPromise(t *testing.T) {
	vault, env := newMem(t)
	results := Run(t.Context(), env)
	if len(results) != len(Checks()) || len(results) == 0 {
		t.Fatalf("got %d results of %d checks", len(results), len(Checks()))
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Name, r.Err)
		}
	}
	for o := range vault.List(t.Context(), "") {
		t.Errorf("%q was left behind", o.Key)
	}
	for u := range vault.ListUploads(t.Context(), "") {
		t.Errorf("upload of %q was left behind", u.Key)
	}
}

func TestChecksHaveUniqueNamesAndPromises(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks() {
		if c.Name == "" || c.Promise == "" || c.Run == nil {
			t.Errorf("check %q is not complete", c.Name)
		}
		if seen[c.Name] || seen[c.Promise] {
			t.Errorf("check %q is there twice", c.Name)
		}
		seen[c.Name], seen[c.Promise] = true, true
	}
}

func TestWithoutHooksChecksSayThatTheyDidNotRun(t *testing.T) {
	_, env := newMem(t)
	env.Advance, env.Lock = nil, nil
	want := map[string]bool{"part-expired": true, "download-expired": true, "delete-locked": true}
	for _, r := range Run(t.Context(), env) {
		if r.Skipped() != want[r.Name] {
			t.Errorf("%s: skipped %v, want %v (%v)", r.Name, r.Skipped(), want[r.Name], r.Err)
		}
	}
}

// unsigned is a vault that signs nothing.
type unsigned struct{ *mem.Vault }

func (unsigned) SignPart(context.Context, holdfast.Upload, holdfast.Part, time.Duration) (holdfast.Request, error) {
	return holdfast.Request{}, errors.ErrUnsupported
}

func (unsigned) SignDownload(context.Context, string, string, time.Duration) (holdfast.Request, error) {
	return holdfast.Request{}, errors.ErrUnsupported
}

// signing are the checks that need a vault that signs.
func signing() []string {
	return []string{
		"part-size", "part-checksum", "part-method", "part-tampered", "part-expired", "part-repeated", "part-late",
		"download", "download-range", "download-method", "download-tampered", "download-expired",
	}
}

func TestOfAVaultThatSignsNothingAllButSigningIsChecked(t *testing.T) {
	vault, env := newMem(t)
	env.Vault = unsigned{vault}
	for _, r := range Run(t.Context(), env) {
		if r.Skipped() != slices.Contains(signing(), r.Name) || r.Err != nil && !r.Skipped() {
			t.Errorf("%s: skipped %v (%v)", r.Name, r.Skipped(), r.Err)
		}
	}
}

func TestAVaultThatNeitherSignsNorReceivesFails(t *testing.T) {
	vault, env := newMem(t)
	env.Vault = struct{ holdfast.Vault }{unsigned{vault}}
	failed := 0
	for _, r := range Run(t.Context(), env) {
		if r.Err != nil && !r.Skipped() {
			failed++
		}
	}
	if failed < len(signing()) {
		t.Errorf("got %d failures, want all that send a part", failed)
	}
}

func TestOfAVaultThatDoesNotReceiveAllElseIsChecked(t *testing.T) {
	vault, env := newMem(t)
	env.Vault = struct{ holdfast.Vault }{vault}
	for _, r := range Run(t.Context(), env) {
		if r.Skipped() != strings.HasPrefix(r.Name, "receive-") || r.Err != nil && !r.Skipped() {
			t.Errorf("%s: skipped %v (%v)", r.Name, r.Skipped(), r.Err)
		}
	}
}

func TestAFailingCheckCleansUpAfterItsContextEnded(t *testing.T) {
	vault, env := newMem(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := check("x", "X.", func(ctx context.Context, s *scratch) error {
		if _, _, err := s.begin(ctx, s.prefix+"upload", []byte("x")); err != nil {
			return err
		}
		if err := s.put(ctx, s.prefix+"object", s.state+"document"); err != nil {
			return err
		}
		cancel()
		return ctx.Err()
	})
	if err := c.Run(ctx, env); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	for o := range vault.List(t.Context(), "") {
		t.Errorf("%q was left behind", o.Key)
	}
	for u := range vault.ListUploads(t.Context(), "") {
		t.Errorf("upload of %q was left behind", u.Key)
	}
}

func TestANotRunnableCheckThatCannotCleanUpIsAFailure(t *testing.T) {
	vault, env := newMem(t)
	env.Advance = nil
	vault.Fault = func(op, _ string) error {
		if op == "Delete" {
			return errors.New("no")
		}
		return nil
	}
	for _, c := range Checks() {
		if c.Name != "download-expired" {
			continue
		}
		if r := (Result{Check: c, Err: c.Run(t.Context(), env)}); r.Err == nil || r.Skipped() {
			t.Errorf("got %v, want the failure to clean up", r.Err)
		}
	}
}
