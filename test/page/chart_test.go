package page_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/status"
)

// reach returns of how much of its width a canvas has a colour, in percent.
const reach = `((canvas, r, g, b) => {
	const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height), columns = new Set()
	for (let i = 0; i < data.length; i += 4) {
		if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255) columns.add(i / 4 % width)
	}
	return Math.round(columns.size / width * 100)
})`

// share returns reach of the n-th chart of the job that is open.
func share(p *tab, n int, rgb string) int {
	p.t.Helper()
	return eval[int](p, fmt.Sprintf(`%s(document.querySelectorAll("[open] .chart canvas")[%d], %s)`, reach, n, rgb))
}

func TestChartsAreDrawnWhenAJobIsOpened(t *testing.T) {
	for _, from := range []struct {
		name    string
		address func(*testing.T, status.Status) string
	}{{"as a file", asFile}, {"from a server", asSite}} {
		for _, dark := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dark %v", from.name, dark), func(t *testing.T) {
				p := open(t, from.address(t, threeJobs()), view{dark: dark})
				if n := eval[int](p, `document.querySelectorAll(".chart canvas").length`); n != 0 {
					t.Errorf("%d charts before a job is opened", n)
				}
				p.show("main/web1/crm")
				p.settle()
				line, bars := "30, 93, 187", "169, 182, 198"
				if dark {
					line, bars = "130, 180, 255", "79, 94, 112"
				}
				if got := share(p, 0, line); got < 70 {
					t.Errorf("the line of sizes goes over %d %% of the width", got)
				}
				if got := share(p, 1, bars); got < 25 || got > 70 {
					t.Errorf("the bars of durations take %d %% of the width", got)
				}
				if n := eval[int](p, `document.querySelectorAll("[open] .days .in").length`); n != 39 {
					t.Errorf("the calendar has %d days, want those of 40 backups, less one that goes", n)
				}
				if got := eval[string](p, `document.querySelector("[open] .days .in").title`); got != "1 Mar: daily" {
					t.Errorf("the first day of March says %q", got)
				}
				p.quiet()
			})
		}
	}
}

// The odd one must be marked: the chart has the colour of what is bad.
func TestAnOddSizeIsMarked(t *testing.T) {
	marked := func(s status.Status) bool {
		p := open(t, asFile(t, s), view{})
		p.show("main/web1/crm")
		p.settle()
		return share(p, 0, "176, 36, 28") > 0
	}
	odd := threeJobs()
	if !marked(odd) {
		t.Error("an odd size is not marked")
	}
	for _, j := range odd.Vaults[0].Jobs {
		for i := range j.Backups {
			j.Backups[i].Odd = false
		}
	}
	if marked(odd) {
		t.Error("a usual size is marked")
	}
}
