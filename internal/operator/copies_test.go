package operator

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/restore"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

var (
	noon = time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)
	key  = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
)

func ref(day int) holdfast.Ref {
	return holdfast.Ref{Host: "web1", Job: "crm", ID: holdfast.ID(fmt.Sprintf("202510%02dT030000Z-00000000", day))}
}

// pair is a Direct over two vaults, of which web1/crm names nas first.
type pair struct {
	*Direct
	main, nas *mem.Vault
	warned    []string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	clock := func() time.Time { return noon }
	p := &pair{main: mem.New(clock, ""), nas: mem.New(clock, "")}
	p.Direct = &Direct{
		Vaults:   map[string]Vault{"main": p.main, "nas": p.nas},
		HostKeys: func(string) []ed25519.PublicKey { return []ed25519.PublicKey{key.Public().(ed25519.PublicKey)} },
		Order:    func(string, string) []string { return []string{"nas", "main"} },
		Now:      clock,
	}
	return p
}

const text = "what is backed up\n"

// put stores the backup in the vault.
func put(t *testing.T, v *mem.Vault, r holdfast.Ref) {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	hash, size := hex.EncodeToString(sum[:]), int64(len(text))
	doc, err := token.SignManifest(key, holdfast.Manifest{
		Format: holdfast.ManifestFormat, Ref: r, Started: r.ID.Time(), Restore: []string{"by hand"},
		Streams: []holdfast.Stream{{
			Name: "crm", File: "crm.sql", PlainFile: "crm.sql", PlainSize: size, PlainSHA256: hash, StoredSize: size, StoredSHA256: hash,
			Compression: "none", Encryption: holdfast.Encryption{Format: "none"}, Checksum: holdfast.ChecksumSHA256,
			Parts: []holdfast.Part{{Number: 1, Size: size, Sum: hash}},
		}},
	})
	for k, body := range map[string][]byte{r.Key("crm.sql"): []byte(text), r.ManifestKey(): doc} {
		if err == nil {
			err = v.Put(t.Context(), k, body)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (p *pair) find(t *testing.T, selector string) (Placed, []Missing) {
	t.Helper()
	s, err := holdfast.ParseSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	found, missing, err := Find(t.Context(), p, s, noon)
	if err != nil {
		t.Fatal(err)
	}
	return found, missing
}

func vaults(p Placed) string {
	var names []string
	for _, e := range p.Places {
		names = append(names, e.Vault)
	}
	return strings.Join(names, " ")
}

func TestABackupInSeveralVaultsIsOneWithSeveralPlaces(t *testing.T) {
	p := newPair(t)
	put(t, p.main, ref(26))
	put(t, p.nas, ref(26))
	put(t, p.main, ref(27))
	put(t, p.nas, ref(25))
	l, err := p.List(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range l.Backups() {
		got = append(got, string(b.ID[6:8])+" in "+vaults(b))
	}
	if want := []string{"27 in main", "26 in nas main", "25 in nas"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for selector, want := range map[string]string{"crm": "main", "crm@2025-10-26": "nas main", "crm@" + string(ref(25).ID): "nas"} {
		if found, _ := p.find(t, selector); vaults(found) != want {
			t.Errorf("%s: in %q, want %q", selector, vaults(found), want)
		}
	}
}

func TestOnlyCommittedPlacesCountAndWholeOnesFirst(t *testing.T) {
	p := newPair(t)
	put(t, p.main, ref(26))
	put(t, p.nas, ref(26))
	if err := p.nas.Delete(t.Context(), ref(26).Key("crm.sql")); err != nil { // its data is gone
		t.Fatal(err)
	}
	if err := p.main.Put(t.Context(), ref(27).Key("crm.sql"), []byte("under way")); err != nil {
		t.Fatal(err)
	}
	if found, _ := p.find(t, "crm"); found.Ref != ref(26) || vaults(found) != "main nas" {
		t.Errorf("got %s in %q, want the 26th, from main first", found.Ref, vaults(found))
	}
}

func TestAVaultThatIsDownIsMissingAndNotEmpty(t *testing.T) {
	p := newPair(t)
	put(t, p.main, ref(26))
	away := errors.New("away")
	p.nas.Fault = func(string, string) error { return away }
	found, missing := p.find(t, "crm")
	if vaults(found) != "main" || len(missing) != 1 || missing[0].Vault != "nas" || !errors.Is(missing[0].Err, away) {
		t.Errorf("got %+v, missing %v", found, missing)
	}
	delete(p.Vaults, "nas")
	p.Closed = map[string]error{"nas": away}
	if _, missing = p.find(t, "crm"); len(missing) != 1 {
		t.Errorf("one that cannot be opened: missing %v", missing)
	}
	// What is not found may lie there.
	_, _, err := Find(t.Context(), p, holdfast.Selector{Job: "media", At: holdfast.Latest}, noon)
	if !errors.Is(err, holdfast.ErrNotExist) || !strings.Contains(err.Error(), `vault "nas" could not be looked into`) {
		t.Errorf("got %v", err)
	}
	p.main.Fault = func(string, string) error { return away }
	if _, err := p.List(t.Context(), "", ""); !errors.Is(err, away) {
		t.Errorf("none can be listed: got %v", err)
	}
}

// first restores the backup into a directory from the first copy that will do.
func (p *pair) first(t *testing.T, dir string, again bool) (from string, err error) {
	t.Helper()
	found, _ := p.find(t, "crm@2025-10-26")
	open := func(ctx context.Context, f restore.Fetcher) (*restore.Backup, error) {
		return restore.Open(ctx, f, restore.Options{})
	}
	err = FirstCopy(t.Context(), p, found, open, func(text string) { p.warned = append(p.warned, text) }, func(c Copy) (bool, error) {
		from = c.Vault
		_, err := c.ToDir(t.Context(), dir, restore.DirOptions{})
		return again, err
	})
	return from, err
}

func TestARestoreGoesOnWithTheNextCopy(t *testing.T) {
	other := func(t *testing.T, v *mem.Vault, key string, body string) {
		t.Helper()
		if err := v.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if err := v.Put(t.Context(), key, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		spoil func(t *testing.T, p *pair)
		from  string
		warn  string
	}{
		"all is well":         {func(*testing.T, *pair) {}, "nas", ""},
		"its data is corrupt": {func(t *testing.T, p *pair) { other(t, p.nas, ref(26).Key("crm.sql"), "what is backed uq\n") }, "main", "SHA-256"},
		"its data is cut":     {func(t *testing.T, p *pair) { other(t, p.nas, ref(26).Key("crm.sql"), "what is") }, "main", "ends after 7"},
		"its manifest is none": {func(t *testing.T, p *pair) {
			other(t, p.nas, ref(26).ManifestKey(), "{}")
		}, "main", "manifest"},
		"its data went meanwhile": {func(t *testing.T, p *pair) {
			p.nas.Fault = func(op, key string) error {
				if op == "Open" && strings.HasSuffix(key, ".sql") {
					return holdfast.ErrNotExist
				}
				return nil
			}
		}, "main", "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			put(t, p.main, ref(26))
			put(t, p.nas, ref(26))
			test.spoil(t, p)
			from, err := p.first(t, t.TempDir(), true)
			if err != nil || from != test.from {
				t.Errorf("from %q, %v; want %q", from, err, test.from)
			}
			if warned := strings.Join(p.warned, "\n"); !strings.Contains(warned, test.warn) || (test.warn == "") != (warned == "") {
				t.Errorf("warned %q, want %q", warned, test.warn)
			}
		})
	}
}

func TestWhatCannotBeBegunAgainNamesTheOtherCopy(t *testing.T) {
	p := newPair(t)
	put(t, p.main, ref(26))
	put(t, p.nas, ref(26))
	p.nas.Fault = func(op, key string) error {
		if op == "Open" && strings.HasSuffix(key, ".sql") {
			return holdfast.ErrCorrupt
		}
		return nil
	}
	from, err := p.first(t, t.TempDir(), false)
	var hinted interface{ Hint() string }
	if from != "nas" || !errors.Is(err, holdfast.ErrCorrupt) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "--vault main") {
		t.Errorf("from %q: %v", from, err)
	}
}

func TestAFaultOfTheTargetIsNotTheCopys(t *testing.T) {
	p := newPair(t)
	put(t, p.main, ref(26))
	put(t, p.nas, ref(26))
	dir := t.TempDir()
	if _, err := p.first(t, dir, true); err != nil {
		t.Fatal(err)
	}
	if from, err := p.first(t, dir, true); !errors.Is(err, restore.ErrTargetExists) || from != "nas" || len(p.warned) > 0 {
		t.Errorf("from %q: %v, warned %q; want it to end there", from, err, p.warned)
	}
}

func TestTicketsAreForVaultsThatTheBrokerSignsFor(t *testing.T) {
	p := newPair(t)
	put(t, p.main, ref(26))
	put(t, p.nas, ref(26))
	p.Signs = func(vault string) bool { return vault == "main" }
	var sealed []string
	p.Seal = func(vault string, _ holdfast.Ref, _ string, _ time.Time) (string, error) {
		sealed = append(sealed, vault)
		return "https://b.example/r/x", nil
	}
	found, _ := p.find(t, "crm")
	for _, only := range []bool{false, true} {
		p.Only = only
		for _, e := range found.Places {
			_, err := p.Ticket(t.Context(), e, "crm.sql", time.Hour)
			if (err == nil) != (e.Vault == "main") {
				t.Errorf("%s: %v", e.Vault, err)
			}
		}
	}
	if want := []string{"", "main"}; !slices.Equal(sealed, want) {
		t.Errorf("sealed for %q, want %q: for one vault only where it was named", sealed, want)
	}
}
