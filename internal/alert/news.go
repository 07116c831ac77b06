package alert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Good news waits for a channel so long, and so much of it; then the oldest is
// dropped, for it is not worth more.
const (
	maxNews = 200
	oldNews = 48 * time.Hour
)

// forgetSeen is how old the newest backup of a job is that is not seen any more.
const forgetSeen = 90 * 24 * time.Hour

// news is something good that a channel is still to be told.
type news struct {
	Event   holdfast.Event `json:"event"`
	At      time.Time      `json:"at"`
	Host    string         `json:"host,omitempty"`
	Job     string         `json:"job,omitempty"`
	Backup  holdfast.ID    `json:"backup,omitempty"`
	Summary string         `json:"summary"`
}

func (n news) id() string {
	return digest(string(n.Event), n.Host, n.Job, string(n.Backup), n.At.UTC().Format(time.RFC3339Nano))
}

func (n news) job() holdfast.JobName { return holdfast.JobName{Host: n.Host, Job: n.Job} }

// gatherNews adds what good has come since the state was last advanced.
// troubled are the jobs with which something was wrong then. What was there when
// a channel first wanted good news is none, and of silenced jobs there is none.
func (st *state) gatherNews(m moment, troubled map[holdfast.JobName]bool) {
	names := slices.Sorted(maps.Keys(m.rules.Channels))
	add := func(n news, since time.Time) {
		for _, name := range names {
			c := st.channel(name)
			if m.rules.Wants(name, n.Host, n.Job, n.Event) && !m.silenced(n.job()) && !c.NewsFrom.IsZero() && since.After(c.NewsFrom) {
				c.News = append(c.News, n)
			}
		}
	}
	still := st.troubled(m)
	seen := map[string]holdfast.ID{}
	for _, job := range slices.SortedFunc(maps.Keys(m.in.Jobs), func(a, b holdfast.JobName) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Job, b.Job))
	}) {
		if !m.wantsNews(names, job) {
			continue
		}
		last := m.in.Jobs[job].Last
		before := st.Seen[job.String()]
		if seen[job.String()] = before; last == nil || last.ID <= before {
			continue
		}
		seen[job.String()] = last.ID
		arrived := news{Event: holdfast.BackupSucceeded, At: last.ID.Time(), Host: job.Host, Job: job.Job, Backup: last.ID,
			Summary: "a good backup has arrived, " + holdfast.Size(last.Size).String()}
		add(arrived, arrived.At)
		if before == "" && !still[job] && !troubled[job] {
			arrived.Event, arrived.Summary = holdfast.Healthy, "its first good backup is there"
			add(arrived, arrived.At)
		}
	}
	for job := range troubled {
		if !still[job] {
			add(news{Event: holdfast.Healthy, At: m.now, Host: job.Host, Job: job.Job, Summary: "nothing is wrong any more"}, m.now)
		}
	}
	if done := m.in.Cleaned; done.At.After(st.Cleaned) {
		if st.Cleaned = done.At; done.Deleted > 0 {
			add(news{Event: holdfast.CleanupSucceeded, At: done.At, Summary: fmt.Sprintf(
				"retention deleted %d backups, %s", done.Deleted, holdfast.Size(done.Freed))}, done.At)
		}
	}
	st.beginNews(m, names, seen)
}

// beginNews notes what was seen, and when channels began to want good news. A
// look that saw no jobs says nothing of either.
func (st *state) beginNews(m moment, names []string, seen map[string]holdfast.ID) {
	if len(m.in.Jobs) == 0 {
		return
	}
	maps.Copy(st.Seen, seen)
	for _, name := range names {
		c := st.channel(name)
		wants := m.rules.Wants(name, "", "", holdfast.CleanupSucceeded)
		for job := range m.in.Jobs {
			wants = wants || m.wantsNews([]string{name}, job)
		}
		switch {
		case wants && c.NewsFrom.IsZero():
			c.NewsFrom = m.now
		case !wants && m.in.Whole:
			c.NewsFrom, c.News = time.Time{}, nil
		}
	}
	maps.DeleteFunc(st.Seen, func(job string, id holdfast.ID) bool { // jobs that are gone
		_, is := seen[job]
		return !is && m.now.Sub(id.Time()) > forgetSeen
	})
}

// wantsNews reports whether one of the channels wants to hear that a job is well.
func (m moment) wantsNews(channels []string, job holdfast.JobName) bool {
	return slices.ContainsFunc(channels, func(name string) bool {
		return m.rules.Wants(name, job.Host, job.Job, holdfast.BackupSucceeded) ||
			m.rules.Wants(name, job.Host, job.Job, holdfast.Healthy)
	})
}

func (c *channel) pruneNews(now time.Time) {
	c.News = slices.DeleteFunc(c.News, func(n news) bool { return now.Sub(n.At) >= oldNews })
	c.News = c.News[max(0, len(c.News)-maxNews):]
	if len(c.News) == 0 {
		c.News = nil
	}
}

// dropNews removes what has been told.
func (c *channel) dropNews(ids []string) {
	c.News = slices.DeleteFunc(c.News, func(n news) bool { return slices.Contains(ids, n.id()) })
}

// item returns the news as a message says it.
func (n news) item(in Input) holdfast.Item {
	return holdfast.Item{
		Event: n.Event, Step: holdfast.News, At: n.At, Last: in.Jobs[n.job()].Last,
		Finding: holdfast.Finding{Host: n.Host, Job: n.Job, Backup: n.Backup, Summary: strings.TrimSpace(n.Summary)},
	}
}
