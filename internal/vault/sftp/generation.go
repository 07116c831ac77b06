package sftp

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// generation is one version of a document that changes: a file of its own.
type generation struct {
	number uint64 // 0: a plain file, as a disk vault writes it
	name   string
	info   fs.FileInfo
}

// documentDir is where the generations of a document lie.
func documentDir(key string) string {
	dir, name := path.Split(key)
	return dir + "." + name
}

func generationName(key string, number uint64) string {
	return fmt.Sprintf("%s/%010d", documentDir(key), number)
}

// generations are those of one document, as its directory shows them.
type generations struct {
	all []generation // finished, in order
	// taken is the highest number there is, finished or not.
	taken uint64
	// pending is the time of the latest that is not finished, above all that are;
	// zero if there is none.
	pending time.Time
}

// generations returns those of a document; none if there is no directory of it.
func (o op) generations(key string) (generations, error) {
	dir := documentDir(key)
	entries, err := o.readDir(dir)
	if isNotExist(err) {
		return generations{}, nil
	}
	if err != nil {
		return generations{}, err
	}
	m := layout.Marks{}
	for _, e := range entries {
		m.Add(e)
	}
	var g generations
	for _, e := range sortedByName(entries) {
		number, err := strconv.ParseUint(e.Name(), 10, 64)
		if err != nil || number == 0 || e.Name() != path.Base(generationName(key, number)) || !e.Mode().IsRegular() {
			continue
		}
		g.taken = number
		if m.Hide(e) {
			g.pending = e.ModTime()
			continue
		}
		g.pending = time.Time{}
		g.all = append(g.all, generation{number, path.Join(dir, e.Name()), e})
	}
	return g, nil
}

// newest returns the generation that is the document now; holdfast.ErrNotExist if
// there is none.
func (o op) newest(key string) (generation, error) {
	g, err := o.generations(key)
	if err != nil {
		return generation{}, err
	}
	if len(g.all) == 0 {
		return generation{}, holdfast.ErrNotExist
	}
	return g.all[len(g.all)-1], nil
}

// document returns the file that holds a document, which may be a plain one.
func (o op) document(key string, s seen) (generation, error) {
	g, err := o.newest(key)
	if errors.Is(err, holdfast.ErrNotExist) && s.there() {
		return generation{name: key, info: s.info}, nil
	}
	return g, err
}
