package fill

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

// written are the options for a source that hosts write to by themselves: they may push
// crm, twice a day, of at most 50 kB.
func written() Options {
	o := options()
	o.HostQuota = func(_, job string) (holdfast.Quota, string) {
		if job != "crm" {
			return holdfast.Quota{}, "may not push it"
		}
		return holdfast.Quota{MaxSize: 50_000, MaxPerDay: 2}, ""
	}
	return o
}

func refAt(id string) holdfast.Ref {
	return holdfast.Ref{Host: "web1", Job: "crm", ID: holdfast.ID(id)}
}

// A host that writes to the source by itself brings no more into a vault that it can't
// reach than through the broker.
func TestWhatABrokerWouldNotHaveTakenIsLeftOut(t *testing.T) {
	fits := 50_000 - len(signed(t, manifest(refAt("20251027T030000Z-00000001"), 40_000)))
	for name, test := range map[string]struct {
		put  func(t *testing.T, a, b vault)
		want []string // that are copied
		left map[string]string
	}{
		"a job that the host may not push": {func(t *testing.T, a, _ vault) {
			backup(t, a, refOf("x1", 27), 1000)
			backup(t, a, refOf("x2", 27), 1000)
		}, nil, map[string]string{refOf("x1", 27).String(): "may not push it", refOf("x2", 27).String(): "may not push it"}},
		"one of a time to come": {func(t *testing.T, a, _ vault) {
			backup(t, a, refAt("20251028T120459Z-00000001"), 1000)
			backup(t, a, refAt("20251028T120501Z-00000002"), 1000)
		}, []string{"20251028T120459Z-00000001"}, map[string]string{"20251028T120501Z-00000002": "bears a time that has not come yet"}},
		"one that is too large, its manifest counted": {func(t *testing.T, a, _ vault) {
			backup(t, a, refAt("20251027T030000Z-00000001"), fits)
			backup(t, a, refAt("20251027T030000Z-00000002"), fits+1)
		}, []string{"20251027T030000Z-00000001"}, map[string]string{"20251027T030000Z-00000002": "max_size is 50kB"}},
		"more than a day has": {func(t *testing.T, a, _ vault) {
			for i := range 4 {
				backup(t, a, refAt(fmt.Sprintf("20251027T03000%dZ-00000001", i)), 1000)
			}
			backup(t, a, refAt("20251026T235959Z-00000001"), 1000)
		}, []string{"20251027T030001Z-00000001", "20251027T030000Z-00000001", "20251026T235959Z-00000001"},
			map[string]string{"20251027T030002Z-00000001": "2 of 2025-10-27 (UTC) come before it, and max_per_day is 2", "20251027T030003Z-00000001": "max_per_day"}},
		"more than a day has, with what the target has": {func(t *testing.T, a, b vault) {
			for i := range 3 {
				backup(t, a, refAt(fmt.Sprintf("20251027T03000%dZ-00000001", i)), 1000)
			}
			backup(t, b, refAt("20251027T030002Z-00000001"), 1000)
			backup(t, b, refAt("20251027T050000Z-00000001"), 1000)
			must(t, b.(holdfast.Deleter).Delete(t.Context(), refAt("20251027T030002Z-00000001").Key("s0.sql.zst")))
		}, []string{"20251027T030002Z-00000001"}, // whose manifest is there
			map[string]string{"20251027T030000Z-00000001": "max_per_day", "20251027T030001Z-00000001": "max_per_day"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, dry := range []bool{true, false} {
				a, b := memory(), memory()
				test.put(t, a, b)
				o := written()
				o.DryRun = dry
				result, err := Run(t.Context(), a, b, o)
				must(t, err)
				var copied []string
				for _, c := range result.Copied {
					copied = append(copied, string(c.Ref.ID))
				}
				if !slices.Equal(copied, test.want) || len(result.Failed)+len(result.Left) > 0 {
					t.Errorf("dry run %v: got %+v, want %q copied", dry, result, test.want)
				}
				if len(result.Refused) != len(test.left) {
					t.Errorf("dry run %v: refused %+v, want %v", dry, result.Refused, test.left)
				}
				for _, r := range result.Refused {
					want, ok := test.left[string(r.Ref.ID)]
					if !ok {
						want, ok = test.left[r.Ref.String()]
					}
					if !ok || len(r.Reasons) != 1 || !strings.Contains(r.Reasons[0], want) {
						t.Errorf("dry run %v: refused %+v, want %q", dry, r, want)
					}
				}
				for key := range objects(t, b) {
					if ref, _, _ := holdfast.ParseKey(key); test.left[string(ref.ID)] != "" || test.left[ref.String()] != "" {
						t.Errorf("dry run %v: %s is in the target", dry, key)
					}
				}
			}
		})
	}
}

func signed(t *testing.T, m holdfast.Manifest) []byte {
	t.Helper()
	doc, err := token.SignManifest(hostKey(m.Host), m)
	must(t, err)
	return doc
}

// What cannot be proven fails, and takes the place of nothing that can.
func TestABackupThatNoHostSignedTakesNoPlace(t *testing.T) {
	a, b := memory(), memory()
	for i := range 2 {
		ref := refAt(fmt.Sprintf("20251027T01000%dZ-0000000f", i))
		put(t, a, ref.Key("s0.sql.zst"), content("x", 1000))
		put(t, a, ref.ManifestKey(), []byte("{}"))
	}
	good := []string{refAt("20251027T040000Z-00000001").String(), refAt("20251027T030000Z-00000001").String()}
	backup(t, a, refAt("20251027T030000Z-00000001"), 1000)
	backup(t, a, refAt("20251027T040000Z-00000001"), 1000)
	o := written()
	told := 0
	o.Done = func(_ Copied, err error) {
		if err != nil {
			told++
		}
	}
	o.Keep = func(string, string) (holdfast.Keep, bool) {
		return holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: 2}, MinKeep: 1}, true
	}
	result, err := Run(t.Context(), a, b, o)
	must(t, err)
	if !slices.Equal(refs(result.Copied), good) || len(result.Failed) != 2 || told != 2 || len(result.Refused)+len(result.Left) > 0 {
		t.Errorf("got %+v, want %q copied, and %d failures told", result, good, told)
	}
}

// Whoever writes to the source can change it while a copy is on its way.
func TestAManifestThatGrowsAfterItWasAdmittedIsNotCopied(t *testing.T) {
	a, b := memory(), memory()
	ref := refAt("20251027T030000Z-00000001")
	backup(t, a, ref, 1000)
	reads := 0
	a.Fault = func(op, key string) error {
		if op != "Open" || key != ref.ManifestKey() {
			return nil
		}
		if reads++; reads == 2 {
			a.Fault = nil
			must(t, a.Delete(t.Context(), ref.Key("s0.sql.zst")))
			must(t, a.Delete(t.Context(), ref.ManifestKey()))
			backup(t, a, ref, 60_000)
		}
		return nil
	}
	result, err := Run(t.Context(), a, b, written())
	must(t, err)
	if reads < 2 || len(result.Failed) != 1 || !strings.Contains(result.Failed[0].Error, "max_size") || len(objects(t, b)) != 0 {
		t.Errorf("after %d reads: got %+v", reads, result)
	}
}

// Nobody signs a hold: a host could make one that keeps its garbage for ever.
func TestAHoldThatAHostMayHaveMadeHoldsNothing(t *testing.T) {
	a, b := memory(), memory()
	for day := 24; day <= 27; day++ {
		backup(t, a, refOf("crm", day), 1000)
		must(t, a.Put(t.Context(), refOf("crm", day).HoldKey(), []byte("{}")))
	}
	backup(t, b, refOf("crm", 25), 1000)
	must(t, b.Put(t.Context(), refOf("crm", 25).HoldKey(), []byte(`{"by":"alice"}`)))
	must(t, b.Delete(t.Context(), refOf("crm", 25).Key("s0.sql.zst"))) // to be made whole
	o := written()
	o.Keep = func(string, string) (holdfast.Keep, bool) {
		return holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: 2}, MinKeep: 1}, true
	}
	was := objects(t, b)[refOf("crm", 25).HoldKey()]
	b.Fault = func(op, key string) error {
		if op == "Put" && strings.HasSuffix(key, holdfast.HoldFile) {
			t.Errorf("%s is put into the target", key)
		}
		return nil
	}
	result, err := Run(t.Context(), a, b, o)
	must(t, err)
	want := []string{refOf("crm", 27).String(), refOf("crm", 26).String(), refOf("crm", 25).String()}
	if !slices.Equal(refs(result.Copied), want) {
		t.Errorf("copied %q, want %q, the one that is held in the target with them", refs(result.Copied), want)
	}
	if !slices.Equal(result.Unheld, []holdfast.Ref{refOf("crm", 27), refOf("crm", 26)}) {
		t.Errorf("told of %v", result.Unheld)
	}
	if len(result.Left) != 0 || len(result.Refused) != 1 {
		t.Fatalf("left %+v, refused %+v, want the one that nothing keeps to be refused", result.Left, result.Refused)
	}
	refused := result.Refused[0]
	if refused.Ref != refOf("crm", 24) || !refused.Held || !slices.Equal(refused.Reasons, []string{
		"held in the source, where a host may have made the mark, and retention would delete it in the target", "no rule keeps it",
	}) {
		t.Errorf("refused %+v", refused)
	}
	for key, sum := range objects(t, b) {
		if strings.HasSuffix(key, holdfast.HoldFile) && (key != refOf("crm", 25).HoldKey() || sum != was) {
			t.Errorf("%s is in the target", key)
		}
	}
}

// Backups of days gone by, which a host can make and sign, take the place of no good
// one where retention doubts the times.
func TestBackupsOfDaysGoneByTakeNoPlaceInTheTarget(t *testing.T) {
	clock := noon
	a, b := memory(), mem.New(func() time.Time { return clock }, "")
	keep := holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Daily: 20}, MinKeep: 3}
	for day := 9; day <= 28; day++ {
		good := refOf("crm", day)
		clock = good.ID.Time().Add(time.Minute)
		backup(t, b, good, 10_000)
		backup(t, a, refAt(fmt.Sprintf("202510%02dT030100Z-0000000f", day)), 10_000) // the newest of its day
	}
	clock = noon
	o := written()
	o.Keep = func(string, string) (holdfast.Keep, bool) { return keep, true }
	result, err := Run(t.Context(), a, b, o)
	must(t, err)
	s, err := retention.Run(t.Context(), b, func(string, string) (holdfast.Keep, holdfast.Expect, bool) {
		return keep, holdfast.Expect{Every: holdfast.Span{N: 24, Unit: "h"}, Grace: holdfast.Span{N: 9, Unit: "h"}}, true
	}, retention.Options{Now: noon, HostNamed: true})
	must(t, err)
	if len(result.Copied) != 20 || len(s.Findings) == 0 {
		t.Errorf("copied %d, and retention found %+v", len(result.Copied), s.Findings)
	}
	there := objects(t, b)
	for day := 9; day <= 28; day++ {
		if there[refOf("crm", day).ManifestKey()] == "" {
			t.Errorf("that of the %dth is gone", day)
		}
	}
}
