package holdfast

// Checks, as Finding.Check has them. The package comments of internal/monitor
// and internal/retention say what each means; docs/monitoring.md, what to do.
const (
	CheckReachable   = "reachable"
	CheckState       = "state"
	CheckMissing     = "missing"
	CheckFresh       = "fresh"
	CheckStreams     = "streams"
	CheckMinSize     = "min-size"
	CheckShrunk      = "size-shrunk"
	CheckGrown       = "size-grown"
	CheckCompression = "compression"
	CheckMaxTotal    = "max-total"
	CheckMinCount    = "min-count"
	CheckStored      = "stored-size"
	CheckManifest    = "manifest"
	CheckHash        = "hash"
	CheckFailedRun   = "failed-run"
	CheckFuture      = "future"
	CheckUnfinished  = "unfinished"
	CheckStray       = "stray"
	CheckReports     = "reports"
	CheckVersioning  = "versioning"
	CheckPublic      = "public"
	CheckHidden      = "hidden"

	CheckRetention       = "retention"        // it has stopped running
	CheckRetentionFailed = "retention-failed" // a run of it could not be done
	CheckRetentionBrake  = "retention-brake"  // a run refused to delete
	CheckRetentionPolicy = "retention-policy" // a job has no policy and keeps everything
	CheckRetentionDelete = "retention-delete" // a deletion failed
	CheckRetentionStray  = "retention-stray"  // objects that belong to no backup
	CheckRetentionHidden = "retention-hidden" // backups that somebody deleted by name
	CheckRetentionSweep  = "retention-sweep"  // removing an orphan, an upload or an old report failed

	CheckChannel = "channel" // a channel does not take what people have to be told
)

// Checks returns the names of all checks.
func Checks() []string {
	return []string{
		CheckReachable, CheckState, CheckMissing, CheckFresh, CheckStreams, CheckMinSize, CheckShrunk, CheckGrown,
		CheckCompression, CheckMaxTotal, CheckMinCount, CheckStored, CheckManifest, CheckHash, CheckFailedRun,
		CheckFuture, CheckUnfinished, CheckStray, CheckReports, CheckVersioning, CheckPublic, CheckHidden,
		CheckRetention, CheckRetentionFailed, CheckRetentionBrake, CheckRetentionPolicy, CheckRetentionDelete,
		CheckRetentionStray, CheckRetentionHidden, CheckRetentionSweep, CheckChannel,
	}
}
