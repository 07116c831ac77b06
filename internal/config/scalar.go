package config

import (
	"encoding"
	"reflect"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

func (d *document) decodeText(n ast.Node, target encoding.TextUnmarshaler, path string) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	if err := target.UnmarshalText([]byte(text)); err != nil {
		d.errorf(path, "%v", err)
	}
}

func (d *document) decodeScalar(n ast.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		if text, ok := d.text(n, path); ok {
			v.SetString(text)
		}
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.errorf(path, "want true or false")
			return
		}
		v.SetBool(b.Value)
	case reflect.Int:
		i, ok := integer(n)
		if !ok {
			d.errorf(path, "want a whole number")
			return
		}
		v.SetInt(int64(i))
	case reflect.Float64:
		if i, ok := integer(n); ok {
			v.SetFloat(float64(i))
			return
		}
		f, ok := n.(*ast.FloatNode)
		if !ok {
			d.errorf(path, "want a number")
			return
		}
		v.SetFloat(f.Value)
	default:
		panic("config: no decoding for " + v.Type().String()) // a mistake in the structs; the tests decode every field
	}
}

// text returns the text of a scalar, or notes that n is none.
func (d *document) text(n ast.Node, path string) (string, bool) {
	if _, ok := n.(*ast.NullNode); ok {
		d.errorf(path, "has no value")
		return "", false
	}
	text, ok := scalar(n)
	if !ok {
		d.errorf(path, "want a single plain value")
	}
	return text, ok
}

// scalar returns the text of a scalar as the file has it, so that `host: 007` is
// the name 007.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func integer(n ast.Node) (int, bool) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		return 0, false
	}
	value, err := strconv.Atoi(i.Token.Value) // decimal only: 0o17 and 1_000 are no numbers people mean
	return value, err == nil
}
