package function

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// errUnfinished is the outcome of a run that had no more time.
var errUnfinished = errors.New("stopped before the function's deadline; the next run goes on")

// tally is what one run comes to.
type tally struct {
	metrics  metrics
	findings []holdfast.Finding
	opened   int     // findings that are new or worse than they were
	errs     []error // what could not be done
	// part says that the run was about some jobs only. Its figures are of
	// these, and that it was done must not hide that the schedule's are not.
	part bool
	// unfinished says that there was no more time.
	unfinished bool
	// over says that the run came to its end, well or not: it does not after
	// a panic, or without a configuration.
	over bool
}

// put writes the metrics of the run.
func (t *tally) put() {
	failed := !t.over || len(t.errs) > 0
	if t.part {
		if failed {
			t.metrics.ofFunction(flag("Failed", true))
		}
		return
	}
	t.metrics.ofFunction(
		flag("Completed", !failed && !t.unfinished),
		count("Findings", len(t.findings)),
		flag("Failed", failed),
	)
}

// verdict returns what the run has found as an error of one line, nil where all
// is well and done. What it is in full is in the log.
func (t *tally) verdict() error {
	err := errors.Join(t.errs...)
	if len(t.errs) > 1 {
		err = fmt.Errorf("%d failures, the first: %w", len(t.errs), t.errs[0])
	}
	if err == nil && t.unfinished {
		err = errUnfinished
	}
	switch worst := t.worst(); {
	case worst == "":
	case err == nil:
		err = errors.New(worst)
	default:
		err = fmt.Errorf("%w; %s", err, worst)
	}
	if err != nil && len(err.Error()) > maxVerdict {
		return errors.New(strings.ToValidUTF8(err.Error()[:maxVerdict], "") + "…")
	}
	return err
}

// maxVerdict is how long an error may be that AWS shows, in bytes.
const maxVerdict = 400

// worst says how many findings there are and which is the worst, "" for none.
func (t *tally) worst() string {
	if len(t.findings) == 0 {
		return ""
	}
	worst := t.findings[0]
	for _, f := range t.findings {
		if worst.Severity != holdfast.Critical && f.Severity == holdfast.Critical {
			worst = f
		}
	}
	text := fmt.Sprintf("%s: %s: %s", worst.Severity, worst.Subject(), worst.Summary)
	if n := len(t.findings); n > 1 {
		return fmt.Sprintf("%d findings, the worst is %s", n, text)
	}
	return "1 finding: " + text
}
