package function

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
)

// notification returns the records of an event of S3. ok is false for any other
// event: a schedule's, or one made by hand. What is not understood as one of S3
// is taken for a schedule's, because that has everything judged.
func notification(event []byte) (records []json.RawMessage, ok bool) {
	var e struct {
		Records []json.RawMessage
		Event   string // of what S3 sends once, when notifications are set up
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, false
	}
	return e.Records, e.Records != nil || e.Event == "s3:TestEvent"
}

// arrived returns the jobs of which the records say that something was stored, by
// vault. A record that concerns no job of any vault is logged and left out:
// nothing depends on it, since the schedule sees the same.
func arrived(log *slog.Logger, l *live, records []json.RawMessage) map[string][]holdfast.JobName {
	jobs := map[string][]holdfast.JobName{}
	for _, text := range records {
		var r events.S3EventRecord // which decodes the key
		if err := json.Unmarshal(text, &r); err != nil {
			log.Warn("ignored a record of the event", "err", err)
			continue
		}
		bucket, key, known := r.S3.Bucket.Name, r.S3.Object.URLDecodedKey, false
		for name, v := range l.config.Vaults {
			job, ok := jobAt(v, bucket, key)
			known = known || ok
			if ok && !slices.Contains(jobs[name], job) {
				jobs[name] = append(jobs[name], job)
			}
		}
		if !known {
			log.Warn("ignored a record of the event: of no job in any vault", "event", r.EventName, "bucket", bucket, "key", key)
		}
	}
	return jobs
}

// jobAt returns the job of which the object is a backup's file or a report.
func jobAt(v config.Vault, bucket, key string) (holdfast.JobName, bool) {
	if v.S3 == nil || v.S3.Bucket != bucket {
		return holdfast.JobName{}, false
	}
	if v.S3.Prefix != "" {
		below, ok := strings.CutPrefix(key, v.S3.Prefix+"/")
		if !ok {
			return holdfast.JobName{}, false
		}
		key = below
	}
	ref, _, ok := holdfast.ParseKey(key)
	if !ok {
		ref, ok = reportAt(key)
	}
	return holdfast.JobName{Host: ref.Host, Job: ref.Job}, ok
}

// reportAt splits what holdfast.ReportKey makes.
func reportAt(key string) (holdfast.Ref, bool) {
	rest, ok := strings.CutPrefix(key, holdfast.ReportsPrefix)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 {
		return holdfast.Ref{}, false
	}
	id, ok := strings.CutSuffix(parts[2], ".json")
	ref := holdfast.Ref{Host: parts[0], Job: parts[1], ID: holdfast.ID(id)}
	return ref, ok && ref.Check() == nil
}
