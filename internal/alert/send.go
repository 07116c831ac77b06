package alert

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// grace is how long a channel may take to return once its time is over, before it
// is left to itself.
const grace = 500 * time.Millisecond

// linkTime is how long signing the link to the page may take.
const linkTime = 5 * time.Second

// send gives the channels what they have to be told, all channels at once, the
// messages of each one after the other, and returns when each is done or its time
// is over. unlinked is set to why their messages have no link.
func (t *Teller) send(ctx context.Context, m moment, turns map[string]*turn, takes time.Duration, unlinked *error) map[string]result {
	type named struct {
		name string
		result
	}
	link, linked := "", false
	results, begun := make(chan named, len(turns)), 0
	for name, turn := range turns {
		if turn.busy || turn.waiting {
			continue
		}
		if !linked {
			link, linked = t.link(ctx, unlinked), true
		}
		for n := range turn.tellings {
			telling := &turn.tellings[n]
			telling.message.Link = link + t.anchor(link, telling.message.Items)
			if !telling.digest.IsZero() {
				overview := m.in.Overview(telling.since)
				telling.message.Overview = &overview
			}
		}
		begun++
		go func() { results <- named{name, t.sendAll(ctx, name, turn, takes)} }()
	}
	all := make(map[string]result, begun)
	for range begun {
		r := <-results
		all[r.name] = r.result
	}
	return all
}

// link returns the link to the page, "" where there is none; failed is set to why
// there should be one and is not.
func (t *Teller) link(ctx context.Context, failed *error) string {
	if t.options.Link == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, linkTime)
	defer cancel()
	link, err := t.options.Link(ctx)
	if err != nil {
		*failed = err
		return ""
	}
	return link
}

// anchor returns what leads from the top of the page to the one job that items
// are about, "" where it is not one.
func (t *Teller) anchor(link string, items []holdfast.Item) string {
	if link == "" || t.options.Anchor == nil || len(items) == 0 || items[0].Finding.Host == "" {
		return ""
	}
	for _, i := range items {
		if i.Finding.Host != items[0].Finding.Host || i.Finding.Job != items[0].Finding.Job {
			return ""
		}
	}
	return "#" + t.options.Anchor(items[0].Finding.Host, items[0].Finding.Job)
}

// withholdAfter is in how many runs in a row a channel must have failed before it
// is sent a message without the words of others.
const withholdAfter = 2

// sendAll sends messages through one channel until its time is over. One that is
// refused does not keep the others: it may be for what a host made it say. Should
// that go on, it is sent without its words.
func (t *Teller) sendAll(ctx context.Context, name string, turn *turn, takes time.Duration) result {
	within, cancel := context.WithTimeout(ctx, takes)
	defer cancel()
	var r result
	behind := map[key]bool{} // of what the channel does not know the step before
	for _, telling := range turn.tellings {
		if slices.ContainsFunc(telling.about, func(i *incident) bool { return behind[i.key()] }) {
			continue
		}
		posted, err := t.deliver(within, name, telling.message)
		var retry *holdfast.RetryAfterError
		comeAgain := errors.As(err, &retry)
		if err != nil && !comeAgain && within.Err() == nil && turn.fails >= withholdAfter {
			if again, refused := t.deliver(within, name, withheld(telling.message)); refused == nil {
				posted, err = again, nil
			}
		}
		if err == nil {
			r.taken = append(r.taken, taken{telling, posted})
			continue
		}
		if r.err == nil {
			r.err, r.cutOff = err, ctx.Err() != nil
		}
		for _, i := range telling.about {
			behind[i.key()] = true
		}
		if comeAgain {
			r.after = retry.After
		}
		if comeAgain || within.Err() != nil {
			break
		}
	}
	return r
}

// answer is what a channel returns.
type answer struct {
	posted string
	err    error
}

// deliver sends one message. A channel that does not heed ctx is abandoned, and
// sent nothing more until it has returned.
func (t *Teller) deliver(ctx context.Context, name string, m holdfast.Message) (string, error) {
	channel := t.options.Channels[name]
	if channel == nil {
		return "", errors.New("it is not set up")
	}
	if !t.enter(name) {
		return "", errors.New("an earlier message is still under way")
	}
	done := make(chan answer, 1)
	go func() {
		a := call(ctx, channel, m)
		t.leave(name)
		done <- a
	}()
	select {
	case a := <-done:
		return a.posted, a.err
	case <-ctx.Done():
	}
	select { // most return now, and say what they waited for
	case a := <-done:
		return a.posted, a.err
	case <-time.After(grace):
		return "", errors.New("it does not answer")
	}
}

// call sends a message, and makes an error of a panic. Of what it panicked with
// only the runtime's own texts are known to hold no secret.
func call(ctx context.Context, channel holdfast.Channel, m holdfast.Message) (a answer) {
	a.err = errors.New("it ended without an answer")
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			a.err = fmt.Errorf("it panicked: %v", p)
		default:
			a.err = fmt.Errorf("it panicked with a %T", p)
		}
	}()
	a.posted, a.err = channel.Send(ctx, m)
	return a
}

// enter notes that a message is under way, unless one is.
func (t *Teller) enter(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.underWay[name] {
		return false
	}
	t.underWay[name] = true
	return true
}

func (t *Teller) leave(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.underWay, name)
}
