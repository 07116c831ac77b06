// Package api is the broker protocol: paths, requests and responses, as JSON
// over HTTPS. Both sides use these types; nothing here acts. Every request but
// a ticket's redemption bears a request token (package token).
package api

import (
	"encoding/json"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Paths of the calls. {id} is a backup id.
const (
	PathStart     = "/v1/backups"             // POST StartRequest → StartResponse; GET ?host=&job= → ListResponse
	PathParts     = "/v1/backups/{id}/parts"  // POST PartsRequest → PartsResponse
	PathCommit    = "/v1/backups/{id}/commit" // POST CommitRequest → CommitResponse
	PathAbort     = "/v1/backups/{id}/abort"  // POST AbortRequest → no content
	PathReports   = "/v1/reports"             // POST holdfast.Report → ReportResponse
	PathDownloads = "/v1/downloads"           // POST DownloadRequest → DownloadResponse
	PathTickets   = "/v1/tickets"             // POST TicketRequest → TicketResponse
	PathRedeem    = "/r/{ticket}"             // GET, no token → 302 to the download
	PathHealth    = "/healthz"                // GET, no token → Health
)

// Limits on bodies, in bytes. The largest is a report, or the parts of a call
// with an upload token of many streams; a commit carries the manifest.
const (
	MaxBody       = 256 << 10
	MaxCommitBody = 2*holdfast.MaxManifestSize + 1<<20
	// MaxPartsPerCall is the most parts one PartsRequest may name.
	MaxPartsPerCall = 64
)

// StartRequest asks to begin a backup. The host is the token's issuer.
type StartRequest struct {
	Job     string        `json:"job"`
	Streams []StartStream `json:"streams"`
	Pusher  string        `json:"pusher,omitempty"` // its version
}

// StartStream names one stream to come.
type StartStream struct {
	Name string `json:"name"`
	File string `json:"file"` // of the data object
}

// StartResponse admits a backup.
type StartResponse struct {
	ID          holdfast.ID  `json:"id"`
	UploadToken string       `json:"upload_token"`
	Expires     time.Time    `json:"expires"`  // of the upload token
	Now         time.Time    `json:"now"`      // by the broker's clock
	MaxSize     int64        `json:"max_size"` // bytes, of all streams together
	Uploads     []StreamPlan `json:"uploads"`
}

// StreamPlan is how one stream must be sent.
type StreamPlan struct {
	Name     string `json:"name"`
	MaxParts int    `json:"max_parts"` // fixes the schedule of part sizes
	Checksum string `json:"checksum"`  // algorithm of the parts' sums
}

// PartsRequest asks for signatures; a part named again is signed again.
type PartsRequest struct {
	UploadToken string          `json:"upload_token"`
	Stream      string          `json:"stream"`
	Parts       []holdfast.Part `json:"parts"`
}

// PartsResponse has one request for each part, in the same order.
type PartsResponse struct {
	Requests []holdfast.Request `json:"requests"`
}

// CommitRequest completes the backup.
type CommitRequest struct {
	UploadToken string `json:"upload_token"`
	// Manifest is the signed manifest, byte for byte as it will be stored.
	Manifest []byte `json:"manifest"`
	// ETags are what the store answered to each part, by stream, where it
	// answered something; in the order of the manifest's parts.
	ETags map[string][]string `json:"etags,omitempty"`
}

// CommitResponse says that the backup exists.
type CommitResponse struct {
	Ref  holdfast.Ref `json:"ref"`
	Size int64        `json:"size"` // stored, bytes, data objects
}

// AbortRequest gives a backup up. Its uploads are discarded.
type AbortRequest struct {
	UploadToken string `json:"upload_token"`
	Reason      string `json:"reason"`
}

// ReportResponse names the report that was stored.
type ReportResponse struct {
	ID holdfast.ID `json:"id"`
}

// ListResponse is what a listing shows, newest backup first within each job.
type ListResponse struct {
	Backups []holdfast.Backup `json:"backups"`
	Now     time.Time         `json:"now"` // by the broker's clock
}

// DownloadRequest asks for the signed downloads of one backup.
type DownloadRequest struct {
	Ref holdfast.Ref `json:"ref"`
}

// DownloadResponse has a signed download for the manifest and for each stream.
type DownloadResponse struct {
	Manifest holdfast.Request            `json:"manifest"`
	Streams  map[string]holdfast.Request `json:"streams"`   // by file name
	HostKeys []string                    `json:"host_keys"` // that may have signed the manifest
}

// TicketRequest asks for a ticket: a link to one file of one backup that
// anyone may use until it expires.
type TicketRequest struct {
	Ref  holdfast.Ref `json:"ref"`
	File string       `json:"file"`        // a data object or manifest.json
	TTL  int64        `json:"ttl_seconds"` // at most 7 days
}

// TicketResponse is the link.
type TicketResponse struct {
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
}

// Health answers PathHealth.
type Health struct {
	OK      bool              `json:"ok"`
	Version string            `json:"version"`
	Now     time.Time         `json:"now"`
	Vaults  map[string]string `json:"vaults"` // "ok" or what is wrong, by name; no details of the store
}

// ProblemType is the media type of Problem, from RFC 9457.
const ProblemType = "application/problem+json"

// Problem is an error as the broker answers it (RFC 9457), with what to do
// about it in Hint.
type Problem struct {
	Type      string    `json:"type"` // "about:blank" or one of the Problem… codes below
	Title     string    `json:"title"`
	Status    int       `json:"status"`
	Detail    string    `json:"detail,omitempty"`
	Hint      string    `json:"hint,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Now       time.Time `json:"now,omitzero"` // of a 401: the broker's time
}

// Codes in Problem.Type that a client branches on.
const (
	ProblemClock    = "holdfast:clock"     // 401: the token's times do not fit the broker's clock
	ProblemToken    = "holdfast:token"     // 401: any other fault of the token
	ProblemNotFound = "holdfast:not-found" // 404: not there, or not yours
	ProblemQuota    = "holdfast:quota"     // 413 or 429: max_size or max_per_day
	ProblemExists   = "holdfast:exists"    // 409: committed already, with other content
	ProblemFull     = "holdfast:full"      // 507: the vault has no room
)

// Error implements error.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

// MarshalProblem returns the JSON of p.
func MarshalProblem(p Problem) []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // no field of Problem can fail
	}
	return b
}
