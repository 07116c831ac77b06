package conform

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
)

func deliver(ctx context.Context, env *Env) error {
	for _, host := range []string{"deliver-1", "deliver-2"} {
		before := len(env.Far.Taken())
		if _, err := env.send(ctx, env.message(host)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		switch took := env.took(before); {
		case len(took) != 1:
			return fmt.Errorf("send: succeeded, and the far side took %d messages", len(took))
		case !strings.Contains(took[0], host) || !strings.Contains(took[0], "crm"):
			return fmt.Errorf("the far side took a message about %s that does not name it", host)
		}
	}
	return nil
}

func everyMessage(ctx context.Context, env *Env) error {
	for _, m := range append(sample.Messages(env.Now), sample.Hostile(env.Now)...) {
		before := len(env.Far.Taken())
		if _, err := env.send(ctx, m); err != nil {
			return fmt.Errorf("send %s: %w", m.ID, err)
		}
		if len(env.took(before)) == 0 {
			return fmt.Errorf("send %s: succeeded, and the far side took nothing", m.ID)
		}
	}
	return nil
}

func posted(ctx context.Context, env *Env) error {
	names := map[string]string{}
	for _, m := range sample.Messages(env.Now) {
		if m.Thread != nil {
			m.Thread.Posted = names[m.Thread.ID]
		}
		before := len(env.Far.Taken())
		name, err := env.send(ctx, m)
		switch {
		case err != nil:
			return fmt.Errorf("send %s: %w", m.ID, err)
		case len(name) > 256:
			return fmt.Errorf("send %s: returned %d bytes", m.ID, len(name))
		case len(env.took(before)) == 0:
			return fmt.Errorf("send %s: succeeded, and the far side took nothing", m.ID)
		}
		names[m.ID] = name
	}
	return nil
}

func repeat(ctx context.Context, env *Env) error {
	m, before := env.message("repeat"), len(env.Far.Taken())
	for range 2 {
		if _, err := env.send(ctx, m); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	if n := len(env.took(before)); n == 0 {
		return errors.New("send: succeeded twice, and the far side took nothing")
	}
	return nil
}

// together is how many sends the checks have under way at once.
const together = 8

func concurrent(ctx context.Context, env *Env) error {
	before := len(env.Far.Taken())
	errs := atOnce(func(n int) error {
		_, err := env.send(ctx, env.message(fmt.Sprintf("at-once-%d", n)))
		return err
	})
	if errs != nil {
		return fmt.Errorf("send: %w", errs)
	}
	took := env.took(before)
	for n := range together {
		host, times := fmt.Sprintf("at-once-%d", n), 0
		for _, text := range took {
			if strings.Contains(text, host) {
				times++
			}
		}
		if times != 1 {
			return fmt.Errorf("the message about %s was taken %d times", host, times)
		}
	}
	return nil
}

// atOnce runs do for each n at once.
func atOnce(do func(n int) error) error {
	errs := make([]error, together)
	var wg sync.WaitGroup
	for n := range together {
		wg.Go(func() { errs[n] = do(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func hang(ctx context.Context, env *Env) error {
	if err := env.Far.Behave(Hangs); err != nil {
		return err
	}
	sent, late := env.sendInTime(ctx, env.message("hang"))
	if late != nil {
		return late
	}
	if err := env.fit(sent); err != nil {
		return err
	}
	return recovers(ctx, env)
}

func hangTogether(ctx context.Context, env *Env) error {
	if err := env.Far.Behave(Hangs); err != nil {
		return err
	}
	err := atOnce(func(n int) error {
		sent, late := env.sendInTime(ctx, env.message(fmt.Sprintf("hang-%d", n)))
		if late != nil {
			return late
		}
		return env.fit(sent)
	})
	if err != nil {
		return err
	}
	return recovers(ctx, env)
}

func cancel(ctx context.Context, env *Env) error {
	before := len(env.Far.Taken())
	ended, end := context.WithCancel(ctx)
	end()
	sent, late := env.returns(ended, env.message("ended"), env.late())
	if late != nil {
		return late
	}
	if err := env.fit(sent); err != nil {
		return fmt.Errorf("with a context that has ended: %w", err)
	}
	if n := len(env.took(before)); n != 0 {
		return fmt.Errorf("with a context that has ended: the far side took %d messages", n)
	}
	if err := env.Far.Behave(Hangs); err != nil {
		return err
	}
	ending, end := context.WithCancel(ctx)
	const soon = 100 * time.Millisecond
	defer time.AfterFunc(soon, end).Stop()
	if sent, late = env.returns(ending, env.message("ending"), soon+env.late()); late != nil {
		return fmt.Errorf("with a context that ends: %w", late)
	}
	return env.fit(sent)
}

// fails checks what Send does where the far side takes nothing.
func fails(b Behaviour) func(ctx context.Context, env *Env) error {
	return func(ctx context.Context, env *Env) error {
		before := len(env.Far.Taken())
		if err := env.Far.Behave(b); err != nil {
			return err
		}
		_, err := env.send(ctx, env.message(b.String()))
		if err := env.fit(err); err != nil {
			return err
		}
		if n := len(env.took(before)); n != 0 {
			return fmt.Errorf("send: failed with %q, and the far side took %d messages", err, n)
		}
		return recovers(ctx, env)
	}
}

func busy(ctx context.Context, env *Env) error {
	if err := env.Far.Behave(Busy); err != nil {
		return err
	}
	sent, late := env.sendInTime(ctx, env.message("busy"))
	if late != nil {
		return late
	}
	if err := env.fit(sent); err != nil {
		return err
	}
	again, ok := errors.AsType[*holdfast.RetryAfterError](sent)
	if !ok {
		return fmt.Errorf("send: want a RetryAfterError, got %w", sent)
	}
	if again.After != 30*time.Second {
		return fmt.Errorf("send: says to come back in %s, the far side said 30s", again.After)
	}
	return recovers(ctx, env)
}

// recovers checks that the channel works once the far side does.
func recovers(ctx context.Context, env *Env) error {
	if err := env.Far.Behave(Takes); err != nil {
		return err
	}
	before := len(env.Far.Taken())
	if _, err := env.send(ctx, env.message("recovered")); err != nil {
		return fmt.Errorf("send, after the far side has recovered: %w", err)
	}
	for _, text := range env.took(before) {
		if strings.Contains(text, "recovered") {
			return nil
		}
	}
	return errors.New("send, after the far side has recovered: succeeded, and the far side did not take it")
}
