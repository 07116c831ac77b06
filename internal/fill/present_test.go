package fill

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// A manifest in the target is no backup while its data is not there.
func TestABackupWhoseDataIsGoneIsMadeWholeAgain(t *testing.T) {
	for _, to := range names(backends) {
		t.Run(to, func(t *testing.T) {
			a, b := memory(), backends[to](t)
			ref := refOf("crm", 27)
			backup(t, a, ref, 1000, 70_000)
			backup(t, b, ref, 1000, 70_000)
			must(t, b.(holdfast.Deleter).Delete(t.Context(), ref.Key("s1.sql.zst")))
			o := options()
			o.Keep = func(string, string) (holdfast.Keep, bool) { // would be too many, were it two
				return holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: 1}, MinKeep: 1}, true
			}
			result, err := Run(t.Context(), a, b, o)
			must(t, err)
			if !slices.Equal(refs(result.Copied), []string{ref.String()}) || result.Copied[0].Sent != 70_000 || result.Present+len(result.Left)+len(result.Failed) > 0 {
				t.Errorf("got %+v, want what was gone to be sent", result)
			}
			equal(t, "target", objects(t, a), objects(t, b))
			again, err := Run(t.Context(), a, b, o)
			must(t, err)
			if again.Present != 1 || len(again.Copied) > 0 {
				t.Errorf("a second time: %+v", again)
			}
		})
	}
}

// reads counts the bytes that are read from a vault.
type reads struct {
	vault
	n *int64
}

func (r reads) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	body, err := r.vault.Open(ctx, key, offset, n)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(body, count{r.n}), body}, nil
}

type count struct{ n *int64 }

func (c count) Write(p []byte) (int, error) { *c.n += int64(len(p)); return len(p), nil }

// What somebody has added beside a backup is none of it.
func TestAFileBesideABackupIsNotMissed(t *testing.T) {
	for name, o := range map[string]Options{"of a broker's": options(), "of the hosts' own": written()} {
		t.Run(name, func(t *testing.T) {
			a, b := memory(), signing(t)
			for day := 25; day < 28; day++ {
				backup(t, a, refOf("crm", day), 10_000)
				put(t, a, refOf("crm", day).Key("x"), content("x", 60_000)) // more than the host may send
				if day > 25 {
					backup(t, b, refOf("crm", day), 10_000)
				}
			}
			read := int64(0)
			result, err := Run(t.Context(), a, reads{b, &read}, o)
			must(t, err)
			if result.Present != 2 || !slices.Equal(refs(result.Copied), []string{refOf("crm", 25).String()}) || read != 0 || len(result.Refused) > 0 {
				t.Errorf("got %+v, and %d bytes read from the target", result, read)
			}
			equal(t, "target", without(objects(t, a), "/x"), objects(t, b))
		})
	}
}

func TestABackupInTheTargetThatIsAnotherIsNamed(t *testing.T) {
	ref := refOf("crm", 27)
	for name, test := range map[string]struct {
		there func(t *testing.T, b vault)
		want  string
	}{
		"data of another size": {func(t *testing.T, b vault) {
			sign(t, b, manifest(ref, 1000))
			put(t, b, ref.Key("s0.sql.zst"), content("x", 999))
		}, "of 999 bytes and not 1000"},
		"a manifest of other data": {func(t *testing.T, b vault) { sign(t, b, manifest(ref, 500)) }, "target has another"},
		"a manifest of nobody's": {func(t *testing.T, b vault) {
			doc, err := token.SignManifest(hostKey("db1"), manifest(ref, 1000))
			must(t, err)
			put(t, b, ref.ManifestKey(), doc)
		}, "target's manifest"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := memory(), memory()
			backup(t, a, ref, 1000)
			test.there(t, b)
			was := objects(t, b)
			result, err := Run(t.Context(), a, b, options())
			must(t, err)
			if len(result.Failed) != 1 || result.Failed[0].Ref != ref || !strings.Contains(result.Failed[0].Error, test.want) {
				t.Errorf("got %+v, want a failure that says %q", result, test.want)
			}
			equal(t, "target", was, objects(t, b))
		})
	}
}

// What two vaults were sent side by side differs in the parts of its manifest alone.
func TestManifestsThatDifferInTheirPartsAreOfTheSameBackup(t *testing.T) {
	a, b := memory(), memory()
	ref := refOf("crm", 27)
	backup(t, a, ref, 1000)
	m := manifest(ref, 1000)
	m.Streams[0].Checksum, m.Streams[0].Parts[0].Sum = holdfast.ChecksumMD5, strings.Repeat("0", 32)
	sign(t, b, m)
	was := objects(t, b)[ref.ManifestKey()]
	result, err := Run(t.Context(), a, b, options())
	must(t, err)
	if len(result.Copied) != 1 || len(result.Failed) > 0 {
		t.Errorf("got %+v", result)
	}
	if got := objects(t, b); got[ref.ManifestKey()] != was || len(got) != 2 {
		t.Errorf("the target has %d objects, its manifest replaced: %v", len(got), got[ref.ManifestKey()] != was)
	}
}
