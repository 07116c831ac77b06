package conform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
)

// message returns a message about a host that no other has.
func (e *Env) message(host string) holdfast.Message {
	m := sample.Messages(e.Now)[0]
	m.ID, m.Items[0].Finding.Host = m.ID+"-"+host, host
	return m
}

// send sends m with time enough.
func (e *Env) send(ctx context.Context, m holdfast.Message) (string, error) {
	ctx, stop := context.WithTimeout(ctx, cmp.Or(e.Patience, 30*time.Second))
	defer stop()
	return e.Channel.Send(ctx, m)
}

// sendInTime sends m with a short deadline, and fails if Send does not keep it.
func (e *Env) sendInTime(ctx context.Context, m holdfast.Message) (sent, late error) {
	deadline := cmp.Or(e.Deadline, time.Second)
	ctx, stop := context.WithTimeout(ctx, deadline)
	defer stop()
	return e.returns(ctx, m, deadline+e.late())
}

func (e *Env) late() time.Duration { return cmp.Or(e.Late, 5*time.Second) }

// returns sends m and waits no longer than limit for the end of that.
func (e *Env) returns(ctx context.Context, m holdfast.Message, limit time.Duration) (sent, late error) {
	done := make(chan error, 1)
	go func() {
		_, err := e.Channel.Send(ctx, m)
		done <- err
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err, nil
	case <-timer.C:
		return nil, fmt.Errorf("send: has not returned after %s", limit)
	}
}

// fit returns what is wrong with an error that Send returned.
func (e *Env) fit(err error) error {
	if err == nil {
		return errors.New("send: succeeds")
	}
	// In each layer: who takes an error apart should not find more than who prints it.
	for layer := err; layer != nil; layer = errors.Unwrap(layer) {
		text := layer.Error()
		if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("send: the error is not one printable line: %q", text)
		}
		for _, secret := range e.Secrets {
			if strings.Contains(text, secret) {
				return fmt.Errorf("send: the error holds the secret %q: %s", secret, text)
			}
		}
	}
	return nil
}

// took returns what the far side has taken since it had taken n messages.
func (e *Env) took(n int) []string { return e.Far.Taken()[n:] }
