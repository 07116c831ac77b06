package fill

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/token"
)

func TestWhatIsMissingIsCopiedByteForByte(t *testing.T) {
	for _, from := range names(backends) {
		for _, to := range names(backends) {
			t.Run(from+" to "+to, func(t *testing.T) {
				a, b := backends[from](t), backends[to](t)
				big := 2*int(holdfast.MinPartSize) + 12345
				backup(t, a, refOf("crm", 26), 1000, 70_000)
				backup(t, a, refOf("crm", 27), big)
				backup(t, a, refOf("media", 28), 500)
				must(t, a.Put(t.Context(), refOf("crm", 27).HoldKey(), []byte(`{"by":"alice"}`)))
				must(t, a.Put(t.Context(), refOf("crm", 25).Key("s0.sql.zst"), []byte("never committed")))
				must(t, a.Put(t.Context(), holdfast.ReportKey("web1", "crm", refOf("crm", 25).ID), []byte("{}")))
				backup(t, b, refOf("crm", 26), 1000, 70_000)

				result, err := Run(t.Context(), a, b, options())
				must(t, err)
				want := []string{refOf("media", 28).String(), refOf("crm", 27).String()}
				if !slices.Equal(refs(result.Copied), want) || result.Present != 1 || len(result.Failed)+len(result.Left) > 0 {
					t.Errorf("got %+v, want %q, the newest first", result, want)
				}
				if got := result.Copied[1]; got.Size != int64(big) || got.Sent != int64(big) {
					t.Errorf("got %+v, want %d bytes sent", got, big)
				}
				equal(t, "target", without(without(objects(t, a), string(refOf("crm", 25).ID)), "reports/"), objects(t, b))
				if n := uploads(t, b); n != 0 {
					t.Errorf("%d uploads are left", n)
				}

				again, err := Run(t.Context(), a, b, options())
				must(t, err)
				if len(again.Copied) != 0 || again.Present != 3 {
					t.Errorf("a second time: %+v, want nothing to do", again)
				}
			})
		}
	}
}

// A server on which nothing can be removed or renamed takes copies as well.
func TestAnAppendOnlyServerIsFilled(t *testing.T) {
	a, b := memory(), overSSH(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
	backup(t, a, refOf("crm", 26), 1000, 9<<20)
	result, err := Run(t.Context(), a, b, options())
	must(t, err)
	if len(result.Copied) != 1 {
		t.Fatalf("got %+v", result)
	}
	equal(t, "target", without(objects(t, a), "state/"), objects(t, b))
}

// There the half that a copy has sent lies under the object's own name. It is not what
// the copy failed for.
func TestWhatFailsOnAnAppendOnlyServerIsTheCause(t *testing.T) {
	ref := refOf("crm", 27)
	const size = 20_000_000
	good := content(ref.Key("s0.sql.zst"), size)
	for name, test := range map[string]struct {
		stored []byte
		want   string
	}{
		"a source that ends too soon": {good[:size-1], "ends after 19999999 of 20000000 bytes"},
		"a source of other bytes":     {append(slices.Clone(good[:size-1]), ^good[size-1]), "SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := memory(), overSSH(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
			put(t, a, ref.Key("s0.sql.zst"), test.stored)
			sign(t, a, manifest(ref, size))
			result, err := Run(t.Context(), a, b, options())
			must(t, err)
			if got := failures(result.Failed); len(result.Failed) != 1 || !strings.Contains(got, test.want) || strings.Contains(got, "target") {
				t.Errorf("got %q, want it to say %q and nothing of the target", got, test.want)
			}
			if there := objects(t, b); len(there) == 0 || there[ref.ManifestKey()] != "" {
				t.Errorf("the target has %v, want the half and no manifest", there)
			}
		})
	}
}

// What was cut off there can neither be gone on with nor removed.
func TestWhatWasCutOffOnAnAppendOnlyServerIsNamed(t *testing.T) {
	server := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
	a, b := memory(), dial(t, server)
	ref := refOf("crm", 27)
	backup(t, a, ref, 10<<20)
	u, err := b.StartUpload(t.Context(), ref.Key("s0.sql.zst"))
	must(t, err)
	body := content(ref.Key("s0.sql.zst"), 10<<20)[:holdfast.MinPartSize]
	must(t, b.(holdfast.Receiver).SendPart(t.Context(), u, holdfast.Part{Number: 1, Size: int64(len(body)), Sum: checksum("", body)}, bytes.NewReader(body)))
	must(t, b.(io.Closer).Close())
	var told error
	o := options()
	o.Done = func(_ Copied, err error) { told = err }
	result, err := Run(t.Context(), a, dial(t, server), o)
	must(t, err)
	if len(result.Failed) != 1 || !errors.Is(told, holdfast.ErrExist) || !strings.Contains(result.Failed[0].Error, ref.Key("s0.sql.zst")) {
		t.Errorf("got %+v, want it to name what is in the way", result)
	}
	// Whoever may delete takes it away.
	must(t, os.RemoveAll(filepath.Join(server.Dir, filepath.Dir(ref.ManifestKey()))))
	result, err = Run(t.Context(), a, dial(t, server), options())
	must(t, err)
	if len(result.Copied) != 1 {
		t.Errorf("after that: got %+v", result)
	}
}

func TestADryRunSaysWhatItWouldCopy(t *testing.T) {
	a, b := memory(), memory()
	backup(t, a, refOf("crm", 26), 1000)
	o := options()
	o.DryRun = true
	result, err := Run(t.Context(), a, b, o)
	must(t, err)
	if !result.DryRun || !slices.Equal(refs(result.Copied), []string{refOf("crm", 26).String()}) || result.Copied[0].Size != 1000 || len(objects(t, b)) != 0 {
		t.Errorf("got %+v, and %d objects in the target", result, len(objects(t, b)))
	}
}

func TestOnlyTheJobsThatAreAskedFor(t *testing.T) {
	a, b := memory(), memory()
	backup(t, a, refOf("crm", 26), 1000)
	backup(t, a, refOf("media", 26), 1000)
	o := options()
	o.Jobs = func(host, job string) bool { return host == "web1" && job == "media" }
	result, err := Run(t.Context(), a, b, o)
	must(t, err)
	if !slices.Equal(refs(result.Copied), []string{refOf("media", 26).String()}) {
		t.Errorf("got %+v", result)
	}
}

func TestWhatRetentionWouldDeleteAtOnceIsLeftOut(t *testing.T) {
	a, b := memory(), memory()
	for day := 20; day <= 28; day++ {
		backup(t, a, refOf("crm", day), 1000)
	}
	must(t, a.Put(t.Context(), refOf("crm", 20).HoldKey(), []byte("{}")))
	backup(t, b, refOf("crm", 28), 1000) // takes one of the places
	o := options()
	o.Keep = func(_, job string) (holdfast.Keep, bool) {
		return holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: 4}, MinKeep: 1}, job == "crm"
	}
	result, err := Run(t.Context(), a, b, o)
	must(t, err)
	want := []string{refOf("crm", 27).String(), refOf("crm", 26).String(), refOf("crm", 25).String(), refOf("crm", 20).String()}
	if !slices.Equal(refs(result.Copied), want) || len(result.Left) != 4 || len(result.Left[0].Reasons) == 0 {
		t.Errorf("got %q and left %+v; want %q, the held one with them", refs(result.Copied), result.Left, want)
	}
	o.Keep = nil
	result, err = Run(t.Context(), a, b, o)
	must(t, err)
	if len(result.Copied) != 4 || len(result.Left) != 0 {
		t.Errorf("all: got %+v", result)
	}
}

func TestABackupThatIsBadIsNotCopiedAndStopsNoOther(t *testing.T) {
	ref := refOf("crm", 27)
	other := func(size int) holdfast.Manifest { return manifest(refOf("crm", 25), size) }
	for name, test := range map[string]struct {
		spoil func(t *testing.T, a vault)
		want  string
	}{
		"a byte of its data is another": {func(t *testing.T, a vault) {
			data := content(ref.Key("s0.sql.zst"), 1000)
			data[500]++
			put(t, a, ref.Key("s0.sql.zst"), data)
			sign(t, a, manifest(ref, 1000))
		}, "SHA-256"},
		"its data is shorter": {func(t *testing.T, a vault) {
			put(t, a, ref.Key("s0.sql.zst"), content(ref.Key("s0.sql.zst"), 999))
			sign(t, a, manifest(ref, 1000))
		}, "ends after 999 of 1000 bytes"},
		"its data is longer": {func(t *testing.T, a vault) {
			put(t, a, ref.Key("s0.sql.zst"), content(ref.Key("s0.sql.zst"), 1001))
			sign(t, a, manifest(ref, 1000))
		}, "longer than 1000 bytes"},
		"its data is gone": {func(t *testing.T, a vault) { sign(t, a, manifest(ref, 1000)) }, "does not exist"},
		"its manifest is another backup's": {func(t *testing.T, a vault) {
			doc, err := token.SignManifest(hostKey("web1"), other(1000))
			must(t, err)
			put(t, a, ref.ManifestKey(), doc)
		}, "is that of " + refOf("crm", 25).String()},
		"its manifest is another host's": {func(t *testing.T, a vault) {
			doc, err := token.SignManifest(hostKey("db1"), manifest(ref, 1000))
			must(t, err)
			put(t, a, ref.ManifestKey(), doc)
			put(t, a, ref.Key("s0.sql.zst"), content(ref.Key("s0.sql.zst"), 1000))
		}, "signed with a key that is none of the host's"},
		"its manifest is none": {func(t *testing.T, a vault) { put(t, a, ref.ManifestKey(), []byte("{}")) }, "manifest"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := memory(), memory()
			test.spoil(t, a)
			backup(t, a, refOf("crm", 26), 1000)
			result, err := Run(t.Context(), a, b, options())
			must(t, err)
			if !slices.Equal(refs(result.Copied), []string{refOf("crm", 26).String()}) {
				t.Errorf("copied %q, want the other one", refs(result.Copied))
			}
			if len(result.Failed) != 1 || result.Failed[0].Ref != ref || !strings.Contains(result.Failed[0].Error, test.want) {
				t.Errorf("failed %+v, want %q", result.Failed, test.want)
			}
			equal(t, "target", without(objects(t, a), string(ref.ID)), objects(t, b))
			if n := uploads(t, b); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		})
	}
}

func sign(t testing.TB, v Target, m holdfast.Manifest) {
	t.Helper()
	doc, err := token.SignManifest(hostKey(m.Host), m)
	must(t, err)
	put(t, v, m.ManifestKey(), doc)
}

func TestAHostThatIsForgottenTakesSkipSignature(t *testing.T) {
	a, b := memory(), memory()
	backup(t, a, refOf("crm", 26), 1000)
	o := options()
	o.HostKeys = func(string) ([]ed25519.PublicKey, error) { return nil, nil }
	result, err := Run(t.Context(), a, b, o)
	must(t, err)
	if len(result.Failed) != 1 || len(objects(t, b)) != 0 {
		t.Errorf("without: %+v", result)
	}
	var warned []string
	o.SkipSignature, o.Warn = true, func(text string) { warned = append(warned, text) }
	result, err = Run(t.Context(), a, b, o)
	must(t, err)
	if len(result.Copied) != 1 || len(warned) != 1 {
		t.Errorf("with: %+v, warned of %q", result, warned)
	}
}

func TestNothingInTheTargetIsReplaced(t *testing.T) {
	ref := refOf("crm", 27)
	for name, test := range map[string]struct{ key, body string }{
		"data of another size":      {ref.Key("s1.sql.zst"), "something else"},
		"data of the same size":     {ref.Key("s1.sql.zst"), strings.Repeat("x", 2000)},
		"a mark that somebody made": {ref.HoldKey(), `{"by":"bob"}`},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := memory(), memory()
			backup(t, a, ref, 1000, 2000)
			must(t, a.Put(t.Context(), ref.HoldKey(), []byte(`{"by":"alice"}`)))
			must(t, b.Put(t.Context(), test.key, []byte(test.body)))
			was := objects(t, b)[test.key]
			result, err := Run(t.Context(), a, b, options())
			must(t, err)
			now := objects(t, b)
			if now[test.key] != was {
				t.Error("it was replaced")
			}
			if held := test.key == ref.HoldKey(); held != (len(result.Failed) == 0) {
				t.Errorf("failed: %q", failures(result.Failed))
			} else if _, committed := now[ref.ManifestKey()]; committed != held {
				t.Errorf("manifest in the target: %v", committed)
			} else if !held && (!strings.Contains(result.Failed[0].Error, test.key) || !strings.Contains(result.Failed[0].Error, "target has another")) {
				t.Errorf("failed: %q, want it to name %q", failures(result.Failed), test.key)
			}
		})
	}
}

func TestAManifestThatAppearsMeanwhileStays(t *testing.T) {
	a, b := memory(), memory()
	ref := refOf("crm", 27)
	backup(t, a, ref, 1000)
	b.Fault = func(op, key string) error {
		if op == "CompleteUpload" {
			b.Fault = nil
			return b.Put(context.Background(), ref.ManifestKey(), []byte("another"))
		}
		return nil
	}
	result, err := Run(t.Context(), a, b, options())
	must(t, err)
	if len(result.Failed) != 1 || !strings.Contains(result.Failed[0].Error, ref.ManifestKey()) {
		t.Errorf("got %+v, want it to name the manifest", result)
	}
}

func TestAFullTargetEndsIt(t *testing.T) {
	a, b := memory(), memory()
	for day := 25; day <= 28; day++ {
		backup(t, a, refOf("crm", day), 1000)
	}
	b.Fault = func(op, key string) error {
		if op == "SendPart" && !strings.Contains(key, string(refOf("crm", 28).ID)) {
			return fmt.Errorf("write: %w", holdfast.ErrFull)
		}
		return nil
	}
	result, err := Run(t.Context(), a, b, options())
	if !errors.Is(err, holdfast.ErrFull) || len(result.Copied) != 1 || len(result.Failed) != 1 {
		t.Errorf("got %v and %+v, want one copied, one failed, and no more tried", err, result)
	}
}

func TestAVaultThatCannotBeListedIsAnErrorAndNoEmptyOne(t *testing.T) {
	away := errors.New("away")
	for _, broken := range []string{"source", "target"} {
		a, b := memory(), memory()
		backup(t, a, refOf("crm", 26), 1000)
		at := map[string]*func(op, key string) error{"source": &a.Fault, "target": &b.Fault}[broken]
		*at = func(op, _ string) error {
			if op == "List" {
				return away
			}
			return nil
		}
		if _, err := Run(t.Context(), a, b, options()); !errors.Is(err, away) || !strings.Contains(err.Error(), broken) {
			t.Errorf("%s: got %v", broken, err)
		}
	}
}

// adopting shows a file that something else made as a backup of crm.
type adopting struct{ Source }

func (a adopting) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		ref := refOf("adopted", 20)
		mark := &holdfast.Adopted{Key: "dumps/crm_20251020.sql.gz"}
		for _, o := range []holdfast.Object{{Key: ref.Key("crm.sql.gz"), Size: 10, Adopted: mark}, {Key: ref.ManifestKey(), Adopted: &holdfast.Adopted{}}} {
			if strings.HasPrefix(o.Key, prefix) && !yield(o, nil) {
				return
			}
		}
		for o, err := range a.Source.List(ctx, prefix) {
			if !yield(o, err) {
				return
			}
		}
	}
}

func TestWhatWasAdoptedIsLeftOut(t *testing.T) {
	a, b := memory(), memory()
	backup(t, a, refOf("crm", 26), 1000)
	result, err := Run(t.Context(), adopting{a}, b, options())
	must(t, err)
	if result.Adopted != 1 || len(result.Copied) != 1 || len(result.Failed) != 0 {
		t.Errorf("got %+v", result)
	}
}
