// Package sample makes messages that show what a channel can be asked to tell,
// for `holdfast alert test` and for the tests of channels. Nothing in them is true.
package sample

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Messages returns one message of each kind, all of them samples, as they would
// have been told over the last days up to now: their At differ. Those that go on
// from an earlier one have its thread, whose Posted is empty; who sends them one
// after another sets it to what the channel returned for the message whose ID the
// thread has.
func Messages(now time.Time) []holdfast.Message {
	now = now.UTC().Truncate(time.Second)
	return []holdfast.Message{
		opening(now), reminder(now), resolution(now),
		warnings(now), worsening(now), halfOver(now),
		failedDump(now), unreachable(now), cleanupFailed(now),
		manyChanges(now), goodNews(now), digest(now),
	}
}

// message begins a message that is told at a time.
func message(name string, at time.Time, items ...holdfast.Item) holdfast.Message {
	for i := range items {
		if items[i].At.IsZero() {
			items[i].At = at
		}
	}
	return holdfast.Message{
		ID: "sample-" + name + "-" + at.Format("20060102t150405z"), Kind: holdfast.KindChange, At: at,
		Sample: true, Items: items, Link: "https://backup.example.com/?sample",
	}
}

// in returns the thread that m began, in which its items have come to be what
// they are now.
func in(m holdfast.Message, items ...holdfast.Item) *holdfast.Thread {
	open := 0
	for i := range items {
		if items[i].At.IsZero() {
			items[i].At = m.At
		}
		if items[i].Step != holdfast.Resolved {
			open++
		}
	}
	return &holdfast.Thread{ID: m.ID, At: m.At, Items: items, Open: open}
}

// backup returns a backup admitted at a time. The bits make its id its own.
func backup(at time.Time, bits uint32, size, usual int64) *holdfast.LastBackup {
	return &holdfast.LastBackup{
		ID: holdfast.ID(at.Format("20060102T150405Z") + fmt.Sprintf("-%08x", bits)), Size: size, Usual: usual,
	}
}

// item makes an item of a finding that began at a time.
func item(step holdfast.Step, since time.Time, f holdfast.Finding, last *holdfast.LastBackup) holdfast.Item {
	f.Since = since
	event := holdfast.Unhealthy
	switch f.Check {
	case holdfast.CheckFailedRun:
		event = holdfast.BackupFailed
	case holdfast.CheckRetention, holdfast.CheckRetentionBrake, holdfast.CheckRetentionDelete, holdfast.CheckRetentionFailed:
		event = holdfast.CleanupFailed
	}
	return holdfast.Item{Event: event, Step: step, Finding: f, Last: last}
}
