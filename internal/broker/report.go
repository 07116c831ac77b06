package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

const maxReportWord = 64 // bytes, of a stage or a version

// report stores what a host says of a run in each vault of the job, so that the
// monitor of each sees it; one of them is enough. Everything in it is the host's word:
// it is cut to its limits and stripped of what could command a terminal.
func (b *Broker) report(ctx context.Context, c *call) (any, error) {
	var said holdfast.Report
	if err := c.decode(&said); err != nil {
		return nil, err
	}
	vaults, _, err := b.ownJob(c, holdfast.ScopeReport, said.Job)
	if err != nil {
		return nil, err
	}
	if said.Host != "" && said.Host != c.principal.Name {
		return nil, notFound(fmt.Errorf("report of %s for the host %q", c.principal.Name, said.Host))
	}
	report, err := b.cleanReport(c, said)
	if err != nil {
		return nil, err
	}
	body, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return nil, invalid(fmt.Errorf("report: %v", err))
	}
	if err := b.storeReport(ctx, c, vaults, report, append(body, '\n')); err != nil {
		return nil, err
	}
	return api.ReportResponse{ID: report.ID}, nil
}

// storeReport stores the report in all of the vaults that the broker signs for.
func (b *Broker) storeReport(ctx context.Context, c *call, vaults []string, report holdfast.Report, body []byte) error {
	signed, direct := b.split(vaults)
	if len(signed) == 0 {
		return refuseWith(http.StatusUnprocessableEntity, "no place for reports",
			"the broker can write to none of the job's vaults: "+strings.Join(direct, ", "), "the host can put reports there by itself")
	}
	_, errs := inEach(ctx, b, c.id, signed, beginTime, func(ctx context.Context, name string) (struct{}, error) {
		return struct{}{}, b.putReport(ctx, c, name, report, body)
	})
	stored := 0
	for i, err := range errs {
		if err == nil {
			stored++
		} else if len(signed) > 1 { // else it is the answer, which is logged
			b.log.Error("report not stored", "vault", signed[i], "host", report.Host, "job", report.Job, "request", c.id, "err", said(err.Error()))
		}
	}
	if stored == 0 {
		return mostHopeful(errs)
	}
	b.log.Info("reported", "host", report.Host, "job", report.Job, "id", report.ID, "kind", report.Kind, "ok", report.OK, "vaults", stored, "request", c.id)
	return nil
}

// putReport stores the report in one vault, where its monitor sees it.
func (b *Broker) putReport(ctx context.Context, c *call, name string, report holdfast.Report, body []byte) error {
	vault, err := b.pushVault(name)
	if err != nil {
		return err
	}
	unlock, err := b.jobs.lock(ctx, name, report.Host, report.Job)
	if err != nil {
		return err
	}
	defer unlock()
	if err := checkReports(ctx, vault, c, report.Job); err != nil {
		return err
	}
	if err := vault.Put(ctx, holdfast.ReportKey(report.Host, report.Job, report.ID), body); err != nil {
		return fmt.Errorf("put report: %w", err)
	}
	b.committed(name, holdfast.Ref{Host: report.Host, Job: report.Job, ID: report.ID})
	return nil
}

// cleanReport returns what is stored of what was said, under an id and a host
// that the host has no say in.
func (b *Broker) cleanReport(c *call, said holdfast.Report) (holdfast.Report, error) {
	if said.Kind != holdfast.ReportFailure && said.Kind != holdfast.ReportDrill {
		return said, invalid(fmt.Errorf("report kind %q: want %s or %s", said.Kind, holdfast.ReportFailure, holdfast.ReportDrill))
	}
	if said.Backup != "" {
		if _, err := holdfast.ParseID(string(said.Backup)); err != nil {
			return said, invalid(err)
		}
	}
	id, err := holdfast.NewID(c.now, &b.rand)
	if err != nil {
		return said, err
	}
	said.ID, said.Host = id, c.principal.Name
	said.OK = said.OK && said.Kind == holdfast.ReportDrill
	said.Stage = cutEnd(line(said.Stage), maxReportWord)
	said.Pusher = cutEnd(line(said.Pusher), maxReportWord)
	said.Error = cutEnd(text(said.Error), holdfast.MaxReportError)
	said.Tail = cutStart(text(said.Tail), holdfast.MaxReportTail)
	return said, nil
}

func checkReports(ctx context.Context, vault holdfast.Lister, c *call, job string) error {
	prefix, count := holdfast.ReportPrefix(c.principal.Name, job)+holdfast.DayPrefix(c.now), 0
	for _, err := range vault.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if count++; count >= MaxReportsPerDay {
			return overQuota(http.StatusTooManyRequests,
				fmt.Sprintf("%d reports of this job were stored today (UTC)", count), "the earlier ones say enough")
		}
	}
	return nil
}

// text returns s without what a terminal or a log would act on; line ends and
// tabs stay.
func text(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, s)
}

// line returns s as text on one line.
func line(s string) string { return strings.Join(strings.Fields(text(s)), " ") }

// cutEnd keeps the first n bytes of s, less where that would split a character.
func cutEnd(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// cutStart keeps the last n bytes of s, likewise.
func cutStart(s string, n int) string {
	if len(s) <= n {
		return s
	}
	at := len(s) - n
	for at < len(s) && !utf8.RuneStart(s[at]) {
		at++
	}
	return s[at:]
}
