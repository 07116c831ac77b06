package retention

import (
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlanAnswersTheWorkedCases(t *testing.T) {
	data, err := os.ReadFile("testdata/retention-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := parseCases(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 20 {
		t.Fatalf("got %d cases, want all 20 of them", len(cases))
	}
	for _, c := range cases {
		t.Run(c.ID, func(t *testing.T) {
			got, err := c.Plan()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(inOrder(c, c.Keep), got.Keep); diff != "" {
				t.Errorf("%s\nkept (-want +got):\n%s", c.Note, diff)
			}
			if diff := cmp.Diff(inOrder(c, c.Delete), got.Delete); diff != "" {
				t.Errorf("%s\ndeleted (-want +got):\n%s", c.Note, diff)
			}
			for _, b := range c.Backups {
				if len(got.Reasons[b.Name]) == 0 {
					t.Errorf("%s: no reason given", b.Name)
				}
			}
		})
	}
}

// inOrder returns the names in the order of the case's backups.
func inOrder(c Case, names []string) []string {
	ordered := []string{}
	for _, b := range c.Backups {
		if slices.Contains(names, b.Name) {
			ordered = append(ordered, b.Name)
		}
	}
	return ordered
}
