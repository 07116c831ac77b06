package push

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// cut makes parts of the stream by one schedule, with sums of one algorithm.
type cut struct {
	plan    api.StreamPlan
	uploads []*upload // that have not ended
	number  int       // of the part being made
	blocks  []*block  // of it that are whole
	filled  int64     // bytes in them
	sum     hash.Hash
	parts   []holdfast.Part // made so far
}

// cutOf returns the cut for a plan.
func (f *fanout) cutOf(plan api.StreamPlan) *cut {
	for _, c := range f.cuts {
		if c.plan == plan {
			return c
		}
	}
	c := &cut{plan: plan, number: 1, sum: newSum(plan.Checksum)}
	f.cuts = append(f.cuts, c)
	return c
}

// newSum returns the hash of a part's checksum; nil for one that is unknown.
func newSum(algorithm string) hash.Hash {
	switch algorithm {
	case holdfast.ChecksumSHA256:
		return sha256.New()
	case holdfast.ChecksumMD5:
		return md5.New()
	}
	return nil
}

// target returns the size of the part being made, in bytes.
func (c *cut) target() int64 { return holdfast.PartSize(c.number, c.plan.MaxParts) }

// next returns the part that was made, and begins another.
func (c *cut) next() (holdfast.Part, []*block) {
	part := holdfast.Part{Number: c.number, Size: c.filled, Sum: hex.EncodeToString(c.sum.Sum(nil))}
	blocks := c.blocks
	c.parts = append(c.parts, part)
	c.number, c.blocks, c.filled = c.number+1, nil, 0
	c.sum.Reset()
	return part, blocks
}

func (c *cut) prune() {
	kept := c.uploads[:0]
	for _, u := range c.uploads {
		if u.ctx.Err() == nil {
			kept = append(kept, u)
		}
	}
	clear(c.uploads[len(kept):])
	c.uploads = kept
}
