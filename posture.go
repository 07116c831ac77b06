package holdfast

import "context"

// Setting is a protection of a vault.
type Setting string

// Settings. Unknown is what may not or cannot be asked.
const (
	On      Setting = "on"
	Off     Setting = "off"
	Unknown Setting = "unknown"
)

// Posture is how the place that holds a vault is protected against whoever gets
// hold of a key to it.
type Posture struct {
	Versioning Setting // what is deleted by name, or replaced, can be brought back
	Private    Setting // strangers can't be let in, whatever an object's own rules say
	// Hidden are objects that somebody deleted by name while their contents are
	// still there, HiddenCount all of them. Holdfast deletes for good, so it
	// leaves none.
	Hidden      []string // the keys of the first few
	HiddenCount int
}

// Posturer is a vault that can be asked how it is protected. What it cannot
// find out is Unknown and no error.
type Posturer interface {
	Posture(ctx context.Context) (Posture, error)
}
