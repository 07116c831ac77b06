package fill

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

// sweep runs the target's retention, which keeps all that is a backup.
func sweep(t *testing.T, v retention.Vault, now time.Time) int {
	t.Helper()
	s, err := retention.Run(t.Context(), v, func(string, string) (holdfast.Keep, holdfast.Expect, bool) {
		return holdfast.Keep{}, holdfast.Expect{}, true
	}, retention.Options{Now: now})
	must(t, err)
	return s.Swept.Objects
}

// Of an old id, what is there without a manifest is the sweep's after two days: also
// what a copy that takes so long, or one that was cut off, has sent already.
func TestWhatTheSweepTakesMeanwhileIsSentAgain(t *testing.T) {
	ref := refOf("crm", 20)
	for name, at := range map[string]func(op, key string) bool{
		"while the rest is sent":        func(op, key string) bool { return op == "CompleteUpload" && key == ref.Key("s1.sql.zst") },
		"when the hold is there":        func(op, key string) bool { return op == "Put" && key == ref.HoldKey() },
		"when the manifest is next":     func(op, key string) bool { return op == "Put" && key == ref.ManifestKey() },
		"when an earlier copy's is old": func(op, key string) bool { return op == "SendPart" && key == ref.Key("s1.sql.zst") },
	} {
		t.Run(name, func(t *testing.T) {
			clock := noon
			a, b := memory(), mem.New(func() time.Time { return clock }, "")
			backup(t, a, ref, 70_000, 80_000)
			must(t, a.Put(t.Context(), ref.HoldKey(), []byte("{}")))
			if strings.Contains(name, "earlier") {
				clock = noon.Add(-72 * time.Hour)
				put(t, b, ref.Key("s0.sql.zst"), content(ref.Key("s0.sql.zst"), 70_000))
				clock = noon
			}
			gone := 0
			b.Fault = func(op, key string) error {
				if op == "StartUpload" && key == ref.Key("s1.sql.zst") {
					clock = clock.Add(20 * time.Hour) // each takes less than two days, both more
				}
				if at(op, key) && gone == 0 {
					clock = noon.Add(49 * time.Hour)
					if op == "Put" {
						clock = noon.Add(72 * time.Hour)
					}
					if strings.Contains(name, "earlier") {
						clock = noon
					}
					b.Fault = func(op, key string) error {
						if op == "Open" && key != ref.Key("s0.sql.zst") {
							t.Errorf("%s is read back, which this copy has sent", key)
						}
						return nil
					}
					must(t, b.Delete(t.Context(), ref.HoldKey())) // else the sweep leaves it all
					gone = sweep(t, b, clock)
				}
				return nil
			}
			result, err := Run(t.Context(), a, b, options())
			must(t, err)
			if gone == 0 {
				t.Fatal("the sweep took nothing")
			}
			if len(result.Copied) != 1 || len(result.Failed) != 0 {
				t.Errorf("got %+v", result)
			}
			b.Fault = nil
			equal(t, "target", without(objects(t, a), holdfast.HoldFile), without(objects(t, b), holdfast.HoldFile))
		})
	}
}

func TestATargetThatLosesWhatItIsSentIsAFailure(t *testing.T) {
	a, b := memory(), memory()
	ref := refOf("crm", 20)
	backup(t, a, ref, 1000)
	b.Fault = func(op, key string) error {
		if op == "List" && key == ref.Key("") {
			return b.Delete(t.Context(), ref.Key("s0.sql.zst"))
		}
		return nil
	}
	result, err := Run(t.Context(), a, b, options())
	must(t, err)
	if len(result.Copied) != 0 || len(result.Failed) != 1 || !strings.Contains(result.Failed[0].Error, "is gone, again and again") {
		t.Errorf("got %+v", result)
	}
	if _, committed := objects(t, b)[ref.ManifestKey()]; committed {
		t.Error("a manifest without data is there")
	}
}
