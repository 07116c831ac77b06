package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// silences is the document under SilencesKey.
type silences struct {
	Version  int       `json:"version"`
	Silences []Silence `json:"silences"`
}

// Limits of the document.
const (
	maxSilences   = 1000
	maxSilenceLen = 200 // bytes, of By and Reason each
)

// covers reports whether a job is what it silences. The vault is no job.
func (s Silence) covers(job holdfast.JobName) bool {
	return job.Host != "" && (s.Host == "*" || s.Host == job.Host) && (s.Job == "*" || s.Job == job.Job)
}

// In reports whether it holds at a time.
func (s Silence) In(now time.Time) bool { return !now.Before(s.From) && now.Before(s.Until) }

func (s Silence) check() error {
	for what, name := range map[string]string{"host": s.Host, "job": s.Job} {
		if name != "*" {
			if err := holdfast.CheckName(what, name); err != nil {
				return err
			}
		}
	}
	if !s.From.Before(s.Until) {
		return fmt.Errorf("silence %s/%s: ends before it begins", s.Host, s.Job)
	}
	return nil
}

// LoadSilences returns the silences that have not ended at now, also those yet to
// begin. A document that cannot be understood is an error that names it and wraps
// holdfast.ErrCorrupt.
func LoadSilences(ctx context.Context, vault holdfast.Stater, now time.Time) ([]Silence, error) {
	all, _, err := loadSilences(ctx, vault, now)
	return all, err
}

func loadSilences(ctx context.Context, vault holdfast.Stater, now time.Time) ([]Silence, string, error) {
	body, tag, err := vault.Load(ctx, SilencesKey)
	if errors.Is(err, holdfast.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	var doc silences
	if err := strict(body, &doc); err != nil {
		return nil, "", fmt.Errorf("read %q: %w: %v", SilencesKey, holdfast.ErrCorrupt, err)
	}
	if doc.Version != stateVersion {
		return nil, "", fmt.Errorf("read %q: %w: version %d is not known, only %d", SilencesKey, holdfast.ErrCorrupt, doc.Version, stateVersion)
	}
	for _, s := range doc.Silences {
		if err := s.check(); err != nil {
			return nil, "", fmt.Errorf("read %q: %w: %v", SilencesKey, holdfast.ErrCorrupt, err)
		}
	}
	return slices.DeleteFunc(doc.Silences, func(s Silence) bool { return !now.Before(s.Until) }), tag, nil
}

// AddSilence silences jobs. One of the same host and job is replaced by it.
func AddSilence(ctx context.Context, vault holdfast.Stater, s Silence, now time.Time) error {
	s.From, s.Until = s.From.UTC(), s.Until.UTC()
	s.By, s.Reason = cut(holdfast.Printable(s.By), maxSilenceLen), cut(holdfast.Printable(s.Reason), maxSilenceLen)
	if err := s.check(); err != nil {
		return err
	}
	if !now.Before(s.Until) {
		return fmt.Errorf("silence %s/%s: has ended already", s.Host, s.Job)
	}
	return changeSilences(ctx, vault, now, func(all []Silence) ([]Silence, error) {
		all = append(without(all, s.Host, s.Job), s)
		if len(all) > maxSilences {
			return nil, fmt.Errorf("silence %s/%s: there are %d already; use *", s.Host, s.Job, maxSilences)
		}
		return all, nil
	})
}

// EndSilence ends the silence of exactly that host and job, names or *, and
// reports whether there was one.
func EndSilence(ctx context.Context, vault holdfast.Stater, host, job string, now time.Time) (bool, error) {
	ended := false
	err := changeSilences(ctx, vault, now, func(all []Silence) ([]Silence, error) {
		left := without(slices.Clone(all), host, job)
		ended = len(left) < len(all)
		return left, nil
	})
	return ended && err == nil, err
}

func without(all []Silence, host, job string) []Silence {
	return slices.DeleteFunc(all, func(s Silence) bool { return s.Host == host && s.Job == job })
}

// changeSilences changes the document against others who do the same.
func changeSilences(ctx context.Context, vault holdfast.Stater, now time.Time, change func([]Silence) ([]Silence, error)) error {
	for try := range maxSwaps {
		all, tag, err := loadSilences(ctx, vault, now)
		if err != nil {
			return err
		}
		if all, err = change(all); err != nil {
			return err
		}
		body, err := json.Marshal(silences{stateVersion, append([]Silence{}, all...)})
		if err != nil {
			return fmt.Errorf("encode %q: %v", SilencesKey, err)
		}
		if _, err = vault.Swap(ctx, SilencesKey, body, tag); err == nil {
			return nil
		}
		if !errors.Is(err, holdfast.ErrConflict) {
			return fmt.Errorf("store %q: %w", SilencesKey, err)
		}
		stepAside(ctx, try)
	}
	return fmt.Errorf("store %q: %w, %d times", SilencesKey, holdfast.ErrConflict, maxSwaps)
}

// How often a document is tried to be saved against others, with pauses that
// double up to the longest, ten seconds at most in all.
const (
	maxSwaps   = 16
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// stepAside waits before the next try, half of its time by chance, so that those
// who met once do not meet again.
func stepAside(ctx context.Context, try int) {
	longest := min(firstPause<<try, maxPause)
	select {
	case <-time.After(longest/2 + rand.N(longest/2)):
	case <-ctx.Done():
	}
}
