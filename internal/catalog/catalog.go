// Package catalog turns a flat listing of a vault into jobs and their backups.
// It holds one job in memory at a time, however many the vault has, and reads
// nothing but the listing.
package catalog

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// Job is one job of one host as the listing shows it.
type Job struct {
	Host, Name string
	Backups    []holdfast.Backup // newest first, uncommitted ones too
	Stray      []holdfast.Object // objects under the job that belong to no backup
}

// Jobs yields the jobs that lie under prefix, which is holdfast.BackupsPrefix, a
// host's part of it or a holdfast.JobPrefix. Objects that are not where a job's
// can be are yielded as the Stray of a Job without a name. After an error the
// sequence ends: half a listing must not be taken for a whole one.
func Jobs(ctx context.Context, vault holdfast.Lister, prefix string) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		var job Job
		started := false
		for object, err := range vault.List(ctx, prefix) {
			if err != nil {
				yield(Job{}, err)
				return
			}
			ref, file, ok := holdfast.ParseKey(object.Key)
			if !ok {
				ref = owner(object.Key)
			}
			if started && (ref.Host != job.Host || ref.Job != job.Name) {
				if !yield(job.newestFirst(), nil) {
					return
				}
				started = false
			}
			if !started {
				job, started = Job{Host: ref.Host, Name: ref.Job}, true
			}
			if !ok {
				job.Stray = append(job.Stray, object)
				continue
			}
			job.add(ref, file, object)
		}
		if started {
			yield(job.newestFirst(), nil)
		}
	}
}

// Find returns one job; holdfast.ErrNotExist if nothing of it is in the vault.
func Find(ctx context.Context, vault holdfast.Lister, host, name string) (Job, error) {
	for job, err := range Jobs(ctx, vault, holdfast.JobPrefix(host, name)) {
		if err != nil || job.Host != "" {
			return job, err
		}
	}
	return Job{}, fmt.Errorf("job %s/%s: %w", host, name, holdfast.ErrNotExist)
}

// owner returns the host and job under which a key lies that names no file of a
// backup, so that a stray object does not cut its job's run of keys in two; both
// are empty where it lies under none.
func owner(key string) holdfast.Ref {
	parts := strings.Split(strings.TrimPrefix(key, holdfast.BackupsPrefix), "/")
	if len(parts) < 3 || holdfast.CheckName("host", parts[0]) != nil || holdfast.CheckName("job", parts[1]) != nil {
		return holdfast.Ref{}
	}
	return holdfast.Ref{Host: parts[0], Job: parts[1]}
}

// add files an object of the listing. Objects of one backup come together,
// because the listing is in key order.
func (j *Job) add(ref holdfast.Ref, file string, object holdfast.Object) {
	last := len(j.Backups) - 1
	if last < 0 || j.Backups[last].Ref != ref {
		j.Backups = append(j.Backups, holdfast.Backup{Ref: ref})
		last++
	}
	b := &j.Backups[last]
	switch file {
	case holdfast.ManifestFile:
		b.Committed, b.Manifest = true, object
	case holdfast.HoldFile:
		b.Held = true
	default:
		b.Data = append(b.Data, object)
	}
}

func (j Job) newestFirst() Job {
	slices.Reverse(j.Backups)
	return j
}

// Unneeded returns the data objects that no manifest of the job needs, once the
// backups for which gone returns true have lost theirs. What is needed can be
// told from the listing alone: a manifest needs the objects beside it. The
// sweep, the deletion of a backup and the accounting all ask here, so that
// manifests that need objects of earlier backups change this function only.
func (j Job) Unneeded(gone func(holdfast.ID) bool) []holdfast.Object {
	var unneeded []holdfast.Object
	for _, b := range j.Backups {
		if !b.Committed || gone(b.ID) {
			unneeded = append(unneeded, b.Data...)
		}
	}
	return unneeded
}
