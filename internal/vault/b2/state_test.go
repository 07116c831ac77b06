package b2

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

const document = "state/counter"

// count adds one to the number in the document until no other writer is ahead.
func count(t testing.TB, v *Vault) error {
	for {
		body, tag, err := v.Load(t.Context(), document)
		if err != nil && !errors.Is(err, holdfast.ErrNotExist) {
			return err
		}
		n, _ := strconv.Atoi(string(body))
		_, err = v.Swap(t.Context(), document, []byte(strconv.Itoa(n+1)), tag)
		if !errors.Is(err, holdfast.ErrConflict) {
			return err
		}
	}
}

// TestManyWritersLoseNothing has writers with keys of their own, some of which can't
// take back what they lost with.
func TestManyWritersLoseNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const writers, rounds = 10, 6
	var wg sync.WaitGroup
	for i := range writers {
		role := "all"
		if i%2 == 0 {
			role = "monitor"
		}
		v := newVault(t, s, capabilities(t, role)...)
		wg.Go(func() {
			for range rounds {
				if err := count(t, v); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	v := newVault(t, s)
	if body, _, err := v.Load(t.Context(), document); err != nil || string(body) != strconv.Itoa(writers*rounds) {
		t.Errorf("got %s, %v, want %d", body, err, writers*rounds)
	}
	of := all(t, v, document)
	if won := chain(of); len(won) != writers*rounds {
		t.Errorf("%d versions won, want %d", len(won), writers*rounds)
	}
	t.Logf("%d versions for %d swaps", len(of), writers*rounds)
	if got := keys(t, v, "state/"); !slices.Equal(got, []string{document}) {
		t.Errorf("listed: %q", got)
	}
	must(t, v.Delete(t.Context(), document))
	if left := all(t, v, ""); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestSwapOfTheSameTagSucceedsOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	tag := ""
	for round := range 5 {
		tags, errs := make([]string, 12), make([]error, 12)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { tags[i], errs[i] = v.Swap(t.Context(), document, fmt.Appendf(nil, "%d by %d", round, i), tag) })
		}
		wg.Wait()
		won := -1
		for i, err := range errs {
			if err == nil {
				if won >= 0 {
					t.Fatalf("round %d: %d and %d both won", round, won, i)
				}
				won = i
			} else {
				wants(t, "swap", err, holdfast.ErrConflict)
			}
		}
		if won < 0 {
			t.Fatalf("round %d: none won", round)
		}
		tag = tags[won]
		body, present, err := v.Load(t.Context(), document)
		if err != nil || present != tag || string(body) != fmt.Sprintf("%d by %d", round, won) {
			t.Errorf("round %d: load: %q, tag %q, %v", round, body, present, err)
		}
	}
}

// one makes a version of a document.
func one(id, parent string, generation int) version {
	return version{
		key: document, id: id, action: actionUpload,
		info: map[string]string{infoParent: parent, infoGeneration: strconv.Itoa(generation), infoWriter: "of " + id},
	}
}

func TestWhichVersionOfADocumentCounts(t *testing.T) {
	foreign := version{key: document, id: "foreign", action: actionUpload}
	marker := version{key: document, id: "marker", action: actionHide}
	for _, c := range []struct {
		name string
		of   []version // the oldest first
		want []string  // the chain
	}{
		{"none", nil, nil},
		{"one", []version{one("a", "", 1)}, []string{"a"}},
		{"one after the other", []version{one("a", "", 1), one("b", "a", 2), one("c", "b", 3)}, []string{"a", "b", "c"}},
		{"a loser that stayed", []version{one("a", "", 1), one("b", "a", 2), one("loser", "a", 2)}, []string{"a", "b"}},
		{"and its rival's successor", []version{one("a", "", 1), one("b", "a", 2), one("loser", "a", 2), one("c", "b", 3)}, []string{"a", "b", "c"}},
		{"two that began", []version{one("a", "", 1), one("loser", "", 1)}, []string{"a"}},
		{"with the beginning gone", []version{one("b", "a", 2), one("loser", "a", 2), one("c", "b", 3)}, []string{"b", "c"}},
		{"with the loser's rival gone", []version{one("loser", "a", 2), one("c", "b", 3)}, []string{"c"}},
		{"with the loser's rival gone, not its predecessor", []version{one("a", "", 1), one("loser", "a", 2), one("c", "b", 3), one("d", "c", 4)}, []string{"c", "d"}},
		{"a writer that was long asleep", []version{one("c", "b", 3), one("sleeper", "a", 2)}, []string{"c"}},
		{"what somebody else stored", []version{one("a", "", 1), foreign}, []string{"a"}},
		{"what somebody else stored first", []version{foreign, one("a", "foreign", 1)}, []string{"foreign", "a"}},
		{"hidden", []version{one("a", "", 1), marker}, []string{"a"}},
		{"one that names itself", []version{one("a", "", 1), one("self", "self", 9)}, []string{"a"}},
		{"nothing but a marker", []version{marker}, nil},
	} {
		of := slices.Clone(c.of)
		slices.Reverse(of)
		var got []string
		for _, one := range chain(of) {
			got = append(got, one.id)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSwapRemovesWhatIsLongReplaced(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	clock := time.Now().Add(-3 * time.Hour)
	s.Now = func() time.Time { return clock }
	v := newVault(t, s)
	tag := ""
	for i, want := range []int{1, 2, 1, 2} {
		var err error
		tag, err = v.Swap(t.Context(), document, []byte{byte('0' + i)}, tag)
		must(t, err)
		if got := len(all(t, v, document)); got != want {
			t.Errorf("after %d swaps there are %d versions, want %d", i+1, got, want)
		}
		if i == 1 {
			clock = clock.Add(2 * staleAfter)
		} else {
			clock = clock.Add(time.Minute)
		}
	}
	if body, _, err := v.Load(t.Context(), document); err != nil || string(body) != "3" {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestADocumentThatIsTooLarge(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	over(t, v, document, string(make([]byte, holdfast.MaxState+1)))
	_, _, err := v.Load(t.Context(), document)
	wants(t, "load", err, holdfast.ErrCorrupt)
}
