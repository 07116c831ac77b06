package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

// chaos is a house with two Tellers that run into each other, into channels that
// hang, fail, or take a message and say they did not, and into a vault that fails.
type chaos struct {
	*house
	tellers [2]*Teller
	stores  [2]*faulty
	looks   []Input
	open    map[string]bool // what is wrong, and whether it is critical
	release chan struct{}   // closed, it lets what hangs go on
	// gentle leaves out what may make a message come twice: answers that get
	// lost, and runs that die or cannot save.
	gentle bool

	clock atomic.Int64 // nanoseconds; it goes on with each look at it, so that no two things happen at once

	inner sync.WaitGroup // the run that comes into another, and may outlast it

	mu    sync.Mutex
	heard []heard
	ids   map[string]int // messages by id
}

// heard is an item that a channel was delivered.
type heard struct {
	channel, what string
	step          holdfast.Step
	severity      holdfast.Severity
	at            time.Time
}

func newChaos(t *rapid.T, gentle bool) *chaos {
	c := &chaos{house: newHouse(t, "dev", "ops"), gentle: gentle, open: map[string]bool{}, ids: map[string]int{}, release: make(chan struct{})}
	c.rules.Severity = map[string]holdfast.Severity{holdfast.CheckChannel: Off, holdfast.CheckState: Off}
	for name := range c.rules.Channels {
		c.rules.Channels[name] = Rule{Remind: 10 * time.Hour}
	}
	c.vault = mem.New(c.time, "http://vault.example.com")
	c.setClock(c.now)
	for n := range c.tellers {
		c.replace(n)
	}
	return c
}

func (c *chaos) time() time.Time { return time.Unix(0, c.clock.Add(1000)).UTC() }

func (c *chaos) setClock(now time.Time) {
	c.now = now
	c.clock.Store(now.UnixNano())
}

// replace ends one of the processes and begins another.
func (c *chaos) replace(n int) {
	c.stores[n] = &faulty{Stater: c.vault}
	c.tellers[n] = c.newTeller()
	c.tellers[n].vault = c.stores[n]
	c.tellers[n].options.Now = c.time
	c.tellers[n].options.SendTimeout = 2 * time.Second // another run fits into the time for saving
}

// hear notes what a channel was delivered.
func (c *chaos) hear(channel string, m holdfast.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[m.ID]++
	if c.gentle && c.ids[m.ID] > 1 {
		panic("delivered twice: " + words(channel, m))
	}
	// What is over is said last in a message, also where it has begun anew.
	for _, i := range slices.Backward(m.Items) {
		c.heard = append(c.heard, heard{channel, strings.TrimSuffix(text(i.Finding), "!"), i.Step, i.Finding.Severity, m.At})
	}
}

// behaviour is what a channel does in one run.
func (c *chaos) behaviour(channel, kind string, meanwhile func()) func(context.Context, holdfast.Message) error {
	release := c.release
	var done atomic.Bool // no sync.Once: the other run may use the channel too
	return func(ctx context.Context, m holdfast.Message) error {
		if channel != "dev" {
			time.Sleep(time.Millisecond) // the same order each time, so that what fails can be shrunk
		}
		if !done.Swap(true) {
			meanwhile()
		}
		switch kind {
		case "fails":
			return errDown
		case "wants to be left alone":
			return &holdfast.RetryAfterError{After: 2 * time.Hour, Err: errDown}
		case "panics":
			panic(errDown)
		case "waits":
			<-ctx.Done()
			return ctx.Err()
		case "hangs":
			<-release
			return errDown
		case "takes it and fails":
			c.hear(channel, m)
			return errDown
		case "takes it and hangs":
			c.hear(channel, m)
			<-release
			return nil
		}
		c.hear(channel, m)
		return nil
	}
}

func (c *chaos) run(n int, in Input) {
	// An error says that the store failed, and is what it should be.
	if _, err := c.tellers[n].Run(context.Background(), in); err != nil && c.gentle && !errors.Is(err, holdfast.ErrConflict) {
		panic(err)
	}
}

// happen lets something happen in the house, and takes a look.
func (c *chaos) happen(t *rapid.T) {
	minutes := rapid.SampledFrom([]int{1, 5, 60, 600, 1500}).Draw(t, "minutes")
	if c.now.Sub(start) > 4*day {
		minutes = min(minutes, 5) // after a week ends are given up
	}
	if !c.gentle && rapid.IntRange(0, 9).Draw(t, "clock") == 0 && !c.unsaved() {
		minutes = -90
	}
	c.setClock(c.now.Add(time.Duration(minutes) * time.Minute))
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		what := rapid.SampledFrom(things).Draw(t, "what")
		if _, is := c.open[what]; is && rapid.Bool().Draw(t, "ends") {
			delete(c.open, what)
		} else {
			c.open[what] = rapid.Bool().Draw(t, "critical")
		}
	}
	c.see()
	if !c.gentle && rapid.IntRange(0, 7).Draw(t, "remembered") == 0 {
		c.in.Revision = 0
	}
	if rapid.IntRange(0, 7).Draw(t, "silences") == 0 {
		s := Silence{Host: "web1", Job: "crm", From: c.now, Until: c.now.Add(5 * time.Hour)}
		if err := AddSilence(context.Background(), c.vault, s, c.now); err != nil {
			t.Fatal(err)
		}
	}
	c.looks = append(c.looks, c.in)
}

func (c *chaos) see() {
	list := []string{}
	for _, what := range things {
		if critical, is := c.open[what]; is {
			list = append(list, what+map[bool]string{true: "!"}[critical])
		}
	}
	c.look(list...)
}

// unsaved reports whether a process has told what it could not save. Then nothing
// but clocks and the answers of channels says what was heard last.
func (c *chaos) unsaved() bool { return c.tellers[0].unsaved.is || c.tellers[1].unsaved.is }

var mild = []string{"is well", "is well", "is well", "fails", "wants to be left alone", "panics", "waits"}

// step is one run, into which another may come.
func (c *chaos) step(t *rapid.T) {
	c.happen(t)
	n := rapid.IntRange(0, 1).Draw(t, "teller")
	other, mine, theirs := 1-n, c.in, c.in
	store := c.stores[n]
	if rapid.IntRange(0, 4).Draw(t, "late") == 0 {
		mine = rapid.SampledFrom(c.looks).Draw(t, "look")
	}
	if rapid.Bool().Draw(t, "newer") {
		c.see()
		c.looks, theirs = append(c.looks, c.in), c.in
	}
	nothing := func() {}
	meanwhile, crash := nothing, false
	kinds, where := mild, rapid.IntRange(0, 3).Draw(t, "where")
	if !c.gentle {
		fault := rapid.IntRange(0, 11).Draw(t, "fault")
		// See unsaved: then no answer is lost, and nobody dies.
		certain := fault <= 2 || c.unsaved()
		kinds = []string{"is well", "is well", "fails", "wants to be left alone", "panics"}
		if !certain {
			kinds = append(kinds, "waits", "hangs", "takes it and fails", "takes it and hangs")
		}
		switch fault {
		case 0:
			store.load = errStore
		case 1, 2:
			store.swap, store.late = errStore, fault == 1
		}
		crash = rapid.IntRange(0, 3).Draw(t, "crash") == 0 && where > 0 && !certain
	}
	switch where {
	case 0:
		store.before = func() { c.run(other, theirs) }
	case 1:
		meanwhile = func() {
			c.inner.Add(1)
			defer c.inner.Done()
			c.run(other, theirs)
		}
	}
	if crash {
		inner := meanwhile
		meanwhile = func() {
			inner()
			store.mu.Lock()
			store.dead = true
			store.mu.Unlock()
		}
	}
	for _, name := range []string{"dev", "ops"} {
		kind := rapid.SampledFrom(kinds).Draw(t, name)
		act := nothing
		if name == "dev" {
			act = meanwhile
		}
		c.phones[name].set(c.behaviour(name, kind, act))
	}
	c.run(n, mine)
	c.inner.Wait()
	store.load, store.swap, store.late, store.before = nil, nil, false, nil
	if crash {
		c.replace(n)
	}
	if rapid.Bool().Draw(t, "go on") {
		c.goOn()
	}
}

// goOn lets what hangs come to its end.
func (c *chaos) goOn() {
	close(c.release)
	c.release = make(chan struct{})
	synctest.Wait()
}

// settle lets all that is out of order come right, and every Teller run.
func (c *chaos) settle() {
	c.goOn()
	for _, name := range []string{"dev", "ops"} {
		c.phones[name].set(c.behaviour(name, "is well", func() {}))
	}
	for range 3 { // for claims, silences, services left alone and what flaps
		c.setClock(c.now.Add(6 * time.Hour))
		c.see()
		for n := range c.tellers {
			c.run(n, c.in)
		}
	}
}

// known returns what a channel believes to be wrong.
func (c *chaos) known(channel string) map[string]bool {
	open := map[string]bool{}
	for _, h := range c.heard {
		if h.channel != channel {
			continue
		}
		if delete(open, h.what); h.step != holdfast.Resolved {
			open[h.what] = h.severity == holdfast.Critical
		}
	}
	return open
}

// grammar demands that each alert was opened once and resolved once, and in
// between only worsened and reminded of when that was due.
func (c *chaos) grammar(t *rapid.T) {
	last := map[string]heard{}
	for _, h := range c.heard {
		before, was := last[h.channel+" "+h.what]
		wrong := ""
		switch {
		case h.step == holdfast.Opened && was:
			wrong = "opened again"
		case h.step == holdfast.Worsened && (!was || before.severity == holdfast.Critical || h.severity != holdfast.Critical):
			wrong = "worsened without being worse"
		case h.step == holdfast.Reminder && (!was || h.at.Sub(before.at) < 10*time.Hour-time.Minute):
			wrong = "reminded of too early"
		}
		if wrong != "" {
			t.Fatalf("%s: %s is %s at %s", h.channel, h.what, wrong, h.at.Sub(start))
		}
		if last[h.channel+" "+h.what] = h; h.step == holdfast.Resolved {
			delete(last, h.channel+" "+h.what)
		}
	}
}

func (c *chaos) check(t *rapid.T) {
	for _, name := range []string{"dev", "ops"} {
		if got, want := fmt.Sprint(c.known(name)), fmt.Sprint(c.open); got != want {
			for _, h := range c.heard {
				t.Logf("%s %s: %s %s", h.at.Sub(start), h.channel, h.step, h.what)
			}
			t.Fatalf("%s believes that %v, and %v is wrong", name, got, want)
		}
	}
	if c.gentle {
		c.grammar(t)
	}
}

func (c *chaos) play(t *rapid.T) {
	for range rapid.IntRange(1, 25).Draw(t, "runs") {
		c.step(t)
	}
	c.settle()
	c.check(t)
	clear(c.open)
	c.settle()
	c.check(t)
	st := c.state()
	if len(st.Incidents) > 0 || len(st.Channels["ops"].Threads) > 0 || st.Channels["ops"].Claim != nil {
		t.Fatalf("all is well, and the state still has %d incidents, %+v", len(st.Incidents), st.Channels["ops"])
	}
}

// While runs meet, conflict and come late, and channels fail, panic and are slow,
// each message comes exactly once.
func TestExactlyOnceWhateverComesBetween(t *testing.T) {
	inBubble(t, func(t *rapid.T) { newChaos(t, true).play(t) })
}

// When answers get lost, runs die between sending and saving, and the vault fails,
// messages may come twice; but in the end everybody knows what is so.
func TestNothingIsLostWhateverComesBetween(t *testing.T) {
	inBubble(t, func(t *rapid.T) { newChaos(t, false).play(t) })
}
