package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each command line of the documentation is one that the programs take: they are asked
// for their help with these very words, which runs nothing, and for the choices of the
// flags that have some.
func TestTheCommandLinesAreOnesThatTheProgramsTake(t *testing.T) {
	p := programs{bin: build(t), choices: map[string][]string{}}
	pages := []string{"../README.md", "../SECURITY.md", "../infra/terraform/README.md"}
	for _, pattern := range []string{"../docs/*.md", "*/README.md"} {
		found, err := filepath.Glob(pattern)
		must(t, err)
		pages = append(pages, found...)
	}
	used := map[string]int{}
	for _, page := range pages {
		for _, line := range commandLines(read(t, page)) {
			words, program, err := line.command()
			if program == "" {
				continue
			}
			used[page]++
			if err == nil {
				err = p.take(program, words)
			}
			if err != nil && line.mention && strings.Contains(err.Error(), "flag needs an argument: "+words[len(words)-1]) {
				err = nil
			}
			if err != nil {
				t.Errorf("%s: %s\n\t%v", page, line.text, err)
			}
		}
	}
	for page, least := range map[string]int{
		"../README.md": 15, "../docs/restore.md": 15, "../docs/vaults.md": 8, "../docs/serve.md": 5,
		"django-pythonanywhere/README.md": 20, "laravel/README.md": 20, "postgres-crm/README.md": 20,
	} {
		if used[page] < least {
			t.Errorf("%s: found %d command lines, want %d or more: they are not recognized any more", page, used[page], least)
		}
	}
}

func TestTheWordsOfACommandLine(t *testing.T) {
	for text, want := range map[string]string{
		"holdfast list --json # all":                           "holdfast list --json",
		"$ runuser -u holdfast -- holdfast status":             "holdfast status",
		"sudo -u www-data pusher run":                          "pusher run",
		"A='b c' holdfast restore x --into env:A":              "holdfast restore x --into env:A",
		"/usr/local/bin/pusher run --quiet":                    "pusher run --quiet",
		"30 4 * * * root /usr/local/bin/pusher run":            "pusher run",
		"30 4 * * * /usr/local/bin/pusher run":                 "pusher run",
		"30 4 * * * holdfast holdfast clean":                   "want the whole path: cron looks in /usr/bin and /bin",
		"useradd --system holdfast":                            "",
		"install -m 0755 holdfast /usr/local/bin/":             "",
		"ExecStart=/usr/local/bin/holdfast --config x serve":   "holdfast --config x serve",
		`psql -c "CREATE ROLE x; GRANT y" crm; pusher doctor`:  "pusher doctor",
		"test \"$(date +%u)\" != 7 || /home/acme/bin/pusher x": "pusher x",
	} {
		got := ""
		for _, l := range commandLines("```sh\n" + text + "\n```\n") {
			words, program, err := l.command()
			if program != "" {
				got = strings.Join(append([]string{program}, words...), " ")
			}
			if err != nil {
				got = err.Error()
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// line is one simple command, in words.
type line struct {
	text    string // the whole of the line
	cron    bool   // for cron, which knows few directories
	mention bool   // in the text, where a flag may stand without its value
	words   []string
}

var (
	fence  = regexp.MustCompile("(?ms)^[ \t]*```[a-z]*\n(.*?)^[ \t]*```")
	inline = regexp.MustCompile("`([^`\n]+)`")
	// schedule is what a line for cron begins with.
	schedule = regexp.MustCompile(`^([0-9*/,-]+\s+){5}`)
)

// commandLines returns the simple commands of a page's blocks, and of what stands in
// the text as code.
func commandLines(page string) (all []line) {
	for _, block := range fence.FindAllStringSubmatch(page, -1) {
		text := strings.ReplaceAll(block[1], "\\\n", " ")
		for one := range strings.Lines(text) {
			if !strings.Contains(one, "──") { // a drawing
				all = append(all, simple(one)...)
			}
		}
	}
	for _, code := range inline.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		for _, one := range simple(strings.ReplaceAll(code[1], `\|`, "|")) {
			one.mention = true
			all = append(all, one)
		}
	}
	return all
}

// simple cuts a line of the shell into its simple commands.
func simple(text string) (all []line) {
	text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "$ "))
	rest, cron := text, false
	if begin := schedule.FindString(text); begin != "" {
		rest, cron = text[len(begin):], true
	}
	var words []string
	var word strings.Builder
	quote, begun := rune(0), false
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	cut := func() {
		end()
		all = append(all, line{text: text, cron: cron, words: words})
		words = nil
	}
	for _, r := range rest {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == '#' && !begun:
			cut()
			return all
		case r == ' ' || r == '\t':
			end()
		case strings.ContainsRune("|&;<>(){}", r):
			cut()
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	cut()
	return all
}

var (
	before  = regexp.MustCompile(`^([A-Za-z_][A-Za-z_0-9]*=.*|sudo|runuser|--|export)$`)
	program = regexp.MustCompile(`^(?:ExecStart=)?((?:/[a-z/]+/)?)(pusher|holdfast)$`)
)

// command returns which of our programs the line runs, and with what words; no
// program if it runs none.
func (l line) command() (words []string, name string, err error) {
	words = l.words
	if l.cron && len(words) > 1 && !strings.HasPrefix(words[0], "/") {
		words = words[1:] // the user
	}
	for len(words) > 0 {
		switch found := program.FindStringSubmatch(words[0]); {
		case found != nil && l.cron && found[1] == "":
			return nil, found[2], fmt.Errorf("want the whole path: cron looks in /usr/bin and /bin")
		case found != nil:
			return slices.DeleteFunc(slices.Clone(words[1:]), func(word string) bool { return word == "…" }), found[2], nil
		case words[0] == "-u" && len(words) > 1:
			words = words[2:]
		case before.MatchString(words[0]):
			words = words[1:]
		default:
			return nil, "", nil
		}
	}
	return nil, "", nil
}

// programs are the built ones.
type programs struct {
	bin     string
	choices map[string][]string // of flags, by command and flag
}

func build(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"pusher", "holdfast"} {
		command := exec.Command("go", "build", "-o", filepath.Join(dir, name), "./cmd/"+name)
		command.Dir = ".."
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return dir
}

// take returns an error if the program does not take the words.
func (p programs) take(name string, words []string) error {
	// In front of the words, where no flag takes it for its value.
	help, err := p.ask(name, append([]string{"--help=true"}, words...)...)
	if err != nil {
		return err
	}
	if _, usage, _ := strings.Cut(help, "Usage:\n"); len(words) > 1 && strings.HasSuffix(strings.SplitN(usage, "\n", 2)[0], "[command]") {
		return fmt.Errorf("there is no such command: %s %s", name, strings.Join(words, " "))
	}
	for i, word := range words {
		flag, value, joined := strings.Cut(word, "=")
		if !strings.HasPrefix(flag, "-") {
			continue
		}
		if !joined && i+1 < len(words) {
			value = words[i+1]
		}
		choices, err := p.choose(name, words[:i], flag)
		if err != nil {
			return err
		}
		if len(choices) > 0 && !slices.Contains(choices, value) && strings.ToUpper(value) != value {
			return fmt.Errorf("%s %s: want one of %s", flag, value, strings.Join(choices, ", "))
		}
	}
	return nil
}

// choose returns the choices that the flag has, none where it takes anything.
func (p programs) choose(name string, words []string, flag string) ([]string, error) {
	key := strings.Join(append([]string{name}, append(words, flag)...), " ")
	if known, ok := p.choices[key]; ok {
		return known, nil
	}
	const fixed = ":4\n" // cobra.ShellCompDirectiveNoFileComp
	out, err := p.ask(name, append(append([]string{"__complete"}, words...), flag, "")...)
	var choices []string
	if list, ok := strings.CutSuffix(out, fixed); ok {
		choices = strings.Fields(list)
	}
	p.choices[key] = choices
	return choices, err
}

// ask runs a program where it finds no configuration.
func (p programs) ask(name string, words ...string) (string, error) {
	command := exec.Command(filepath.Join(p.bin, name), words...)
	command.Dir = p.bin
	command.Env = []string{"HOME=" + p.bin, "PATH=" + os.Getenv("PATH"), "HOLDFAST_CONFIG=" + p.bin + "/none", "PUSHER_CONFIG=" + p.bin + "/none"}
	var out, errOut strings.Builder
	command.Stdout, command.Stderr = &out, &errOut
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(errOut.String()))
	}
	return out.String(), nil
}
