package holdfast

import "time"

// Report tells the vault of a run that made no backup, so that the alert does
// not wait for the next freshness check. It is stored under ReportKey.
type Report struct {
	Kind     string    `json:"kind"` // ReportFailure or ReportDrill
	Host     string    `json:"host"`
	Job      string    `json:"job"`
	ID       ID        `json:"id"`                 // of the report, given by the broker
	Backup   ID        `json:"backup,omitempty"`   // of the backup that was begun, if one was
	HostTime time.Time `json:"host_time,omitzero"` // by the host's clock
	Stage    string    `json:"stage,omitempty"`    // hook, dump, upload, commit, …
	OK       bool      `json:"ok"`                 // of a drill
	Error    string    `json:"error,omitempty"`    // redacted, at most 2 KiB
	Tail     string    `json:"tail,omitempty"`     // end of the tool's stderr, redacted, at most 8 KiB
	Pusher   string    `json:"pusher,omitempty"`   // its version
}

// Kinds of reports.
const (
	ReportFailure = "failure"
	ReportDrill   = "drill"
)

// Limits of a report's texts, in bytes.
const (
	MaxReportError = 2 << 10
	MaxReportTail  = 8 << 10
)
