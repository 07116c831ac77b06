package holdfast

// JobName names one job of one host.
type JobName struct{ Host, Job string }

// String returns "host/job".
func (n JobName) String() string { return n.Host + "/" + n.Job }
