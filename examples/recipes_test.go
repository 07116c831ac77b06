// Package examples_test holds the recipes against the programs: what they configure,
// what they link to. test/recipe_*_test.go runs them.
package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/config"
)

func TestTheFilesOfTheRecipesAreSound(t *testing.T) {
	recipes, err := filepath.Glob("*/README.md")
	must(t, err)
	if len(recipes) != 3 {
		t.Fatalf("got %d recipes: %v", len(recipes), recipes)
	}
	for _, page := range recipes {
		dir := filepath.Dir(page)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text := read(t, page)
			for _, heading := range []string{"## The first ten minutes", "## Every night", "## Everything back", "## One thing back", " is gone\n", "## What replaces what", "## The old backups meanwhile"} {
				if !strings.Contains(text, heading) {
					t.Errorf("README.md says nothing of %q", heading)
				}
			}
			soundConfigs(t, dir)
			soundOldBackups(t, dir, text)
			soundLinks(t, dir, text)
		})
	}
}

// soundConfigs parses the files as the programs do.
func soundConfigs(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	must(t, err)
	if len(files) < 2 {
		t.Errorf("got the files %v, want pusher.yaml and holdfast.yaml", files)
	}
	for _, path := range files {
		text := []byte(read(t, path))
		if strings.HasPrefix(filepath.Base(path), "pusher.") {
			_, err = config.ParsePusher(path, text)
		} else {
			_, err = config.ParseHoldfast(path, text)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

var belowVaults = regexp.MustCompile("(?s)```yaml\n# below vaults:\n(.*?)# below jobs:\n(.*?)```")

// soundOldBackups puts the lines that the page has for the backups there are already
// into holdfast.yaml and parses that.
func soundOldBackups(t *testing.T, dir, page string) {
	t.Helper()
	path := filepath.Join(dir, "holdfast.yaml")
	text, lines := read(t, path), belowVaults.FindStringSubmatch(page)
	if lines == nil {
		t.Fatal("README.md has no lines for the old backups")
	}
	text = strings.Replace(text, "\nvaults:\n", "\nvaults:\n"+lines[1], 1)
	text = strings.Replace(text, "\njobs:\n", "\njobs:\n"+lines[2], 1)
	c, err := config.ParseHoldfast(path, []byte(text))
	if err != nil {
		t.Errorf("with the lines for the old backups: %v", err)
		return
	}
	if n := len(c.Vaults["old"].Adopt); n == 0 {
		t.Error("the lines for the old backups adopt nothing")
	}
}

// What docs/restore.md has somebody write where nothing but the vault is left is read
// as a configuration, with each kind of vault.
func TestTheConfigurationsOfTheBadDayAreSound(t *testing.T) {
	_, text, _ := strings.Cut(read(t, "../docs/restore.md"), "## The broker is gone")
	found := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(text)
	if found == nil {
		t.Fatal("docs/restore.md has no configuration")
	}
	hosts, vaults := "", []string{}
	for line := range strings.Lines(found[1]) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "# ")
		switch {
		case strings.HasPrefix(line, "hosts:"):
			hosts = strings.Replace(line, "ed25519:…", "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", 1)
		case strings.HasPrefix(line, "vaults:"):
			vaults = append(vaults, strings.Replace(line, "SHA256:…", "SHA256:uNiVztksCsDhcc0u9e8BrsKW7dHFCw2ouqOPdByzO+E", 1))
		}
	}
	if len(vaults) != 4 {
		t.Errorf("got %d kinds of vault, want disk, s3, b2 and sftp", len(vaults))
	}
	for _, vault := range vaults {
		if _, err := config.ParseHoldfast("holdfast.yaml", []byte(vault+"\n"+hosts+"\n")); err != nil {
			t.Errorf("%s: %v", vault, err)
		}
	}
}

func TestTheLinksOfThePagesLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	must(t, err)
	for _, page := range append(pages, "../README.md", "../SECURITY.md", "../CONTRIBUTING.md", "../ARCHITECTURE.md") {
		soundLinks(t, filepath.Dir(page), read(t, page))
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	// notInAnchors is what a heading's anchor leaves out.
	notInAnchors = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// soundLinks looks whether what the page links to is there.
func soundLinks(t *testing.T, dir, page string) {
	t.Helper()
	for _, found := range link.FindAllStringSubmatch(page, -1) {
		text := page
		if found[1] != "" {
			path := filepath.Join(dir, found[1])
			info, err := os.Stat(path)
			if err != nil {
				t.Error(err)
				continue
			}
			if info.IsDir() {
				continue
			}
			text = read(t, path)
		}
		if found[2] != "" && !slices.Contains(anchors(text), found[2][1:]) {
			t.Errorf("%s has no heading %s", found[1], found[2])
		}
	}
}

// anchors returns what the headings of a page are linked to by.
func anchors(page string) (all []string) {
	for _, found := range heading.FindAllStringSubmatch(page, -1) {
		all = append(all, strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-"))
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
