package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/fill"
)

// tell says what became of one backup.
func (c *copying) tell(w io.Writer, one fill.Copied, err error) {
	switch {
	case err != nil:
		fmt.Fprintf(w, "NOT COPIED %s: %s\n", one.Ref, holdfast.PrintableLines(err.Error()))
		if errors.Is(err, holdfast.ErrExist) && !c.hinted {
			c.hinted = true
			fmt.Fprintf(w, "  hint: if no backup is listed there, it is what a copy or a host that was cut off has left, and the sweep removes it two days later: "+
				"`holdfast clean --vault %s`, with an account that may delete; then copy again\n", c.to)
		}
	case c.quiet:
	case c.dryRun:
		fmt.Fprintf(w, "would copy %s, %s\n", one.Ref, holdfast.Size(one.Size))
	case one.Sent < one.Size:
		fmt.Fprintf(w, "copied %s, %s, of which %s were there already and have been proven\n", one.Ref, holdfast.Size(one.Size), holdfast.Size(one.Size-one.Sent))
	default:
		fmt.Fprintf(w, "copied %s, %s\n", one.Ref, holdfast.Size(one.Size))
	}
}

func (c *copying) summarize(w io.Writer, r fill.Result) {
	var size int64
	for _, one := range r.Copied {
		size += one.Size
	}
	verb := "copied"
	if c.dryRun {
		verb = "to copy"
	}
	fmt.Fprintf(w, "%d %s from %s to %s (%s), %d there already", len(r.Copied), verb, c.from, c.to, holdfast.Size(size), r.Present)
	if n := len(r.Left); n > 0 {
		fmt.Fprintf(w, ", %d left out that retention would delete there", n)
	}
	_, held := firstHeld(r.Refused)
	if n := len(r.Refused) - held; n > 0 {
		fmt.Fprintf(w, ", %d left out that no host may send", n)
	}
	if held > 0 {
		fmt.Fprintf(w, ", %d left out that only a hold in %s would keep", held, c.from)
	}
	if r.Adopted > 0 {
		fmt.Fprintf(w, ", %d adopted ones left out, which nothing proves", r.Adopted)
	}
	if n := len(r.Failed); n > 0 {
		fmt.Fprintf(w, ", %d failed", n)
	}
	fmt.Fprintln(w)
}

// refusedLines is how many refused backups are named: a host can make any number.
const refusedLines = 20

// tellRefused says what was left out because no host may have sent it, or held it.
func (c *copying) tellRefused(w io.Writer, refused []fill.Left) {
	for i, one := range refused {
		if i == refusedLines {
			fmt.Fprintf(w, "LEFT OUT %d more, which --json names\n", len(refused)-i)
			break
		}
		fmt.Fprintf(w, "LEFT OUT %s: %s\n", one.Ref, strings.Join(one.Reasons, "; "))
	}
	first, held := firstHeld(refused)
	if len(refused) > held {
		fmt.Fprintf(w, "  hint: hosts may write to %s by themselves, and these could not have come through the broker; "+
			"change the configuration if it should allow them, or copy with --trust-source where nobody but you can write\n", c.from)
	}
	if held > 0 {
		fmt.Fprintf(w, "  hint: a hold in %s may be a host's, so it is not copied; copy with --trust-source where nobody but you can write, "+
			"or with --all and then: holdfast hold %s --vault %s\n", c.from, first, c.to)
	}
}

// firstHeld returns the first of those that only a hold in the source would keep, and
// how many there are.
func firstHeld(refused []fill.Left) (first holdfast.Ref, n int) {
	for _, one := range refused {
		if one.Held {
			if n++; n == 1 {
				first = one.Ref
			}
		}
	}
	return first, n
}

// warnUnheld says which holds were not copied.
func (c *copying) warnUnheld(warn func(string), unheld []holdfast.Ref) {
	if len(unheld) == 0 {
		return
	}
	which := unheld[0].String()
	if n := len(unheld) - 1; n > 0 {
		which = fmt.Sprintf("%s and %d more", which, n)
	}
	warn(fmt.Sprintf("%s: held in %s, where a host may have made the mark, and not in %s; to hold one there: holdfast hold %s --vault %s",
		which, c.from, c.to, unheld[0], c.to))
}

// outcome returns the error that the exit code says: of a part, where something was
// or is there.
func (c *copying) outcome(r fill.Result, err error) error {
	some := len(r.Copied)+r.Present > 0
	switch {
	case err != nil && some:
		return cli.Partial(err)
	case err != nil:
		return err
	case len(r.Failed)+len(r.Refused) > 0 && some:
		return cli.Silent(cli.ExitPartial)
	case len(r.Failed)+len(r.Refused) > 0:
		return cli.Silent(cli.ExitFailed)
	}
	return nil
}
