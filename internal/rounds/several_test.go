package rounds_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/rounds"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

const severalConfig = `
broker: { url: "https://b.example", secret: "env:S" }
vaults: { main: { disk: { path: /srv/b } }, second: { disk: { path: /srv/c } } }
hosts: { web1: { key: "KEY", jobs: [crm, etc] } }
jobs:
  crm: { vault: { main: {}, second: { expect: { every: 1w } } } }
  etc: { vault: [second, main] }
alerts: { channels: { ops: { shoutrrr: { url: "env:U" } } } }
`

var severalKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// putBackup stores a good backup of four bytes.
func putBackup(t *testing.T, v *mem.Vault, ref holdfast.Ref) {
	t.Helper()
	sum := sha256.Sum256([]byte("data"))
	hash := hex.EncodeToString(sum[:])
	doc, err := token.SignManifest(severalKey, holdfast.Manifest{
		Format: holdfast.ManifestFormat, Ref: ref, Started: ref.ID.Time(), Restore: []string{"by hand"},
		Streams: []holdfast.Stream{{
			Name: "etc", File: "etc.tar", PlainFile: "etc.tar", PlainSize: 4, PlainSHA256: hash, StoredSize: 4, StoredSHA256: hash,
			Compression: "none", Encryption: holdfast.Encryption{Format: "none"}, Checksum: holdfast.ChecksumSHA256,
			Parts: []holdfast.Part{{Number: 1, Size: 4, Sum: hash}},
		}},
	})
	for key, body := range map[string][]byte{ref.Key("etc.tar"): []byte("data"), ref.ManifestKey(): doc} {
		if err == nil {
			err = v.Put(t.Context(), key, body)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The same check of the same job in two vaults is two alerts, each opened and
// resolved by itself, and each naming its vault.
func TestEachVaultIsJudgedAndToldOfByItself(t *testing.T) {
	c, err := config.ParseHoldfast("holdfast.yaml", []byte(strings.Replace(severalConfig, "KEY", holdfast.FormatPublicKey(severalKey.Public().(ed25519.PublicKey)), 1)))
	if err != nil {
		t.Fatal(err)
	}
	registry, err := c.Registry()
	if err != nil {
		t.Fatal(err)
	}
	clock := now
	told := &people{}
	vaults := map[string]*mem.Vault{}
	w := rounds.NewWatcher(rounds.WatcherOptions{
		Rounds:   rounds.Rounds{Registry: func() *config.Registry { return registry }, Now: func() time.Time { return clock }},
		Channels: map[string]holdfast.Channel{"ops": told}, Program: "holdfast test",
	})
	round := func() []holdfast.Message {
		t.Helper()
		told.told = nil
		for _, name := range registry.Vaults() {
			if vaults[name] == nil {
				vaults[name] = mem.New(func() time.Time { return clock }, "http://vault.example")
			}
			w.Vault(t.Context(), name, vaults[name], monitor.Options{})
		}
		return told.told
	}
	round()
	clock = clock.Add(27 * time.Hour)
	messages := round()
	var got, ids []string
	for _, m := range messages {
		ids = append(ids, m.ID)
		for _, item := range m.Items {
			got = append(got, m.Vault+": "+string(item.Step)+" "+item.Finding.Subject()+" "+item.Finding.Check)
		}
	}
	slices.Sort(got)
	want := []string{"main: opened web1/crm missing", "main: opened web1/etc missing", "second: opened web1/etc missing"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q: second expects crm once a week", got, want)
	}
	if slices.Sort(ids); len(ids) == 0 || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("messages %q, want each its own id", ids)
	}

	// A backup that arrives in one vault ends that vault's alert alone.
	ref := holdfast.Ref{Host: "web1", Job: "etc", ID: holdfast.ID(clock.Format("20060102T150405Z") + "-00000000")}
	putBackup(t, vaults["second"], ref)
	clock = clock.Add(time.Hour)
	round()
	clock = clock.Add(time.Hour)
	round()
	open := map[string]bool{}
	for _, v := range w.Status().Vaults {
		for _, j := range v.Jobs {
			for _, f := range j.Findings {
				open[v.Name+" "+f.Subject()+" "+f.Check] = true
			}
		}
	}
	if !open["main web1/etc missing"] || !open["main web1/crm missing"] || open["second web1/etc missing"] || open["second web1/crm missing"] {
		t.Errorf("open: %v", open)
	}
}
