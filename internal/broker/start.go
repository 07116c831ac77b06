package broker

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// start admits a backup: it names it by its own clock and begins an upload for
// each stream in each vault of the job that it signs for.
func (b *Broker) start(ctx context.Context, c *call) (any, error) {
	var req api.StartRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	vaults, policy, err := b.pushJob(c, req.Job)
	if err != nil {
		return nil, err
	}
	if err := checkStreams(req.Streams); err != nil {
		return nil, invalid(err)
	}
	if policy.Quota.MaxSize <= 0 {
		return nil, overQuota(http.StatusRequestEntityTooLarge, "max_size of this job is 0", "set max_size in holdfast.yaml")
	}
	if err := b.checkPace(c, req.Job); err != nil {
		return nil, err
	}
	id, err := holdfast.NewID(c.now, &b.rand)
	if err != nil {
		return nil, err
	}
	signed, direct := b.split(vaults)
	answer := api.StartResponse{
		ID: id, Expires: c.now.Add(UploadLife).UTC().Truncate(time.Second), Now: c.now.UTC(),
		Vaults: []api.VaultUpload{}, Direct: direct,
	}
	a := admission{call: c, streams: req.Streams, quota: policy.Quota, expires: answer.Expires,
		ref: holdfast.Ref{Host: c.principal.Name, Job: req.Job, ID: id}}
	if err := b.admit(ctx, a, signed, &answer); err != nil {
		return nil, err
	}
	b.log.Info("started", "host", a.ref.Host, "job", a.ref.Job, "id", id, "streams", len(req.Streams), "vaults", len(answer.Vaults), "request", c.id)
	return answer, nil
}

// admission is a backup that is about to begin.
type admission struct {
	call    *call
	ref     holdfast.Ref
	streams []api.StartStream
	quota   holdfast.Quota
	expires time.Time
}

// admit begins the backup in each of the vaults, and notes in the answer where it
// could and where not. It fails where it could nowhere.
func (b *Broker) admit(ctx context.Context, a admission, vaults []string, answer *api.StartResponse) error {
	begun, errs := inEach(ctx, b, a.call.id, vaults, beginTime, func(ctx context.Context, name string) (api.VaultUpload, error) {
		return b.admitIn(ctx, a, name)
	})
	for i, err := range errs {
		if err == nil {
			answer.Vaults = append(answer.Vaults, begun[i])
			continue
		}
		p := problem(err, a.call.now)
		answer.Unavailable = append(answer.Unavailable, api.Unavailable{Vault: vaults[i], Reason: said(p.Error())})
		if len(vaults) > 1 { // else it is the answer, which is logged
			b.log.Error("vault unavailable", "vault", vaults[i], "host", a.ref.Host, "job", a.ref.Job, "id", a.ref.ID, "request", a.call.id, "err", said(err.Error()))
		}
	}
	if len(vaults) > 0 && len(answer.Vaults) == 0 {
		return mostHopeful(errs)
	}
	return nil
}

// admitIn begins the backup in one vault, unless the job has had its share there
// today.
func (b *Broker) admitIn(ctx context.Context, a admission, name string) (api.VaultUpload, error) {
	vault, err := b.pushVault(name)
	if err != nil {
		return api.VaultUpload{}, fmt.Errorf("start %s: %w", a.ref, err)
	}
	// One at a time, or a burst of starts would all count the same.
	unlock, err := b.jobs.lock(ctx, name, a.ref.Host, a.ref.Job)
	if err != nil {
		return api.VaultUpload{}, err
	}
	defer unlock()
	if err := checkPerDay(ctx, vault, a.call, a.ref.Job, a.quota.MaxPerDay); err != nil {
		return api.VaultUpload{}, err
	}
	return b.begin(ctx, a, vault, upload{Ref: a.ref, Vault: name, MaxSize: int64(a.quota.MaxSize)})
}

// begin starts the uploads of u, all or none, and seals the upload token.
func (b *Broker) begin(ctx context.Context, a admission, vault PushVault, u upload) (api.VaultUpload, error) {
	limits := vault.UploadLimits()
	begun := api.VaultUpload{Vault: u.Vault, MaxSize: u.MaxSize}
	for _, s := range a.streams {
		one, err := vault.StartUpload(ctx, u.Key(s.File))
		if err != nil {
			abortAll(ctx, vault, u)
			return begun, fmt.Errorf("start upload of %q: %w", u.Key(s.File), err)
		}
		u.Streams = append(u.Streams, uploadStream{Name: s.Name, File: s.File, Upload: one.ID})
		begun.Uploads = append(begun.Uploads, api.StreamPlan{Name: s.Name, MaxParts: limits.MaxParts, Checksum: limits.Checksum})
	}
	var err error
	if begun.UploadToken, err = b.sealer.Seal(token.KindUpload, u, a.expires); err != nil {
		abortAll(ctx, vault, u)
	}
	return begun, err
}

// checkPace refuses a start that follows too many others.
func (b *Broker) checkPace(c *call, job string) error {
	host, job := c.principal.Name, c.principal.Name+"/"+job
	wait := max(b.starts.wait(host, maxStartsPerHost, c.now), b.starts.wait(job, maxStartsPerJob, c.now))
	if wait > 0 {
		r := refuseWith(http.StatusTooManyRequests, "too many starts",
			fmt.Sprintf("at most %d of a job and %d of a host are admitted within a minute", maxStartsPerJob, maxStartsPerHost),
			fmt.Sprintf("try again in %s", wait.Round(time.Second)))
		r.after = wait
		return r
	}
	b.starts.note(c.now, host, job)
	return nil
}

func checkStreams(streams []api.StartStream) error {
	if len(streams) == 0 || len(streams) > holdfast.MaxStreams {
		return fmt.Errorf("%d streams, want 1 to %d", len(streams), holdfast.MaxStreams)
	}
	names, files := map[string]bool{}, map[string]bool{}
	for _, s := range streams {
		if err := holdfast.CheckName("stream", s.Name); err != nil {
			return err
		}
		if err := holdfast.CheckFile(s.File); err != nil {
			return err
		}
		if names[s.Name] || files[s.File] {
			return fmt.Errorf("stream %q: its name or file occurs twice", s.Name)
		}
		names[s.Name], files[s.File] = true, true
	}
	return nil
}

// checkPerDay counts what the vault shows of the job under today's ids,
// committed and unfinished.
func checkPerDay(ctx context.Context, vault PushVault, c *call, job string, limit int) error {
	prefix := holdfast.JobPrefix(c.principal.Name, job) + holdfast.DayPrefix(c.now)
	begun := map[holdfast.ID]bool{}
	for object, err := range vault.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if ref, _, ok := holdfast.ParseKey(object.Key); ok {
			begun[ref.ID] = true
		}
	}
	for unfinished, err := range vault.ListUploads(ctx, prefix) {
		if err != nil {
			return fmt.Errorf("list uploads of %q: %w", prefix, err)
		}
		if ref, _, ok := holdfast.ParseKey(unfinished.Key); ok {
			begun[ref.ID] = true
		}
	}
	if len(begun) >= limit {
		return overQuota(http.StatusTooManyRequests,
			fmt.Sprintf("%d backups were begun today (UTC), and %d are allowed", len(begun), limit),
			"wait for the next UTC day, or raise max_per_day in holdfast.yaml")
	}
	return nil
}

// cleanupTime is how long discarding uploads may take after a call has failed.
const cleanupTime = 10 * time.Second

// abortAll discards the uploads of u after a failure, also one of ctx. What
// stays behind is the sweep's.
func abortAll(ctx context.Context, vault PushVault, u upload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	for _, s := range u.Streams {
		_ = vault.AbortUpload(ctx, u.of(s))
	}
}
