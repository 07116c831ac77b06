package holdfast_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/holdfast-backup/holdfast"

// siblings says which packages of internal/ a package of internal/ may import,
// beside the root; ARCHITECTURE.md shows the same as a picture. A name ending in
// /* stands for the packages below it. What is not in the table may import none.
var siblings = map[string][]string{
	"adopt/pattern":   {},
	"adopt/survey":    {"adopt/pattern"},
	"alert/conform":   {"alert/sample"},
	"alert/email":     {"alert/fault", "alert/plain", "secret"},
	"alert/fault":     {"secret"},
	"alert/open":      {"alert/email", "alert/shoutrrr", "alert/slack", "alert/webhook", "config", "secret"},
	"alert/plain":     {},
	"alert/sample":    {},
	"alert/shoutrrr":  {"alert/fault", "alert/plain", "secret"},
	"alert/slack":     {"alert/fault", "alert/plain", "secret"},
	"alert/webhook":   {"alert/fault", "secret"},
	"api":             {},
	"awsenv":          {"secret"},
	"broker":          {"api", "catalog", "token"},
	"catalog":         {},
	"cli":             {"token"},
	"client":          {"api", "token"},
	"config":          {"adopt/pattern", "secret", "sshca"},
	"doctor":          {"api", "client", "config", "secret", "source/open", "stream", "token", "vault/direct", "vault/sftp"},
	"fill":            {"catalog", "presigned", "restore", "retention"},
	"function":        {"api", "awsenv", "broker", "cli", "config", "monitor", "retention", "rounds", "secret", "site", "sshca", "token", "vault/open"},
	"heartbeat":       {"secret"},
	"monitor":         {"catalog", "token"},
	"operator":        {"api", "catalog", "client", "restore"},
	"presigned":       {"secret"},
	"proc":            {"secret", "watch"},
	"push":            {"api", "heartbeat", "presigned", "retention", "secret", "stream"},
	"restore":         {"api", "presigned", "proc", "secret", "stream", "token", "watch"},
	"retention":       {"catalog"},
	"rounds":          {"alert", "config", "heartbeat", "monitor", "retention", "status"},
	"server":          {"alert/open", "broker", "config", "monitor", "retention", "rounds", "secret", "site", "status", "token", "vault/open"},
	"site":            {"config", "secret", "sshca", "status", "token", "vault/open"},
	"sshca":           {"secret"},
	"source/command":  {"proc", "secret", "watch"},
	"source/mysql":    {"proc", "secret", "watch"},
	"source/open":     {"config", "secret", "source/*"},
	"source/postgres": {"proc", "secret", "watch"},
	"source/stdin":    {"watch"},
	"status":          {"catalog", "retention"},
	"stream":          {"secret"},
	"testenv/b2":      {"testenv"},
	"token":           {"secret"},
	"vault/b2":        {"secret", "vault/s3"},
	"vault/direct":    {"config", "secret", "vault/disk", "vault/sftp"},
	"vault/adopt":     {"adopt/pattern"},
	"vault/disk":      {"vault/layout"},
	"vault/layout":    {},
	"vault/open":      {"config", "secret", "vault/*"},
	"vault/sftp":      {"secret", "vault/layout"},
}

// notInPusher are packages that the pusher must not link, however indirectly:
// what it does not contain, nobody who takes over a host can turn on.
var notInPusher = []string{
	module + "/internal/broker", module + "/internal/vault",
	module + "/internal/monitor", module + "/internal/restore", module + "/internal/server",
	module + "/internal/alert", module + "/internal/status",
	"github.com/aws/", "github.com/Backblaze/",
}

// inPusher are the exceptions: vaults that hosts reach by themselves, and how those
// lie in a directory, with credentials which whoever takes over a host has anyway,
// with the same programs (sftp, rm) or others. Retention, which the pusher applies to
// a directory of its own host, can do no more there than they.
var inPusher = []string{
	module + "/internal/vault/direct", module + "/internal/vault/disk", module + "/internal/vault/layout", module + "/internal/vault/sftp",
}

// imports returns what each package of the tree imports outside its tests, by
// import path. It reads the source files: go list would be cached.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string]map[string]bool{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); name == "testdata" || file == "test" || file != "." && strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Join(module, filepath.ToSlash(filepath.Dir(file)))
		if found[pkg] == nil {
			found[pkg] = map[string]bool{}
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[pkg][imported] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for pkg, set := range found {
		all[pkg] = slices.Sorted(maps.Keys(set))
	}
	if len(all) < 10 {
		t.Fatalf("found %d packages; the test does not see the tree", len(all))
	}
	return all
}

func TestTheRootImportsTheStandardLibraryAlone(t *testing.T) {
	for _, imported := range imports(t)[module] {
		if strings.Contains(strings.Split(imported, "/")[0], ".") {
			t.Errorf("the root package imports %s", imported)
		}
	}
}

func TestImportsGoDownwardsOnly(t *testing.T) {
	for pkg, imported := range imports(t) {
		from := strings.TrimPrefix(pkg, module+"/")
		for _, to := range imported {
			if !strings.HasPrefix(to, module+"/") {
				continue
			}
			to = strings.TrimPrefix(to, module+"/")
			inner, isInternal := strings.CutPrefix(from, "internal/")
			target, toInternal := strings.CutPrefix(to, "internal/")
			switch {
			case !toInternal:
				t.Errorf("%s imports %s: nothing imports a command", from, to)
			case !isInternal:
				// Commands and functions may wire everything.
			case !allowed(siblings[inner], target):
				t.Errorf("%s imports %s, which the table of siblings does not allow", from, to)
			}
		}
	}
}

func TestTheTableOfSiblingsNamesRealPackages(t *testing.T) {
	all := imports(t)
	for from, list := range siblings {
		if all[module+"/internal/"+from] == nil {
			t.Errorf("siblings: there is no package internal/%s", from)
			continue
		}
		for _, to := range list {
			if !strings.HasSuffix(to, "/*") && !slices.Contains(all[module+"/internal/"+from], module+"/internal/"+to) {
				t.Errorf("siblings: internal/%s does not import %s any more", from, to)
			}
		}
	}
}

func TestThePusherLinksNoPartOfTheServer(t *testing.T) {
	all := imports(t)
	seen := map[string]bool{}
	var visit func(pkg string, via []string)
	visit = func(pkg string, via []string) {
		if seen[pkg] {
			return
		}
		seen[pkg] = true
		for _, bad := range notInPusher {
			if strings.HasPrefix(pkg, bad) && !slices.Contains(inPusher, pkg) {
				t.Errorf("pusher links %s, via %s", pkg, strings.Join(via, " → "))
			}
		}
		for _, imported := range all[pkg] {
			visit(imported, append(slices.Clip(via), pkg))
		}
	}
	visit(module+"/cmd/pusher", nil)
	if len(seen) < 20 {
		t.Fatalf("saw %d packages; the test does not follow the imports", len(seen))
	}
}

func allowed(list []string, target string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		below, isTree := strings.CutSuffix(entry, "*")
		return entry == target || isTree && strings.HasPrefix(target, below)
	})
}
