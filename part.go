package holdfast

// Part is one piece of an upload, numbered from 1.
type Part struct {
	Number int    `json:"n"`
	Size   int64  `json:"size"`           // bytes
	Sum    string `json:"sum"`            // lower-case hex, by the upload's checksum algorithm
	ETag   string `json:"etag,omitempty"` // what the store answered to the PUT, where it wants it back
}

// The schedule of part sizes is fixed, so that the number of a part says where
// it begins and the highest number signed bounds the whole upload, without
// anybody keeping count. The first three tenths of the parts that a vault
// allows are 8 MiB, which keeps the pusher's buffers small for any usual dump
// (23 GiB where 10,000 parts are allowed); then each tenth doubles, to 512 MiB,
// which makes 1.4 TiB in all.
const (
	MinPartSize int64 = 8 << 20   // bytes
	MaxPartSize int64 = 512 << 20 // bytes
	// MaxParts is the most parts any vault allows, from S3's limit.
	MaxParts = 10_000
)

// PartSize returns the size in bytes of part n (from 1) of an upload to a vault
// that allows maxParts parts. Every part but the last has exactly this size.
func PartSize(n, maxParts int) int64 {
	step := max(maxParts/10, 1)
	size := MinPartSize
	for limit := 3 * step; n > limit && size < MaxPartSize; limit += step {
		size *= 2
	}
	return size
}

// PartOffset returns where part n (from 1) begins, in bytes.
func PartOffset(n, maxParts int) int64 {
	step := max(maxParts/10, 1)
	before := n - 1
	first := min(before, 3*step)
	offset, size := int64(first)*MinPartSize, MinPartSize
	for before -= first; before > 0; {
		size = min(2*size, MaxPartSize)
		run := before
		if size < MaxPartSize {
			run = min(before, step)
		}
		offset += int64(run) * size
		before -= run
	}
	return offset
}

// MaxUpload returns the largest object, in bytes, that maxParts parts can hold.
func MaxUpload(maxParts int) int64 { return PartOffset(maxParts+1, maxParts) }
