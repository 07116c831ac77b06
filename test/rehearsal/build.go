package rehearsal

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// build copies what is deployed to a place of its own, so that nothing is left in
// the tree, and builds bin/pusher, bin/holdfast and dist/functions there as `make
// dist` does.
func build(t testing.TB) (place string) {
	t.Helper()
	place = t.TempDir()
	files, err := filepath.Glob("../../*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range append(files, "../../Makefile", "../../go.mod", "../../go.sum") {
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(place, filepath.Base(from)), content, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tree := range []string{"cmd", "functions", "internal", "infra/terraform"} {
		if err := os.CopyFS(filepath.Join(place, tree), os.DirFS(filepath.Join("../..", tree))); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-C", place, "functions", "build", "ARCH=amd64", "VERSION=rehearsal")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make functions build: %v\n%s", err, out)
	}
	return place
}

// zip is where a function's zip lies at the place.
func zip(place, function string) string {
	return filepath.Join(place, "dist", "functions", function+"-amd64.zip")
}
