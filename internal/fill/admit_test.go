package fill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

// keeping are the options for a source that hosts write to, four times a day, and what
// retention goes by in the target.
func keeping(daily int, maxTotal holdfast.Size) Options {
	o := options()
	o.HostQuota = func(string, string) (holdfast.Quota, string) {
		return holdfast.Quota{MaxSize: 50_000, MaxPerDay: 4}, ""
	}
	o.Keep = func(string, string) (holdfast.Keep, bool) {
		return holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Daily: daily}, MinKeep: 1, MaxTotal: maxTotal}, true
	}
	return o
}

// forged puts a backup that nobody signed.
func forged(t *testing.T, v Target, id string, size int) {
	t.Helper()
	ref := refAt(id)
	put(t, v, ref.Key("s0.sql.zst"), content("x", size))
	put(t, v, ref.ManifestKey(), []byte("{}"))
}

// A copy from a doubted source runs each night, and most of what lies there was dropped
// long ago.
func TestOfWhatRetentionWouldDropNoManifestIsRead(t *testing.T) {
	a, b := memory(), memory()
	for day := 1; day <= 27; day++ {
		backup(t, a, refOf("crm", day), 1000)
	}
	read := map[string]int{}
	a.Fault = func(op, key string) error {
		if op == "Open" && strings.HasSuffix(key, holdfast.ManifestFile) {
			read[key]++
		}
		return nil
	}
	first, err := Run(t.Context(), a, b, keeping(2, 0))
	must(t, err)
	want := map[string]int{refOf("crm", 27).ManifestKey(): 2, refOf("crm", 26).ManifestKey(): 2} // to admit it and to copy it
	if len(first.Copied) != 2 || len(first.Left) != 25 || fmt.Sprint(read) != fmt.Sprint(want) {
		t.Errorf("copied %d, left %d, manifests read: %v", len(first.Copied), len(first.Left), read)
	}
	clear(read)
	again, err := Run(t.Context(), a, b, keeping(2, 0))
	must(t, err)
	if again.Present != 2 || len(again.Left) != 25 || len(read) != 0 {
		t.Errorf("a second time: %d present, %d left, manifests read: %v", again.Present, len(again.Left), read)
	}
}

// Whatever a listing says, only what its host signed has a place.
func TestWhatIsNotProvenHasNoPlaceInThePlan(t *testing.T) {
	good := "20251026T030000Z-00000001"
	for name, test := range map[string]struct {
		put func(t *testing.T, a vault)
		max holdfast.Size
	}{
		"one after the other of a day": {func(t *testing.T, a vault) {
			forged(t, a, "20251026T040000Z-0000000f", 1000)
			forged(t, a, "20251026T050000Z-0000000f", 1000)
			forged(t, a, "20251026T060000Z-0000000f", 1000)
		}, 0},
		"more than a day has, that no rule keeps": {func(t *testing.T, a vault) {
			for i := range 4 {
				forged(t, a, fmt.Sprintf("20251026T01000%dZ-0000000f", i), 1000)
			}
		}, 0},
		"one that gives its place up for its size": {func(t *testing.T, a vault) {
			forged(t, a, "20251026T040000Z-0000000f", 40_000)
		}, 20_000},
		"one that is too large": {func(t *testing.T, a vault) {
			backup(t, a, refAt("20251026T040000Z-0000000f"), 60_000)
		}, 0},
		"a file beside it, before it was committed": {func(t *testing.T, a vault) {
			put(t, a, refAt(good).Key("x"), content("x", 60_000))
		}, 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := memory(), memory()
			test.put(t, a)
			backup(t, a, refAt(good), 1000)
			backup(t, a, refOf("crm", 27), 1000)
			backup(t, b, refOf("crm", 27), 1000)
			result, err := Run(t.Context(), a, b, keeping(2, test.max))
			must(t, err)
			if !slices.Equal(refs(result.Copied), []string{refAt(good).String()}) || len(result.Left) != 0 {
				t.Errorf("got %+v, want %s copied", result, good)
			}
		})
	}
}

// What a copy that was ended did not come to has not failed.
func TestACopyThatIsEndedNamesNoBackupAsFailed(t *testing.T) {
	for nth := 1; nth <= 3; nth++ {
		a, b := memory(), memory()
		for day := 20; day <= 27; day++ {
			backup(t, a, refOf("crm", day), 1000)
		}
		ctx, cancel := context.WithCancel(t.Context())
		opened := 0
		a.Fault = func(op, _ string) error {
			if op == "Open" {
				if opened++; opened == nth {
					cancel()
				}
			}
			return nil
		}
		o := written()
		o.Done = func(c Copied, err error) { t.Errorf("told of %s: %v", c.Ref, err) }
		result, err := Run(ctx, a, b, o)
		if !errors.Is(err, context.Canceled) || len(result.Failed)+len(result.Refused) != 0 || opened != nth {
			t.Errorf("after %d: %v, %+v, %d opened", nth, err, result, opened)
		}
	}
}

func TestEachPartOnItsWayKeepsItsConnection(t *testing.T) {
	transport := Options{}.withDefaults().HTTP.Transport.(*http.Transport)
	if transport.MaxIdleConnsPerHost != atOnce {
		t.Errorf("keeps %d connections, for %d parts at once", transport.MaxIdleConnsPerHost, atOnce)
	}
}
