package postgres

import "fmt"

// Types of blocks.
const (
	blockData  = 1
	blockBlobs = 3
)

func (a *Archive) parseBlock() error {
	kind, err := a.bytes(1)
	if err != nil {
		return err
	}
	what := kind[0]
	id, err := a.int()
	if err != nil {
		return err
	}
	if !a.pending[id] {
		return fmt.Errorf("block of entry %d, which has none or had it before", id)
	}
	switch what {
	case blockData:
		err = a.skipChunks()
	case blockBlobs:
		err = a.skipBlobs()
	default:
		err = fmt.Errorf("unknown type of block %d", what)
	}
	if err != nil {
		return err
	}
	delete(a.pending, id)
	return nil
}

// skipBlobs passes large objects: the oid and chunks of each, ended by oid 0.
func (a *Archive) skipBlobs() error {
	for {
		oid, err := a.int()
		if err != nil || oid == 0 {
			return err
		}
		if err := a.skipChunks(); err != nil {
			return err
		}
	}
}

// skipChunks passes chunks, each its length and as many bytes, ended by length 0.
func (a *Archive) skipChunks() error {
	for {
		n, err := a.int()
		if err != nil || n == 0 {
			return err
		}
		if n < 0 {
			return fmt.Errorf("chunk of %d bytes", n)
		}
		if err := a.skip(n); err != nil {
			return err
		}
	}
}
