package status

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// view is the page as its template has it: words, no decisions.
type view struct {
	Title, Headline string
	State           string // the worst of all
	At              moment
	Program         string
	Policy          string
	Script          template.JS
	Style           template.CSS
	Icon            template.URL
	Counts          []countView
	Tiles           []tile
	Several         bool // vaults
	Jobs            int
	Vaults          []vaultView
	Data            data
}

type countView struct {
	State, Word string
	N           int
}

// tile is one figure with what it is about.
type tile struct {
	Label, Value, Note string
	When               *moment
	Bad                bool
}

type vaultView struct {
	Name, ID  string
	Reachable bool
	At        moment
	Tiles     []tile
	Findings  []findingView
	Channels  []channelView // those that fail
	Jobs      []jobView
	Unwatched string
}

type channelView struct {
	Name, Err string
	Since     *moment
}

func newView(s Status, o Options) view {
	v := view{
		Title: cmp.Or(o.Title, "Backups"), State: OK, At: at(s.At, s.At), Program: line(s.Program), Several: len(s.Vaults) > 1,
	}
	counts, unreachable, open := map[string]int{}, 0, 0
	states := map[holdfast.JobName]string{} // the worst of each job's, in all of its vaults
	for _, vault := range s.Vaults {
		shown := viewVault(vault, s.At)
		v.Vaults = append(v.Vaults, shown)
		v.Jobs += len(vault.Jobs)
		for _, j := range vault.Jobs {
			name := holdfast.JobName{Host: j.Host, Job: j.Job}
			states[name] = worse(cmp.Or(states[name], OK), j.State)
		}
		for _, j := range shown.Jobs { // in the order of the page
			counts[j.State]++
			v.State = worse(v.State, j.State)
			if j.Silenced != nil {
				counts["silenced"]++
			}
			v.Data.Jobs = append(v.Data.Jobs, j.data)
		}
		if !vault.Reachable {
			unreachable++
		}
		for _, f := range vault.Findings {
			open++
			v.State = worse(v.State, string(f.Severity))
		}
	}
	v.Data.At = s.At.Unix()
	v.Data.spread()
	v.Headline = headline(s, states, unreachable, open)
	for _, c := range []countView{{Critical, "critical", 0}, {Warning, "warning", 0}, {OK, "ok", 0}, {"silenced", "silenced", 0}} {
		if c.N = counts[c.State]; c.N > 0 || c.State == OK {
			v.Counts = append(v.Counts, c)
		}
	}
	v.Tiles = tiles(s.Vaults, s.At)
	v.Icon = icon(v.State)
	return v
}

func worse(a, b string) string {
	if rank(b) < rank(a) {
		return b
	}
	return a
}

func headline(s Status, states map[holdfast.JobName]string, unreachable, open int) string {
	jobs, bad := len(states), 0
	for _, state := range states {
		if state != OK {
			bad++
		}
	}
	switch {
	case unreachable == 1 && len(s.Vaults) == 1:
		return "The vault cannot be reached"
	case unreachable > 0:
		return fmt.Sprintf("%d of %d vaults cannot be reached", unreachable, len(s.Vaults))
	case bad == 1:
		return fmt.Sprintf("1 of %s needs attention", number(jobs, "job"))
	case bad > 0:
		return fmt.Sprintf("%d of %s need attention", bad, number(jobs, "job"))
	case open > 0:
		return "The jobs are well, the vault needs attention"
	case jobs == 0:
		return "Nothing is backed up yet"
	case jobs == 1:
		return "The one job is well"
	}
	return fmt.Sprintf("All %d jobs are well", jobs)
}

func viewVault(vault Vault, now time.Time) vaultView {
	v := vaultView{
		Name: line(vault.Name), ID: "vault-" + line(vault.Name), Reachable: vault.Reachable, At: at(vault.At, now),
		Tiles: tiles([]Vault{vault}, now), Findings: viewFindings(vault.Findings, now),
	}
	unwatched := make([]string, len(vault.Unwatched))
	for i, name := range vault.Unwatched {
		unwatched[i] = line(name)
	}
	v.Unwatched = strings.Join(unwatched, ", ")
	for _, c := range vault.Channels {
		if c.Err != "" {
			v.Channels = append(v.Channels, channelView{line(c.Name), line(c.Err), maybe(c.Since, now)})
		}
	}
	jobs := slices.Clone(vault.Jobs)
	slices.SortStableFunc(jobs, func(a, b Job) int {
		return cmp.Or(rank(a.State)-rank(b.State), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Job, b.Job))
	})
	for _, j := range jobs {
		v.Jobs = append(v.Jobs, viewJob(vault.Name, j, now))
	}
	return v
}

// icon is the picture in the browser's tab: a shape and a colour by state.
func icon(state string) template.URL {
	shape := map[string]string{
		OK:       "%3Ccircle cx='8' cy='8' r='7' fill='%231a7a3f'/%3E",
		Warning:  "%3Cpath d='M8 1l7 14H1z' fill='%23c98a00'/%3E",
		Critical: "%3Cpath d='M1 1h14v14H1z' fill='%23b3261e'/%3E",
	}[state]
	return template.URL("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E" + shape + "%3C/svg%3E")
}

// line makes a text of foreign origin one printable line; the template escapes it.
func line(text string) string { return holdfast.Printable(strings.Join(strings.Fields(text), " ")) }
