package config

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/holdfast-backup/holdfast"
)

// Heartbeat has the URLs to ping. In YAML a single string is Success.
type Heartbeat struct {
	// Pinged when a run starts.
	Start string `yaml:"start"`
	// Pinged when a run has succeeded.
	Success string `yaml:"success"`
	// Pinged when a run has failed.
	Failure string `yaml:"failure"`
}

func (h *Heartbeat) decodeNode(d *document, n ast.Node, path string) {
	if text, ok := scalar(n); ok {
		h.Success = text
		d.checkWebURL(path, h.Success)
		return
	}
	type urls Heartbeat // without this method
	decodeInto(d, (*urls)(h), n, path)
	d.checkWebURL(join(path, "start"), h.Start)
	d.checkWebURL(join(path, "success"), h.Success)
	d.checkWebURL(join(path, "failure"), h.Failure)
}

// Commands are commands with their arguments. In YAML each is a list of words,
// run as it is, or a single string, run by /bin/sh -c.
type Commands [][]string

func (c *Commands) decodeNode(d *document, n ast.Node, path string) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.errorf(path, "want a list of commands")
		return
	}
	for i, item := range list.Values {
		at := d.item(path, i, item)
		if line, ok := scalar(item); ok {
			*c = append(*c, []string{"/bin/sh", "-c", line})
			d.checkWords(at, []string{line})
			continue
		}
		var words []string
		decodeInto(d, &words, item, at)
		d.checkWords(at, words)
		*c = append(*c, words)
	}
}

// KeepValue is a number of backups or a length of time: one of the two, or
// neither where nothing was said.
type KeepValue struct {
	Number int
	Length holdfast.Span
}

// Form returns which of the two it is; holdfast.KeepAll for neither.
func (k KeepValue) Form() holdfast.Form {
	switch {
	case k.Number > 0:
		return holdfast.Counts
	case !k.Length.IsZero():
		return holdfast.Windows
	}
	return holdfast.KeepAll
}

func (k *KeepValue) decodeNode(d *document, n ast.Node, path string) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	if _, ok := n.(*ast.IntegerNode); ok {
		if k.Number, ok = integer(n); !ok || k.Number < 1 {
			k.Number = 0
			d.errorf(path, "%s: want a number of at least 1, or a length of time such as 16d", text)
		}
		return
	}
	length, err := holdfast.ParseSpan(text)
	switch {
	case err != nil:
		d.errorf(path, "%q: want a number of backups, such as 7, or a length of time, such as 7d, 8w, 4mo or 2y", text)
	case length.IsZero():
		d.errorf(path, "%q keeps nothing; leave the key out", text)
	default:
		k.Length = length
	}
}
