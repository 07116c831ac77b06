package config

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/configuration.md and the JSON Schemas anew")

// checkGenerated fails unless the file holds text; with -update it writes it.
func checkGenerated(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(got)); diff != "" {
		t.Errorf("%s is stale, go test ./internal/config -update writes it: want - got +\n%s", path, diff)
	}
}

const referenceIntro = `# Configuration

<!-- Written by: go test ./internal/config -update -->

Two files: ` + "`pusher.yaml`" + ` on each host that is backed up, ` + "`holdfast.yaml`" + ` for ` + "`holdfast serve`" + ` and the
operator's commands. ` + "`pusher init` and `holdfast init`" + ` write one to begin with. With every setting, explained:
[pusher.example.yaml](../internal/config/pusher.example.yaml),
[holdfast.example.yaml](../internal/config/holdfast.example.yaml). For editors:
[pusher.schema.json](pusher.schema.json), [holdfast.schema.json](holdfast.schema.json); a first line such as
` + "`# yaml-language-server: $schema=…/pusher.schema.json`" + ` makes an editor use it.

Both are strict. An unknown or repeated key, and a value that makes no sense, are errors with file and line, all of
them at once. Each file is one YAML document without anchors, aliases and tags.

How values are written:

| value | looks like |
|---|---|
| length of time | a whole number and ` + "`s`, `m`, `h`, `d`, `w`, `mo` or `y`: `90s`, `15m`, `26h`, `16d`, `8w`, `4mo`, `2y`" + ` |
| size | a number and ` + "`B`, `kB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`, `GiB`, `TiB` (of 1024): `500kB`, `5GiB`" + ` |
| secret | where it is, never itself: ` + "`env:NAME`" + `, a variable of the environment, or ` + "`file:PATH`" + `, a file that only its owner can read (mode 0600); in ` + "`holdfast.yaml`" + ` also ` + "`ssm:/NAME`" + `, a SecureString of AWS's parameter store |
| name | of a host, job, stream, vault or operator: ` + "`a-z`, `0-9` and `-`" + `, at most 63, not beginning with ` + "`-`" + ` |
| path | absolute; those of keys, certificates and secrets may also be relative to the directory of the file they stand in |

`

func TestReferenceIsUpToDate(t *testing.T) {
	all := structures(t)
	var b strings.Builder
	b.WriteString(referenceIntro)
	for _, root := range []struct{ file, structure string }{{"pusher.yaml", "Pusher"}, {"holdfast.yaml", "Holdfast"}} {
		fmt.Fprintf(&b, "## %s\n\n", root.file)
		writeTable(&b, all[root.structure])
		writeSections(&b, all, all[root.structure], "", map[string]string{})
	}
	checkGenerated(t, "../../docs/configuration.md", strings.TrimRight(b.String(), "\n")+"\n")
}

// writeSections writes a section for each struct that s leads to; written has
// the paths of those that are there already.
func writeSections(b *strings.Builder, all map[string]structure, s structure, path string, written map[string]string) {
	for _, f := range s.fields {
		below, between, ok := element(all, f.typ)
		if !ok {
			continue
		}
		at := strings.TrimPrefix(path+"."+f.key+between, ".")
		fmt.Fprintf(b, "### `%s`\n\n", at)
		if before, twice := written[below.name]; twice {
			fmt.Fprintf(b, "%s It takes what `%s` takes.\n\n", f.meaning, before)
			continue
		}
		written[below.name] = at
		fmt.Fprintf(b, "%s\n\n", about(below))
		writeTable(b, below)
		writeSections(b, all, below, at, written)
	}
}

// about returns the comment of the struct without its name in Go.
func about(s structure) string {
	_, doc, _ := strings.Cut(s.doc, " ")
	doc = strings.TrimPrefix(strings.TrimPrefix(doc, "is "), "are ")
	return strings.ToUpper(doc[:1]) + doc[1:]
}

func writeTable(b *strings.Builder, s structure) {
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
	cell := strings.NewReplacer("|", `\|`, "<", "&lt;")
	for _, f := range s.fields {
		standard := cell.Replace(f.standard)
		if slices.Contains(needed[s.name], f.key) {
			standard = "*needed*"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.key, valueWord(f.typ), standard, cell.Replace(f.meaning))
	}
	b.WriteString("\n")
}

// valueWord says in words what a Go type looks like in YAML.
func valueWord(typ string) string {
	switch {
	case strings.HasPrefix(typ, "map[string]"):
		return "by name: " + valueWord(typ[len("map[string]"):])
	case strings.HasPrefix(typ, "[]"):
		return "list: " + valueWord(typ[2:])
	}
	words := map[string]string{
		"string": "text", "bool": "true or false", "int": "whole number", "float64": "number",
		"holdfast.Size": "size", "holdfast.Span": "length of time", "holdfast.Scope": "word", "secret.Ref": "secret",
		"DSN": "secret or URL", "EncryptTo": "`none`, list: text, or keys", "Paths": "text, or list: text",
		"JobVaults": "name, list: name, or by name: keys", "KeepValue": "whole number or length of time",
		"Commands": "list: text, or list of words", "Heartbeat": "text, or keys",
		"holdfast.Event": "word", "holdfast.Severity": "word", "Weekly": "weekday and time", "Remind": "length of time",
		"JobAlert": "list: name, or by name: list: word",
	}
	if word, ok := words[strings.TrimPrefix(typ, "*")]; ok {
		return word
	}
	return "keys"
}
