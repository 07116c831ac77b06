package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// Start begins a backup. An attempt whose answer was lost counts against the
// day's quota until it is swept.
func (c *Client) Start(ctx context.Context, req api.StartRequest) (api.StartResponse, error) {
	var answer api.StartResponse
	err := c.do(ctx, call{method: http.MethodPost, path: api.PathStart, body: req, answer: &answer})
	if err == nil {
		_, err = holdfast.ParseID(string(answer.ID))
	}
	if err == nil {
		err = checkStart(answer, req)
	}
	return answer, wrap("start backup", err)
}

// checkStart returns an error unless the answer says of every vault in it how
// each stream is to be sent there.
func checkStart(answer api.StartResponse, req api.StartRequest) error {
	if len(answer.Vaults) == 0 && len(answer.Direct) == 0 {
		return errors.New("broker admitted the backup to no vault")
	}
	named := map[string]bool{}
	for _, v := range answer.Vaults {
		if named[v.Vault] {
			return fmt.Errorf("broker answered twice for the vault %q", v.Vault)
		}
		named[v.Vault] = true
		if len(v.Uploads) != len(req.Streams) {
			return fmt.Errorf("broker answered %d uploads for %d streams", len(v.Uploads), len(req.Streams))
		}
	}
	return nil
}

// SignParts returns one request for each part of req, in their order.
func (c *Client) SignParts(ctx context.Context, id holdfast.ID, req api.PartsRequest) (api.PartsResponse, error) {
	var answer api.PartsResponse
	err := c.do(ctx, call{method: http.MethodPost, path: withID(api.PathParts, id), body: req, answer: &answer})
	if err == nil && len(answer.Requests) != len(req.Parts) {
		err = fmt.Errorf("broker answered %d requests for %d parts", len(answer.Requests), len(req.Parts))
	}
	return answer, wrap("sign parts", err)
}

// Commit makes the backup exist. It may be repeated.
func (c *Client) Commit(ctx context.Context, id holdfast.ID, req api.CommitRequest) (api.CommitResponse, error) {
	var answer api.CommitResponse
	err := c.do(ctx, call{method: http.MethodPost, path: withID(api.PathCommit, id), body: req, answer: &answer, timeout: longAttempt})
	return answer, wrap("commit backup", err)
}

// Abort gives a backup up that was begun.
func (c *Client) Abort(ctx context.Context, id holdfast.ID, req api.AbortRequest) error {
	return wrap("abort backup", c.do(ctx, call{method: http.MethodPost, path: withID(api.PathAbort, id), body: req}))
}

// Report tells of a run that made no backup, or of a drill.
func (c *Client) Report(ctx context.Context, report holdfast.Report) (api.ReportResponse, error) {
	var answer api.ReportResponse
	err := c.do(ctx, call{method: http.MethodPost, path: api.PathReports, body: report, answer: &answer})
	return answer, wrap("report", err)
}

// List returns what the key may restore; of one host or job where they are not
// empty. What is not committed is in it too.
func (c *Client) List(ctx context.Context, host, job string) (api.ListResponse, error) {
	query := url.Values{}
	if host != "" {
		query.Set("host", host)
	}
	if job != "" {
		query.Set("job", job)
	}
	path := api.PathStart
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var answer api.ListResponse
	err := c.do(ctx, call{method: http.MethodGet, path: path, answer: &answer, limit: maxList, timeout: longAttempt})
	return answer, wrap("list backups", err)
}

// Downloads returns the signed downloads of one backup.
func (c *Client) Downloads(ctx context.Context, req api.DownloadRequest) (api.DownloadResponse, error) {
	var answer api.DownloadResponse
	err := c.do(ctx, call{method: http.MethodPost, path: api.PathDownloads, body: req, answer: &answer})
	return answer, wrap("sign downloads", err)
}

// Ticket makes a link that anyone may use to fetch one file of one backup.
func (c *Client) Ticket(ctx context.Context, req api.TicketRequest) (api.TicketResponse, error) {
	var answer api.TicketResponse
	err := c.do(ctx, call{method: http.MethodPost, path: api.PathTickets, body: req, answer: &answer})
	return answer, wrap("make ticket", err)
}

// Health asks how the broker is. A broker that is up and whose vault is not is
// no error: it says so in the answer.
func (c *Client) Health(ctx context.Context) (api.Health, error) {
	var answer api.Health
	err := c.do(ctx, call{method: http.MethodGet, path: api.PathHealth, answer: &answer, open: true})
	return answer, wrap("ask broker's health", err)
}

// Skew returns how far this host's clock is ahead of the broker's, negative
// where it is behind, give or take half of the call's duration.
func (c *Client) Skew(ctx context.Context) (time.Duration, error) {
	var answer api.Health
	var sent, received time.Time
	err := c.do(ctx, call{
		method: http.MethodGet, path: api.PathHealth, answer: &answer, open: true,
		timed: func(from, to time.Time) { sent, received = from, to },
	})
	if err == nil && answer.Now.IsZero() {
		err = fmt.Errorf("broker did not tell its time")
	}
	if err != nil {
		return 0, wrap("compare clocks", err)
	}
	return sent.Add(received.Sub(sent) / 2).Sub(answer.Now), nil
}

func withID(path string, id holdfast.ID) string {
	return strings.Replace(path, "{id}", url.PathEscape(string(id)), 1)
}

func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", verb, err)
}
