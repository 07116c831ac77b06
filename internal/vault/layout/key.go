package layout

const (
	// MaxName is how long a name can be, in bytes: what file systems allow.
	MaxName = 255
	// MaxMarkedName leaves room for what is put around a name to mark it.
	MaxMarkedName = MaxName - len(".") - len(begunSuffix)
)
