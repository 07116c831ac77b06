package status

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func documentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEachFieldIsDocumented(t *testing.T) {
	text, seen := documentation(t), map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(r reflect.Type) {
		for r.Kind() == reflect.Slice || r.Kind() == reflect.Pointer {
			r = r.Elem()
		}
		if r.Kind() != reflect.Struct || seen[r] || r.PkgPath() == "time" {
			return
		}
		seen[r] = true
		for i := range r.NumField() {
			name, _, _ := strings.Cut(r.Field(i).Tag.Get("json"), ",")
			if name == "host" || name == "job" { // of findings: those of the job
				continue
			}
			if !strings.Contains(text, "`"+name+"`") {
				t.Errorf("docs/status.md lacks `%s` of %s", name, r.Name())
			}
			visit(r.Field(i).Type)
		}
	}
	visit(reflect.TypeFor[Status]())
	if len(seen) < 10 {
		t.Errorf("saw %d types", len(seen))
	}
}

func TestEachMetricIsDocumented(t *testing.T) {
	var b bytes.Buffer
	if err := Metrics(&b, sample()); err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(`holdfast_[a-z_]+`)
	there, described := map[string]bool{}, map[string]bool{}
	for _, name := range pattern.FindAllString(b.String(), -1) {
		there[name] = true
	}
	for _, name := range pattern.FindAllString(documentation(t), -1) {
		described[name] = true
		if !there[name] {
			t.Errorf("docs/status.md has %s, which does not exist", name)
		}
	}
	for name := range there {
		if !described[name] {
			t.Errorf("docs/status.md lacks %s", name)
		}
	}
}
