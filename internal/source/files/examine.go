package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// UnreadableError is what ends a Dump without SkipUnreadable: something that cannot
// be read.
type UnreadableError struct {
	Path string // absolute
	Err  error
}

func (e *UnreadableError) Error() string { return fmt.Sprintf("archive %q: %v", e.Path, e.Err) }
func (e *UnreadableError) Unwrap() error { return e.Err }

// examineTime is how long Examine looks at what lies below the included paths.
const examineTime = 20 * time.Second

// survey is what a walk finds that archives nothing.
type survey struct {
	unread  []string // the first of them, and why
	unreadN int
}

// maxUnread is how many a survey names.
const maxUnread = 3

func (s *survey) miss(e *UnreadableError) {
	if s.unreadN++; len(s.unread) < maxUnread {
		s.unread = append(s.unread, fmt.Sprintf("%q: %v", e.Path, e.Err))
	}
}

// String names what cannot be read.
func (s *survey) String() string {
	text := strings.Join(s.unread, "; ")
	if more := s.unreadN - len(s.unread); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Examine implements holdfast.Source. It walks as Dump does and opens every file,
// without reading it. It stops after 20 seconds, or when ctx ends, and then says how
// far it has come.
func (s *Source) Examine(ctx context.Context) []holdfast.Examination {
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	var found []holdfast.Examination
	stored := make(map[string]int64, len(s.options.Include))
	for _, p := range s.options.Include {
		found = append(found, s.examine(ctx, p, stored))
	}
	if ctx.Err() != nil {
		return found // what was not looked at may have files
	}
	for i, p := range s.options.Include {
		if found[i].OK && !s.options.AllowEmpty && s.below(p, stored) == 0 {
			found[i].OK, found[i].Detail = false, "holds no regular file"
			found[i].Hint = "is something to be mounted there, or does exclude leave all of it out? if that is right, set allow_empty: true"
		}
	}
	return found
}

// examine looks at one included path, and counts in stored the files that it yields.
func (s *Source) examine(ctx context.Context, p string, stored map[string]int64) holdfast.Examination {
	e := holdfast.Examination{Name: "files " + p}
	if err := readable(p); err == io.EOF {
		if s.options.AllowEmpty {
			e.OK, e.Detail = true, "readable, and empty"
		} else {
			e.Detail, e.Hint = "is an empty directory", "is something to be mounted there? if not, set allow_empty: true"
		}
		return e
	} else if err != nil {
		e.Detail, e.Hint = err.Error(), "check the path, and that this user may read it"
		return e
	}
	look := &survey{}
	a := &archiver{Source: s, ctx: ctx, look: look, facts: &holdfast.Facts{Stats: map[string]int64{}}}
	err := a.include(p)
	files := a.facts.Stats["files"]
	stored[p] = files
	switch {
	case err != nil && (ctx.Err() == nil || !errors.Is(err, context.Cause(ctx))):
		e.Detail, e.Hint = err.Error(), "check the path, and that this user may read it"
	case look.unreadN > 0 && !s.options.SkipUnreadable:
		e.Detail = "cannot be read: " + look.String()
		e.Hint = "let this user read it, leave it out with exclude, or set skip_unreadable: true, which makes it a warning"
	case look.unreadN > 0:
		e.OK, e.Detail = true, fmt.Sprintf("%d files readable; these are not, and are skipped: %s", files, look)
	case err != nil:
		e.OK, e.Detail = true, fmt.Sprintf("readable as far as it was looked at: %d files, not all of them", files)
	default:
		e.OK, e.Detail = true, fmt.Sprintf("readable, %d files", files)
	}
	return e
}
