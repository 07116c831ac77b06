package monitor

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// fakeVault is a vault in memory that counts what is asked of it. Its objects
// may be far larger than their bytes: only those that a test re-reads have any.
type fakeVault struct {
	mu      sync.Mutex
	objects map[string]fakeObject
	tags    int
	keys    []string // of objects, sorted; nil when something was added

	pages, opens, loads, swaps int
	bytes                      int64 // that were read from data objects

	failList   error
	failOpen   func(key string) error
	failSwap   func(key string) error
	beforeSwap func() // runs outside of the lock, once
}

type fakeObject struct {
	size int64
	body func() []byte
	mod  time.Time
	tag  string
}

const fakePage = 1000 // objects in a page of a listing, as in S3

func newFakeVault() *fakeVault { return &fakeVault{objects: map[string]fakeObject{}} }

func (v *fakeVault) put(key string, body []byte, mod time.Time) {
	v.putLazy(key, int64(len(body)), mod, func() []byte { return body })
}

func (v *fakeVault) putLazy(key string, size int64, mod time.Time, body func() []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.objects[key], v.keys = fakeObject{size: size, body: body, mod: mod}, nil
}

func (v *fakeVault) remove(key string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.objects[key]; !ok {
		panic("no object " + key)
	}
	delete(v.objects, key)
	v.keys = nil
}

func (v *fakeVault) List(_ context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		v.mu.Lock()
		if v.keys == nil {
			for key := range v.objects {
				v.keys = append(v.keys, key)
			}
			slices.Sort(v.keys)
		}
		keys, err := v.keys, v.failList
		v.pages++
		v.mu.Unlock()
		n := 0
		first, _ := slices.BinarySearch(keys, prefix)
		for _, key := range keys[first:] {
			if !strings.HasPrefix(key, prefix) {
				break
			}
			if n++; n%fakePage == 0 {
				v.pages++
			}
			o := v.objects[key]
			if !yield(holdfast.Object{Key: key, Size: o.size, ModTime: o.mod}, nil) {
				return
			}
		}
		if err != nil {
			yield(holdfast.Object{}, err)
		}
	}
}

func (v *fakeVault) Open(_ context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	v.mu.Lock()
	o, ok := v.objects[key]
	v.opens++
	v.mu.Unlock()
	if v.failOpen != nil {
		if err := v.failOpen(key); err != nil {
			return nil, err
		}
	}
	if !ok {
		return nil, fmt.Errorf("open %q: %w", key, holdfast.ErrNotExist)
	}
	body := o.body()[offset:]
	if n >= 0 {
		body = body[:min(n, int64(len(body)))]
	}
	if strings.HasSuffix(key, ".age") {
		v.mu.Lock()
		v.bytes += int64(len(body))
		v.mu.Unlock()
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}

func (v *fakeVault) Load(_ context.Context, key string) ([]byte, string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.loads++
	o, ok := v.objects[key]
	if !ok {
		return nil, "", fmt.Errorf("load %q: %w", key, holdfast.ErrNotExist)
	}
	return o.body(), o.tag, nil
}

func (v *fakeVault) Swap(_ context.Context, key string, body []byte, tag string) (string, error) {
	if hook := v.beforeSwap; hook != nil {
		v.beforeSwap = nil
		hook()
	}
	if v.failSwap != nil {
		if err := v.failSwap(key); err != nil {
			return "", err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.swaps++
	if v.objects[key].tag != tag {
		return "", fmt.Errorf("swap %q: %w", key, holdfast.ErrConflict)
	}
	if !strings.HasPrefix(key, holdfast.StatePrefix) {
		return "", errors.New("the monitor writes outside of the state")
	}
	v.tags++
	tag = fmt.Sprint("tag", v.tags)
	body = bytes.Clone(body)
	v.objects[key] = fakeObject{size: int64(len(body)), body: func() []byte { return body }, tag: tag}
	v.keys = nil
	return tag, nil
}

// brokenLoad is a vault whose state cannot be asked for.
type brokenLoad struct{ *fakeVault }

func (brokenLoad) Load(_ context.Context, key string) ([]byte, string, error) {
	return nil, "", fmt.Errorf("load %q: access denied", key)
}

// house is a vault with a host or more that push to it.
type house struct {
	t      testing.TB
	vault  *fakeVault
	now    time.Time
	key    ed25519.PrivateKey
	policy holdfast.Policy
	opts   Options
	serial int
}

const day = 24 * time.Hour

// start is when every test begins.
var start = time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)

func newHouse(t testing.TB) *house {
	h := &house{t: t, vault: newFakeVault(), now: start, key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))}
	h.policy.Expect = holdfast.Expect{
		Every: holdfast.Span{N: 24, Unit: holdfast.Hour}, Grace: holdfast.Span{N: 2, Unit: holdfast.Hour},
		MinSize: 1000, Shrink: 0.5, Grow: 3,
	}
	h.opts = Options{
		Now: func() time.Time { return h.now }, VaultName: "main",
		Policies: func(string, string) (holdfast.Policy, bool) { return h.policy, true },
		HostKeys: func(string) []ed25519.PublicKey { return []ed25519.PublicKey{h.key.Public().(ed25519.PublicKey)} },
	}
	return h
}

// dump is one stream of a backup.
type dump struct {
	file  string
	size  int64   // stored
	ratio float64 // plain to stored; 0 for 4
	body  []byte  // instead of size, where it is to be re-read
}

func (h *house) id(at time.Time) holdfast.ID {
	h.serial++
	return holdfast.ID(at.UTC().Format("20060102T150405Z") + fmt.Sprintf("-%08x", h.serial))
}

// push stores a whole backup of web1/crm that is ago old.
func (h *house) push(ago time.Duration, dumps ...dump) holdfast.Ref {
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: h.id(h.now.Add(-ago))}
	h.store(ref, h.key, dumps...)
	return ref
}

// pushSize stores a backup of one stream.
func (h *house) pushSize(ago time.Duration, size int64) holdfast.Ref {
	return h.push(ago, dump{file: "crm.sql.zst.age", size: size})
}

// daily stores a backup a day for n days up to yesterday.
func (h *house) daily(n int, size int64) {
	for d := n; d >= 1; d-- {
		h.pushSize(time.Duration(d)*day, size)
	}
}

func (h *house) store(ref holdfast.Ref, key ed25519.PrivateKey, dumps ...dump) {
	m := manifest(ref, dumps...)
	for _, d := range dumps {
		size := d.size
		if d.body != nil {
			size = int64(len(d.body))
		}
		h.vault.putLazy(ref.Key(d.file), size, ref.ID.Time(), func() []byte { return d.body })
	}
	// Signed when it is read, so that a large vault is made quickly.
	h.vault.putLazy(ref.ManifestKey(), 2000, ref.ID.Time(), func() []byte {
		doc, err := token.SignManifest(key, m)
		if err != nil {
			panic(err)
		}
		return doc
	})
}

func manifest(ref holdfast.Ref, dumps ...dump) holdfast.Manifest {
	m := holdfast.Manifest{
		Format: holdfast.ManifestFormat, Ref: ref, Started: ref.ID.Time(),
		HostStarted: ref.ID.Time(), HostFinished: ref.ID.Time().Add(time.Minute), Pusher: "1.0.0", Restore: []string{"age -d"},
	}
	for _, d := range dumps {
		size, sum := d.size, sha256.Sum256(d.body)
		if d.body != nil {
			size = int64(len(d.body))
		}
		if d.ratio == 0 {
			d.ratio = 4
		}
		s := holdfast.Stream{
			Name: strings.ToLower(strings.ReplaceAll(d.file, ".", "-")), File: d.file, PlainFile: strings.TrimSuffix(d.file, ".zst.age"),
			PlainSize: max(1, int64(float64(size)*d.ratio)), StoredSize: size,
			PlainSHA256: strings.Repeat("ab", 32), StoredSHA256: hex.EncodeToString(sum[:]),
			Compression: "zstd", Encryption: holdfast.Encryption{Format: "age", Recipients: []string{"age1x"}}, Checksum: holdfast.ChecksumSHA256,
		}
		for left := size; left > 0; left -= holdfast.MaxPartSize {
			s.Parts = append(s.Parts, holdfast.Part{
				Number: len(s.Parts) + 1, Size: min(left, holdfast.MaxPartSize), Sum: strings.Repeat("cd", 32),
			})
		}
		m.Streams = append(m.Streams, s)
	}
	return m
}

// report stores a report of web1/crm.
func (h *house) report(ago time.Duration, report holdfast.Report) {
	report.Host, report.Job, report.ID = "web1", "crm", h.id(h.now.Add(-ago))
	body, err := json.Marshal(report)
	if err != nil {
		h.t.Fatal(err)
	}
	h.vault.put(holdfast.ReportKey("web1", "crm", report.ID), body, report.ID.Time())
}

func (h *house) fail(ago time.Duration, reason string) {
	h.report(ago, holdfast.Report{Kind: holdfast.ReportFailure, Stage: "dump", Error: reason})
}

// run runs the monitor and demands that the vault could be judged.
func (h *house) run() Result {
	h.t.Helper()
	result, err := Run(context.Background(), h.vault, h.opts)
	if err != nil {
		h.t.Fatal(err)
	}
	return result
}

// states returns the open findings as "critical web1/crm fresh".
func states(r Result) []string {
	list := []string{}
	for _, f := range r.Findings {
		list = append(list, fmt.Sprintf("%s %s %s", f.Severity, f.Subject(), f.Check))
	}
	return list
}

// changes returns the transitions as "opened web1/crm fresh", without those
// that are still there.
func changes(r Result) []string {
	list := []string{}
	for _, t := range r.Transitions {
		if t.Change != Still {
			list = append(list, fmt.Sprintf("%s %s %s", t.Change, t.Finding.Subject(), t.Finding.Check))
		}
	}
	return list
}

func find(t testing.TB, r Result, check string) holdfast.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding %q in %v", check, states(r))
	return holdfast.Finding{}
}
