package doctor_test

import (
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/broker"
	"github.com/holdfast-backup/holdfast/internal/client"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/doctor"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/stream"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

// world is a real broker with a vault in memory, and a host that examines it.
type world struct {
	options doctor.Options
	// turn decides about the n-th answer that refuses something, from 0:
	// true makes it a 200.
	turn    func(n int) bool
	refused int
	vaults  []string // of the job
	second  *mem.Vault
}

func newWorld(t *testing.T) *world { return newWorldOf(t, holdfast.ChecksumSHA256) }

// newWorldOf returns a world whose vault wants parts summed that way.
func newWorldOf(t *testing.T, checksum string) *world {
	t.Helper()
	w := &world{turn: func(int) bool { return false }, vaults: []string{"main"}}
	mux := http.NewServeMux()
	web := httptest.NewServer(w.sabotage(mux))
	t.Cleanup(web.Close)
	key, err := token.GenerateKey()
	must(t, err)
	signer, err := token.NewSigner(key, "web1", web.URL)
	must(t, err)
	c, err := client.New(client.Options{BaseURL: web.URL, Signer: signer})
	must(t, err)

	vault := mem.New(time.Now, web.URL+"/v/main")
	vault.Limits.Checksum = checksum
	second := mem.New(time.Now, web.URL+"/v/second")
	w.second = second
	sealer, err := token.NewSealer(web.URL, secret.New(strings.Repeat("s", 32)))
	must(t, err)
	b, err := broker.New(broker.Options{
		PublicURL: web.URL, Sealer: sealer, Registry: registry{key.Public().(ed25519.PublicKey), &w.vaults}, Version: "test", Log: slog.New(slog.DiscardHandler),
		Push: map[string]broker.PushVault{"main": vault, "second": second}, Restore: map[string]broker.RestoreVault{"main": vault, "second": second},
	})
	must(t, err)
	mux.Handle("/v/main/", http.StripPrefix("/v/main", vault.Handler()))
	mux.Handle("/v/second/", http.StripPrefix("/v/second", second.Handler()))
	mux.Handle("/", b.Handler())

	dir := t.TempDir()
	keyFile, configFile := filepath.Join(dir, "web1.key"), filepath.Join(dir, "pusher.yaml")
	must(t, os.WriteFile(keyFile, nil, 0o600))
	must(t, os.WriteFile(configFile, nil, 0o600))
	w.options = doctor.Options{
		Config: &config.Pusher{
			Host: "web1", Broker: web.URL, Key: keyFile, EncryptTo: config.EncryptTo{None: true},
			Jobs: map[string]config.PusherJob{"crm": {Sources: []config.SourceConfig{{Files: &config.Files{Include: []string{dir}}}}}},
		},
		ConfigPath: configFile, StateDir: filepath.Join(dir, "state"), Key: key, Version: "test", Now: time.Now,
		Brokers: []doctor.Broker{{Name: config.BrokerDestination, URL: web.URL, Client: c}},
		HTTP:    &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	w.options.Recipients = func() (stream.Recipients, error) {
		return stream.ParseRecipients(w.options.Config.EncryptTo.Recipients)
	}
	return w
}

// sabotage lets a broker allow what it refuses.
func (w *world) sabotage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		status := answer.Code
		if status >= 400 {
			if w.turn(w.refused) {
				status = http.StatusOK
			}
			w.refused++
		}
		for k, v := range answer.Header() {
			out.Header()[k] = v
		}
		out.WriteHeader(status)
		_, _ = out.Write(answer.Body.Bytes())
	})
}

// registry knows one host with one job.
type registry struct {
	key    ed25519.PublicKey
	vaults *[]string // of the job
}

func (r registry) Principal(kid string) (holdfast.Principal, bool) {
	return holdfast.Principal{Name: "web1", Key: r.key, Scopes: []holdfast.Scope{holdfast.ScopePush, holdfast.ScopeReport}, Jobs: []string{"web1/crm"}},
		kid == holdfast.KeyID(r.key)
}

func (r registry) Job(host, job string) ([]string, holdfast.Policy, bool) {
	return *r.vaults, holdfast.Policy{Quota: holdfast.Quota{MaxSize: 1e9, MaxPerDay: 10}}, host == "web1" && job == "crm"
}

func (registry) Copied(string, string, string) bool { return false }

func (registry) Signs(vault string) bool { return vault != "nas" }

func (registry) Addresses(string) []netip.Prefix { return nil }

func (r registry) HostKeys(string) []ed25519.PublicKey { return []ed25519.PublicKey{r.key} }

func TestAllIsWellWhereEveryAttackIsRefused(t *testing.T) {
	for _, checksum := range []string{holdfast.ChecksumSHA256, holdfast.ChecksumMD5} {
		w := newWorldOf(t, checksum)
		r := doctor.Run(t.Context(), w.options)
		if !r.OK() {
			t.Errorf("%s: not well: %+v", checksum, r)
		}
		if w.refused < 15 {
			t.Errorf("%s: only %d refusals were seen", checksum, w.refused)
		}
	}
}

func TestEveryAttackThatWorksIsAFailure(t *testing.T) {
	w := newWorld(t)
	doctor.Run(t.Context(), w.options)
	refusals := w.refused
	for n := range refusals {
		w := newWorld(t)
		w.turn = func(i int) bool { return i == n }
		r := doctor.Run(t.Context(), w.options)
		worked := 0
		for _, e := range r.Attacks {
			if !e.OK && strings.Contains(e.Detail, "WORKED") {
				worked++
			}
		}
		if r.OK() || worked != 1 {
			t.Errorf("refusal %d turned into success: OK %v, %d attacks said to work\n%+v", n, r.OK(), worked, r.Attacks)
		}
	}
}

func TestWhatMustWorkAndDoesNotIsAFailure(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(t *testing.T, o *doctor.Options)
	}{
		{"a key that others can read", "host key", func(t *testing.T, o *doctor.Options) { must(t, os.Chmod(o.Config.Key, 0o644)) }},
		{"a configuration that others can change", "configuration", func(t *testing.T, o *doctor.Options) { must(t, os.Chmod(o.ConfigPath, 0o666)) }},
		{"a recipient that is none", "recipients", func(_ *testing.T, o *doctor.Options) {
			o.Config.EncryptTo = config.EncryptTo{Recipients: []string{"age1nonsense"}}
		}},
		{"no recipients at all", "recipients", func(_ *testing.T, o *doctor.Options) {
			o.Config.EncryptTo = config.EncryptTo{Recipients: []string{"age1"}}
			o.Recipients = func() (stream.Recipients, error) { return stream.Recipients{}, nil }
		}},
		{"a state directory that is a file", "state directory", func(_ *testing.T, o *doctor.Options) { o.StateDir = o.ConfigPath }},
		{"a job that the server does not know", "admitted", func(_ *testing.T, o *doctor.Options) {
			o.Config.Jobs = map[string]config.PusherJob{"crm": o.Config.Jobs["crm"], "unknown": o.Config.Jobs["crm"]}
		}},
		{"a path that is not there", "files", func(_ *testing.T, o *doctor.Options) {
			o.Config.Jobs["crm"].Sources[0].Files.Include[0] = "/nowhere/at/all"
		}},
		{"a hook that is not there", "hook", func(_ *testing.T, o *doctor.Options) {
			job := o.Config.Jobs["crm"]
			job.Hooks.Pre = config.Commands{{"no-such-program"}}
			o.Config.Jobs["crm"] = job
		}},
		{"no jobs at all", "attacks", func(_ *testing.T, o *doctor.Options) { o.Config.Jobs = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.change(t, &w.options)
			r := doctor.Run(t.Context(), w.options)
			failures := failuresOf(r)
			if r.OK() || !strings.Contains(strings.Join(failures, "\n"), c.want) {
				t.Errorf("OK %v, failures %q, want one of %q", r.OK(), failures, c.want)
			}
		})
	}
}

func TestAClockThatIsWrongIsAFailure(t *testing.T) {
	w := newWorld(t)
	signer, err := token.NewSigner(w.options.Key, "web1", w.options.Config.Broker)
	must(t, err)
	late := func() time.Time { return time.Now().Add(45 * time.Second) }
	w.options.Brokers[0].Client, err = client.New(client.Options{BaseURL: w.options.Config.Broker, Signer: signer, Now: late})
	must(t, err)
	r := doctor.Run(t.Context(), w.options)
	if got := failuresOf(r); len(got) != 1 || !strings.Contains(got[0], "clock") {
		t.Errorf("failures: got %q, want the clock alone", got)
	}
}

func TestEveryVaultOfTheJobIsAttacked(t *testing.T) {
	one, two := newWorld(t), newWorld(t)
	two.vaults = []string{"main", "second"}
	doctor.Run(t.Context(), one.options)
	if r := doctor.Run(t.Context(), two.options); !r.OK() || two.refused < one.refused+6 {
		t.Errorf("OK %v with %d refusals, %d with one vault; want those of the second too\n%+v", r.OK(), two.refused, one.refused, r)
	}
	for n := range two.refused {
		w := newWorld(t)
		w.vaults = two.vaults
		w.turn = func(i int) bool { return i == n }
		if r := doctor.Run(t.Context(), w.options); r.OK() || !strings.Contains(strings.Join(failuresOf(r), "\n"), "WORKED") {
			t.Errorf("refusal %d turned into success: OK %v\n%+v", n, r.OK(), r.Attacks)
		}
	}
}

func TestAVaultOfTheJobThatIsNotReachedIsAFailure(t *testing.T) {
	down := newWorld(t)
	down.vaults = []string{"main", "second"}
	down.second.Fault = func(op, _ string) error {
		if op == "StartUpload" {
			return errors.New("down")
		}
		return nil
	}
	r := doctor.Run(t.Context(), down.options)
	if text := strings.Join(failuresOf(r), "\n"); r.OK() || !strings.Contains(text, `admitted: not into vault "second"`) {
		t.Errorf("OK %v, failures %q", r.OK(), text)
	}

	direct := newWorld(t)
	direct.vaults = []string{"main", "nas"}
	r = doctor.Run(t.Context(), direct.options)
	if text := strings.Join(failuresOf(r), "\n"); r.OK() || !strings.Contains(text, `also belongs into vault "nas"`) {
		t.Errorf("OK %v, failures %q", r.OK(), text)
	}
}

func failuresOf(r doctor.Report) []string {
	var failures []string
	all := append(append(r.Host, r.Broker...), r.Attacks...)
	for _, d := range r.Direct {
		all = append(all, d.Examined...)
	}
	for _, j := range r.Jobs {
		all = append(all, j.Examined...)
	}
	for _, e := range all {
		if !e.OK {
			failures = append(failures, e.Name+": "+e.Detail)
		}
	}
	return failures
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
