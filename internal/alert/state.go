package alert

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// stateVersion is the version of the document that this code writes and reads.
const stateVersion = 1

// state is what people have been told, and of what:
//
//	{"version": 1,
//	 "revision": 12, "looked": "…",                 of the newest look that was taken in
//	 "incidents": [{"id": "…", "finding": {…}, "opened": "…",
//	   "due": {"ops": true},                         should have been told, and was not
//	   "told": {"mail": {"n": 1, "at": "…", "severity": "critical", "thread": "…"}}}],
//	 "openings": {"web1/crm fresh": ["…"]},         the last ones within a day, for flapping
//	 "seen": {"web1/crm": "<id>"},                  newest backups, where good news is told
//	 "cleaned": "…",                                last run of retention that was seen
//	 "dropped": 1,                                  incidents that were given up, see giveUp
//	 "channels": {"ops": {
//	   "claim": {"owner": "…", "until": "…"},       while a run sends through it
//	   "fails": 2, "since": "…", "err": "…",        runs in a row in which it failed
//	   "tried": "…", "waiting": "…",                last message; until when it wants to be left alone
//	   "used": "…",                                  last run whose rules name it
//	   "threads": {"<message>": {"at": "…", "posted": "…", "incidents": ["…"]}},
//	   "news_from": "…", "news": […],               good news that is still to be told
//	   "digested": "…"}}}                           the digest that was sent last
//
// It grows with what is wrong, not with time: what is over and told is removed.
type state struct {
	Version   int                    `json:"version"`
	Revision  int64                  `json:"revision,omitempty"`
	Looked    time.Time              `json:"looked,omitzero"`
	Incidents []*incident            `json:"incidents"`
	Openings  map[string][]time.Time `json:"openings,omitempty"` // by key.String, oldest first
	Seen      map[string]holdfast.ID `json:"seen,omitempty"`     // by JobName.String
	Cleaned   time.Time              `json:"cleaned,omitzero"`
	Dropped   int                    `json:"dropped,omitempty"`
	Channels  map[string]*channel    `json:"channels"`

	ids map[string]*incident // by id, while many are opened; nil until it is asked for
}

// channel is what is remembered of one channel.
type channel struct {
	Claim    *claim             `json:"claim,omitempty"`
	Fails    int                `json:"fails,omitempty"`
	Since    time.Time          `json:"since,omitzero"`
	Err      string             `json:"err,omitempty"`
	Broken   bool               `json:"broken,omitempty"` // Err is that it could not be set up
	Tried    time.Time          `json:"tried,omitzero"`
	Used     time.Time          `json:"used,omitzero"` // by a run whose rules name it, last
	Waiting  time.Time          `json:"waiting,omitzero"`
	Threads  map[string]*thread `json:"threads,omitempty"` // by Message.ID
	NewsFrom time.Time          `json:"news_from,omitzero"`
	News     []news             `json:"news,omitempty"` // oldest first
	Digested time.Time          `json:"digested,omitzero"`
}

// thread is a message that others go on from.
type thread struct {
	At        time.Time `json:"at"`
	Posted    string    `json:"posted,omitempty"`
	Incidents []string  `json:"incidents"` // in the order of the message
}

func newState() *state {
	return &state{
		Version: stateVersion, Incidents: []*incident{}, Openings: map[string][]time.Time{},
		Seen: map[string]holdfast.ID{}, Channels: map[string]*channel{},
	}
}

// channel returns what is remembered of a channel, from now on.
func (st *state) channel(name string) *channel {
	c := st.Channels[name]
	if c == nil {
		c = &channel{Threads: map[string]*thread{}}
		st.Channels[name] = c
	}
	return c
}

// byID returns the incidents by their ids.
func (st *state) byID() map[string]*incident {
	all := make(map[string]*incident, len(st.Incidents))
	for _, i := range st.Incidents {
		all[i.ID] = i
	}
	return all
}

// live returns the incidents that are not over, of which there is one of a key.
func (st *state) live() map[key]*incident {
	all := make(map[key]*incident, len(st.Incidents))
	for _, i := range st.Incidents {
		if !i.Closed {
			all[i.key()] = i
		}
	}
	return all
}

// encode returns the document; the same state always gives the same bytes.
func (st *state) encode() ([]byte, error) {
	slices.SortFunc(st.Incidents, func(a, b *incident) int {
		return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.key().String(), b.key().String()), cmp.Compare(a.ID, b.ID))
	})
	return json.Marshal(st)
}

// decodeState reads the document, strictly: knowledge that is only half
// understood would keep people from being told.
func decodeState(data []byte) (*state, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, fmt.Errorf("alert state: %v", err)
	}
	if version.Version != stateVersion {
		return nil, fmt.Errorf("alert state: version %d is not known, only %d", version.Version, stateVersion)
	}
	st := newState()
	if err := strict(data, st); err != nil {
		return nil, fmt.Errorf("alert state: %v", err)
	}
	return st, st.check()
}

// strict decodes one JSON document without unknown fields.
func strict(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("something follows it")
	}
	return nil
}

// check refuses a document that encode would not have written.
func (st *state) check() error {
	ids, live := map[string]bool{}, map[key]bool{}
	for _, i := range st.Incidents {
		if i == nil || i.ID == "" || i.Finding.Check == "" || ids[i.ID] || i.Opened.IsZero() || i.Closed && i.Cleared.IsZero() {
			return fmt.Errorf("alert state: an incident is not well formed")
		}
		if ids[i.ID] = true; !i.Closed && live[i.key()] {
			return fmt.Errorf("alert state: %s is open twice", i.key())
		}
		live[i.key()] = live[i.key()] || !i.Closed
	}
	if st.Incidents == nil || st.Openings == nil || st.Seen == nil || st.Channels == nil {
		return fmt.Errorf("alert state: is not whole")
	}
	for name, c := range st.Channels {
		if c == nil {
			return fmt.Errorf("alert state: channel %q is not well formed", name)
		}
		if c.Threads == nil {
			c.Threads = map[string]*thread{}
		}
		for id, t := range c.Threads {
			if t == nil {
				return fmt.Errorf("alert state: thread %q is not well formed", id)
			}
		}
	}
	return nil
}
