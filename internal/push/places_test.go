package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

// place is a vault in memory that this host reaches by itself, whose calls can
// also fail after they were done.
type place struct {
	*mem.Vault
	// after is asked after every call of these that was done: what it returns
	// becomes the call's error. try counts from 1.
	after func(op string, try int) error

	mu             sync.Mutex
	tries          map[string]int
	opened, closed int
	sent           int64 // bytes
}

func newPlace(c *cloud) *place {
	return &place{Vault: mem.New(c.Now, ""), tries: map[string]int{}, after: func(string, int) error { return nil }}
}

// to returns the place as a destination.
func (p *place) to(name string) *Direct {
	final := func(err error) bool { return errors.Is(err, errHostKey) }
	return NewDirect(DirectOptions{Name: name, Kind: KindSFTP, Final: final, Open: func(context.Context) (DirectVault, error) {
		if err := p.did("open", nil); err != nil {
			return nil, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.opened++
		return p, nil
	}})
}

var errHostKey = errors.New("the host key is another one")

func (p *place) did(op string, err error) error {
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.tries[op]++
	try := p.tries[op]
	p.mu.Unlock()
	return p.after(op, try)
}

func (p *place) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed++
	return nil
}

func (p *place) StartUpload(ctx context.Context, key string) (holdfast.Upload, error) {
	u, err := p.Vault.StartUpload(ctx, key)
	if err != nil {
		return u, err
	}
	if err = p.did("StartUpload", err); err != nil {
		return holdfast.Upload{}, errors.Join(err, p.Vault.AbortUpload(ctx, u)) // as the sweep does
	}
	return u, nil
}

func (p *place) SendPart(ctx context.Context, u holdfast.Upload, part holdfast.Part, body io.Reader) error {
	err := p.did("SendPart", p.Vault.SendPart(ctx, u, part, body))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent += part.Size
	return err
}

func (p *place) CompleteUpload(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	return p.did("CompleteUpload", p.Vault.CompleteUpload(ctx, u, parts, size))
}

func (p *place) Put(ctx context.Context, key string, body []byte) error {
	return p.did("Put", p.Vault.Put(ctx, key, body))
}

// onDisk returns the destination of a directory, with a policy or without.
func onDisk(name, dir string, c *cloud, policy *holdfast.Policy) *Direct {
	return NewDirect(DirectOptions{Name: name, Kind: KindDisk, Policy: policy, Open: func(context.Context) (DirectVault, error) {
		return disk.New(dir, disk.Options{Now: c.Now})
	}})
}

// diskVault opens the directory to look into it.
func diskVault(t *testing.T, dir string) *disk.Vault {
	t.Helper()
	v, err := disk.New(dir, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// looked is what a test looks at in a vault.
type looked interface {
	holdfast.Lister
	holdfast.Reader
	holdfast.UploadLister
}

func keysOf(t *testing.T, v holdfast.Lister, prefix string) []string {
	t.Helper()
	var keys []string
	for o, err := range v.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func read(t *testing.T, v holdfast.Reader, key string) []byte {
	t.Helper()
	r, err := v.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantBackup checks that the vault has exactly this backup of the job, whole, and
// returns its manifest. The streams were stored as they are.
func wantBackup(t *testing.T, v looked, ref holdfast.Ref, data map[string][]byte) holdfast.Manifest {
	t.Helper()
	keys := keysOf(t, v, holdfast.BackupsPrefix)
	want := []string{ref.ManifestKey()}
	for file := range data {
		want = append(want, ref.Key(file))
	}
	slices.Sort(want)
	if !slices.Equal(keys, want) {
		t.Fatalf("got keys %q, want %q", keys, want)
	}
	m, err := holdfast.DecodeManifest(read(t, v, ref.ManifestKey()))
	if err != nil {
		t.Fatal(err)
	}
	if m.Ref != ref {
		t.Errorf("got the manifest of %s, want %s", m.Ref, ref)
	}
	for file, body := range data {
		if !bytes.Equal(read(t, v, ref.Key(file)), body) {
			t.Errorf("%s differs from what was dumped", file)
		}
	}
	wantNoUploads(t, v)
	return m
}

// wantNothing checks that the vault has no backup and nothing begun; data that
// was completed may lie there without a manifest.
func wantNothing(t *testing.T, v looked) {
	t.Helper()
	for _, key := range keysOf(t, v, holdfast.BackupsPrefix) {
		if strings.HasSuffix(key, holdfast.ManifestFile) {
			t.Errorf("there is a manifest %q", key)
		}
	}
	wantNoUploads(t, v)
}

func wantNoUploads(t *testing.T, v holdfast.UploadLister) {
	t.Helper()
	for u, err := range v.ListUploads(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("an upload of %q is left", u.Key)
	}
}

// reportsIn returns the reports of the job that are in the vault.
func reportsIn(t *testing.T, v looked) []holdfast.Report {
	t.Helper()
	var all []holdfast.Report
	for _, key := range keysOf(t, v, holdfast.ReportPrefix("web1", "crm")) {
		var r holdfast.Report
		if err := json.Unmarshal(read(t, v, key), &r); err != nil {
			t.Fatal(err)
		}
		if key != holdfast.ReportKey(r.Host, r.Job, r.ID) {
			t.Errorf("report %q has the id %q", key, r.ID)
		}
		all = append(all, r)
	}
	return all
}

// statuses returns the deliveries of an outcome, such as "nas failed upload".
func statuses(o Outcome) string {
	var all []string
	for _, d := range o.Deliveries {
		all = append(all, strings.TrimSpace(d.Full()+" "+string(d.Status)+" "+d.Stage))
	}
	return strings.Join(all, ", ")
}
