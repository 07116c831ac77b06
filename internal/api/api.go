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
	PathStart        = "/v1/backups"             // POST StartRequest → StartResponse; GET ?host=&job= → ListResponse
	PathParts        = "/v1/backups/{id}/parts"  // POST PartsRequest → PartsResponse
	PathCommit       = "/v1/backups/{id}/commit" // POST CommitRequest → CommitResponse
	PathAbort        = "/v1/backups/{id}/abort"  // POST AbortRequest → no content
	PathCertificates = "/v1/certificates"        // POST CertificateRequest → CertificateResponse
	PathReports      = "/v1/reports"             // POST holdfast.Report → ReportResponse
	PathDownloads    = "/v1/downloads"           // POST DownloadRequest → DownloadResponse
	PathTickets      = "/v1/tickets"             // POST TicketRequest → TicketResponse
	PathRedeem       = "/r/{ticket}"             // GET, no token → 302 to the download
	PathHealth       = "/healthz"                // GET, no token → Health
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

// StartResponse admits a backup, in every vault of the job at once, under one id.
type StartResponse struct {
	ID      holdfast.ID `json:"id"`
	Expires time.Time   `json:"expires"` // of the upload tokens
	Now     time.Time   `json:"now"`     // by the broker's clock
	// Vaults has the upload that was begun in each vault; at least one, unless
	// all of the job's vaults are Direct. Each is committed or aborted by itself.
	Vaults []VaultUpload `json:"vaults"`
	// Unavailable are vaults of the job that no upload could be begun in.
	Unavailable []Unavailable `json:"unavailable,omitempty"`
	// Direct are the names of vaults of the job that the broker cannot sign for:
	// the host has to reach them by itself, and stores the backup there under ID.
	Direct []string `json:"direct,omitempty"`
}

// VaultUpload is the upload of a backup to one vault.
type VaultUpload struct {
	Vault       string       `json:"vault"`
	UploadToken string       `json:"upload_token"`
	MaxSize     int64        `json:"max_size"` // bytes, of all streams together
	Uploads     []StreamPlan `json:"uploads"`
}

// Unavailable is a vault that takes no backup now, and why, without details of
// the store.
type Unavailable struct {
	Vault  string `json:"vault"`
	Reason string `json:"reason"`
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

// CertificateRequest asks for an SSH certificate to send backups of a job to a
// vault that the broker cannot sign for.
type CertificateRequest struct {
	Job       string `json:"job"`
	Vault     string `json:"vault"`
	PublicKey string `json:"public_key"` // a line as in an authorized_keys file
}

// CertificateResponse is a certificate to log in with until it expires.
type CertificateResponse struct {
	Certificate string    `json:"certificate"` // a line as in an authorized_keys file
	Expires     time.Time `json:"expires"`
}

// ReportResponse names the report that was stored.
type ReportResponse struct {
	ID holdfast.ID `json:"id"`
}

// ListResponse is what a listing shows, newest backup first within each job.
type ListResponse struct {
	Backups []Listed  `json:"backups"` // one that lies in several vaults once for each
	Now     time.Time `json:"now"`     // by the broker's clock
	// Unavailable are vaults that could not be listed now.
	Unavailable []Unavailable `json:"unavailable,omitempty"`
}

// Listed is a backup and where it lies.
type Listed struct {
	holdfast.Backup
	Vault string `json:"vault"`
}

// DownloadRequest asks for the signed downloads of one backup.
type DownloadRequest struct {
	Ref holdfast.Ref `json:"ref"`
	// Vault is the only one to take it from; empty for the first of the job's
	// that has it and answers.
	Vault string `json:"vault,omitempty"`
}

// DownloadResponse has a signed download for the manifest and for each stream.
type DownloadResponse struct {
	Vault    string                      `json:"vault"` // that it is taken from
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
	// Vault is the only one to take it from; empty for the first that has it and
	// answers when the ticket is used.
	Vault string `json:"vault,omitempty"`
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
