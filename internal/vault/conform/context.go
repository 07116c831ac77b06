package conform

import (
	"context"
	"fmt"

	"github.com/holdfast-backup/holdfast"
)

func contextChecks() []Check {
	return []Check{
		check("context", "A call whose context has ended says so and changes nothing.", contextEnded),
	}
}

func contextEnded(ctx context.Context, s *scratch) error {
	key, body := s.prefix+"object", []byte("a body")
	u, parts, err := s.begin(ctx, s.prefix+"upload", body)
	if err != nil {
		return err
	}
	if err := s.Vault.Put(ctx, key, body); err != nil {
		return err
	}
	tag, err := s.Vault.Swap(ctx, s.state+"document", body, "")
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	v := s.Vault
	type tried struct {
		doing string
		call  func() error
	}
	calls := []tried{
		{"list", func() error { _, err := s.list(ended, s.prefix); return err }},
		{"list uploads", func() error { _, err := s.unfinished(ended, s.prefix); return err }},
		{"open", func() error { _, err := s.read(ended, key, 0, -1); return err }},
		{"put", func() error { return v.Put(ended, s.prefix+"new", body) }},
		{"start upload", func() error { _, err := v.StartUpload(ended, s.prefix+"new"); return err }},
		{"complete upload", func() error { return v.CompleteUpload(ended, u, parts, int64(len(body))) }},
		{"abort upload", func() error { return v.AbortUpload(ended, u) }},
		{"delete", func() error { return v.Delete(ended, key) }},
		{"load", func() error { _, _, err := v.Load(ended, s.state+"document"); return err }},
		{"swap", func() error { _, err := v.Swap(ended, s.state+"document", []byte("other"), tag); return err }},
	}
	if _, err := s.receiver(); err == nil {
		calls = append(calls, tried{"send a part", func() error { _, err := s.receive(ended, u, 2, body); return err }})
	}
	for _, c := range calls {
		if err := wants(c.doing+" after the context has ended", c.call(), context.Canceled); err != nil {
			return err
		}
	}
	return s.asBefore(ctx, u, parts, body, tag)
}

// asBefore returns an error if one of the calls in contextEnded did something.
func (s *scratch) asBefore(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, body []byte, tag string) error {
	if err := s.loads(ctx, s.state+"document", string(body), tag); err != nil {
		return err
	}
	left, err := s.unfinished(ctx, s.prefix)
	if err != nil {
		return err
	}
	if len(left) != 1 || left[u.Key].ID != u.ID {
		return fmt.Errorf("list uploads: got %v, want the one that was open", left)
	}
	if err := s.listed(ctx, s.prefix, s.prefix+"object"); err != nil {
		return err
	}
	return s.Vault.CompleteUpload(ctx, u, parts, int64(len(body)))
}
