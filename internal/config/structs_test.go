package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// structure is a struct of the configuration as its source text has it.
type structure struct {
	name, doc string
	fields    []field
}

type field struct {
	key, typ string // typ as in Go
	meaning  string // without the default
	standard string // the default, where the comment says "Default …."
}

// structures reads the structs with yaml tags of this package, with their comments.
func structures(t *testing.T) map[string]structure {
	t.Helper()
	all := map[string]structure{}
	for _, name := range []string{"pusher.go", "holdfast.go", "s3.go", "b2.go", "sftp.go", "destination.go", "encrypt.go", "placement.go", "adopt.go", "alerts.go", "values.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			decl, ok := decl.(*ast.GenDecl)
			if !ok || decl.Tok != token.TYPE {
				continue
			}
			spec := decl.Specs[0].(*ast.TypeSpec)
			if body, ok := spec.Type.(*ast.StructType); ok {
				s := structure{name: spec.Name.Name, doc: oneLine(decl.Doc.Text())}
				for _, f := range body.Fields.List {
					if f.Tag != nil {
						s.fields = append(s.fields, readField(t, s.name, f))
					}
				}
				all[s.name] = s
			}
		}
	}
	return all
}

var standard = regexp.MustCompile(`\s*Default:? (.+?)\.(?:\s|$)`)

func readField(t *testing.T, of string, f *ast.Field) field {
	t.Helper()
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		t.Fatal(err)
	}
	read := field{key: reflect.StructTag(tag).Get("yaml"), typ: types.ExprString(f.Type), meaning: oneLine(f.Doc.Text())}
	if read.key == "" || read.meaning == "" {
		t.Errorf("%s.%s: has no yaml key or no comment", of, f.Names[0])
	}
	if m := standard.FindStringSubmatch(read.meaning); m != nil {
		read.standard = m[1]
		read.meaning = strings.TrimSpace(strings.Replace(read.meaning, m[0], " ", 1))
	}
	return read
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// element returns the struct a field leads to, with what stands between in a
// path; ok is false for a plain value.
func element(all map[string]structure, typ string) (s structure, between string, ok bool) {
	switch {
	case strings.HasPrefix(typ, "map[string]"):
		typ, between = strings.TrimPrefix(typ, "map[string]"), ".NAME"
	case strings.HasPrefix(typ, "[]"):
		typ, between = strings.TrimPrefix(typ, "[]"), "[]"
	}
	switch typ {
	case "EncryptTo":
		typ = "otherEncryption"
	case "JobVaults":
		typ, between = "VaultTerms", ".NAME"
	}
	s, ok = all[strings.TrimPrefix(typ, "*")]
	return s, between, ok && len(s.fields) > 0
}
