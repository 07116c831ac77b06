package s3

import (
	"encoding/xml"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// awsVersions answers ListObjectVersions as AWS does, with pages of a few entries;
// versitygw gives the key at the marker again, which hides what is skipped.
type awsVersions struct {
	keys []string // sorted; a key is there once for each of its versions
	page int
}

type entry struct {
	Key, VersionId, LastModified string
	IsLatest                     bool
}

func (a awsVersions) answer(op string, r *http.Request) (*http.Response, error) {
	if op != "ListObjectVersions" {
		return nil, fmt.Errorf("sent %s", op)
	}
	q := r.URL.Query()
	var out struct {
		XMLName                            xml.Name `xml:"ListVersionsResult"`
		IsTruncated                        bool
		NextKeyMarker, NextVersionIdMarker string  `xml:",omitempty"`
		Version                            []entry `xml:"Version"`
	}
	version := 0
	for i, key := range a.keys {
		if version++; i == 0 || a.keys[i-1] != key {
			version = 1
		}
		id := fmt.Sprintf("v%d", version)
		marker, versionMarker := q.Get("key-marker"), q.Get("version-id-marker")
		if !strings.HasPrefix(key, q.Get("prefix")) || key < marker || key == marker && id <= versionMarker || key == marker && versionMarker == "" {
			continue
		}
		if len(out.Version) == a.page {
			last := out.Version[len(out.Version)-1]
			out.IsTruncated, out.NextKeyMarker, out.NextVersionIdMarker = true, last.Key, last.VersionId
			break
		}
		out.Version = append(out.Version, entry{key, id, "2025-10-28T14:00:00.000Z", version == 1})
	}
	body, err := xml.Marshal(out)
	return says(r, http.StatusOK, string(body)), err
}

// TestVersionsAreFoundWhereverTheyLie looks for random keys among random others.
func TestVersionsAreFoundWhereverTheyLie(t *testing.T) {
	w := &wire{}
	v := newVault(t, testenv.S3Server{URL: "http://127.0.0.1:1", Region: "eu-west-3", AccessKey: "id", SecretKey: "secret"}, "acme",
		func(o *Options) { o.Client = &http.Client{Transport: w} })
	const seed = 20251028
	random := rand.New(rand.NewPCG(seed, seed))
	for round := range 300 {
		stored, want := map[string]int{}, map[string]int{}
		for range 1 + random.IntN(40) {
			key := "backups/" + strings.Repeat([]string{"a", "ä"}[random.IntN(2)], random.IntN(3)) + fmt.Sprint(random.IntN(60))
			stored[key] = 1 + random.IntN(3)*random.IntN(2)
			if random.IntN(3) == 0 {
				want[key] = stored[key]
			}
		}
		want["backups/none"] = 0
		wanted := slices.Sorted(maps.Keys(want))
		for key := range want {
			if n, ok := stored[key]; ok {
				want[key] = n
			}
		}
		var all []string
		for _, key := range slices.Sorted(maps.Keys(stored)) {
			for range stored[key] {
				all = append(all, key)
			}
		}
		w.answer = awsVersions{all, 1 + random.IntN(5)}.answer
		found, err := v.versions(t.Context(), wanted)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range wanted {
			if len(found[key]) != want[key] {
				t.Fatalf("round %d: of %v, %q: found %v, want %d versions", round, all, key, found[key], want[key])
			}
		}
	}
}

// TestWhatLiesFarApartIsSkippedTo: two keys with many pages between them.
func TestWhatLiesFarApartIsSkippedTo(t *testing.T) {
	var all []string
	for i := range 1000 {
		all = append(all, fmt.Sprintf("backups/%04d/data", i))
	}
	w := &wire{answer: awsVersions{all, 10}.answer}
	v := newVault(t, testenv.S3Server{URL: "http://127.0.0.1:1", Region: "eu-west-3", AccessKey: "id", SecretKey: "secret"}, "acme",
		func(o *Options) { o.Client = &http.Client{Transport: w} })
	found, err := v.versions(t.Context(), []string{all[5], all[500], all[995]})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{5, 500, 995} {
		if len(found[all[i]]) != 1 {
			t.Errorf("%q: found %v", all[i], found[all[i]])
		}
	}
	if n := len(w.sent()); n != 3 {
		t.Errorf("%d requests, want 3 of the 100 pages", n)
	}
}
