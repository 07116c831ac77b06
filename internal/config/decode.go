package config

import (
	"encoding"
	"errors"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// nodeDecoder is a value that YAML can write in more than one way. It notes its
// problems in d.
type nodeDecoder interface {
	decodeNode(d *document, n ast.Node, path string)
}

// parse returns the one document of the file, or nil after noting why not.
// Repeated keys pass here and are found in decode, so that all of them are.
func (d *document) parse(data []byte) ast.Node {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		d.errorf("", "is empty")
		return nil
	case 1:
		return bodies[0]
	}
	d.problems = append(d.problems, Problem{d.file, lineOf(bodies[1]), "", "a second document begins, want only one"})
	return nil
}

// syntax notes that the file is no YAML. The parser's own text would quote the
// lines around, and what stands in them may be a secret in the wrong place.
func (d *document) syntax(err error) {
	p := Problem{File: d.file, Line: 1, Text: "not YAML"}
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		p.Text += ": " + syntax.GetMessage()
		if t := syntax.GetToken(); t != nil && t.Position != nil {
			p.Line = t.Position.Line
		}
	}
	d.problems = append(d.problems, p)
}

// decode stores the node in v and the lines of its keys in d.
func (d *document) decode(n ast.Node, v reflect.Value, path string) {
	if v.CanAddr() {
		switch target := v.Addr().Interface().(type) {
		case nodeDecoder:
			target.decodeNode(d, n, path)
			return
		case encoding.TextUnmarshaler:
			d.decodeText(n, target, path)
			return
		case *secret.Ref:
			*target = d.decodeRef(n, path)
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		target := reflect.New(v.Type().Elem())
		d.decode(n, target.Elem(), path)
		v.Set(target)
	case reflect.Struct:
		d.decodeStruct(n, v, path)
	case reflect.Map:
		d.decodeMap(n, v, path)
	case reflect.Slice:
		d.decodeSlice(n, v, path)
	default:
		d.decodeScalar(n, v, path)
	}
}

func (d *document) decodeStruct(n ast.Node, v reflect.Value, path string) {
	fields, known := map[string]int{}, []string{}
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("yaml")
		if key == "" {
			continue // what no file says
		}
		fields[key] = i
		known = append(known, key)
	}
	d.entries(n, path, func(key, at string, value ast.Node) {
		i, ok := fields[key]
		if !ok {
			d.errorf(at, "unknown key %s", unknown(key, known))
			return
		}
		d.decode(value, v.Field(i), at)
	})
}

func (d *document) decodeMap(n ast.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.entries(n, path, func(key, at string, value ast.Node) {
		target := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, target, at)
		v.SetMapIndex(reflect.ValueOf(key), target)
	})
}

func (d *document) decodeSlice(n ast.Node, v reflect.Value, path string) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.errorf(path, "want a list, such as [a, b]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
	for i, item := range list.Values {
		d.decode(item, v.Index(i), d.item(path, i, item))
	}
}

// item notes the line of an item of the list at path and returns its path.
func (d *document) item(path string, i int, n ast.Node) string {
	at := index(path, i)
	d.lines[at] = lineOf(n)
	return at
}

// index returns the path of an item of a list.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// decodeInto is decode for a value that is not part of a larger one.
func decodeInto[T any](d *document, target *T, n ast.Node, path string) {
	d.decode(n, reflect.ValueOf(target).Elem(), path)
}

// entries calls f for each entry of the mapping n, and notes repeated keys. A
// key without anything below it, all commented out perhaps, is an empty mapping.
func (d *document) entries(n ast.Node, path string, f func(key, at string, value ast.Node)) {
	if _, ok := n.(*ast.NullNode); ok {
		return
	}
	mapping, ok := n.(*ast.MappingNode)
	if !ok {
		d.errorf(path, "want keys and values")
		return
	}
	for _, entry := range mapping.Values {
		key, ok := scalar(entry.Key)
		if !ok {
			d.problems = append(d.problems, Problem{d.file, lineOf(entry.Key), path, "want a plain key, without anchors, tags or <<"})
			continue
		}
		at := join(path, key)
		if d.given(at) {
			d.problems = append(d.problems, Problem{d.file, lineOf(entry.Key), at,
				"given twice, first on line " + strconv.Itoa(d.lines[at])})
			continue
		}
		d.lines[at] = lineOf(entry.Key)
		f(key, at, entry.Value)
	}
}

func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 1
	}
	return n.GetToken().Position.Line
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_/*-]+$`)

// join returns the path of the keys below path.
func join(path string, keys ...string) string {
	for _, key := range keys {
		if !plainKey.MatchString(key) {
			key = strconv.Quote(key)
		}
		path += "." + key
	}
	return strings.TrimPrefix(path, ".")
}
