package shoutrrr_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/conform"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
	"github.com/holdfast-backup/holdfast/internal/alert/shoutrrr"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func name(m holdfast.Message) string {
	return regexp.MustCompile(`^sample-|-\d{8}t\d{6}z$`).ReplaceAllString(m.ID, "")
}

func host(f *far) string { return strings.TrimPrefix(f.URL, "http://") }

func open(t *testing.T, address string) *shoutrrr.Channel {
	t.Helper()
	c, err := shoutrrr.New(shoutrrr.Options{URL: secret.New(address)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ntfy(f *far) string {
	return "ntfy://someone:passw0rd@" + host(f) + "/secretTopic42?scheme=http"
}
func generic(f *far) string {
	return "generic://" + host(f) + path + "?disabletls=yes&key=" + value
}

func TestPromises(t *testing.T) {
	for name, address := range map[string]func(*far) string{"generic": generic, "ntfy": ntfy} {
		t.Run(name, func(t *testing.T) {
			f := newFar(t)
			env := &conform.Env{
				Channel: open(t, address(f)), Far: f, Now: now,
				Secrets: []string{address(f), host(f), path, "secretTopic42", value, "passw0rd", "someone"},
			}
			results, skipped := conform.Run(t.Context(), env), 0
			for _, r := range results {
				switch {
				case r.Skipped():
					skipped++
				case r.Err != nil:
					t.Errorf("%s: %v", r.Name, r.Err)
				}
			}
			if len(results) != len(conform.Checks()) || skipped != 1 {
				t.Errorf("got %d results of %d checks, %d of them skipped, want 1: busy", len(results), len(conform.Checks()), skipped)
			}
		})
	}
}

func TestEverySampleThroughNtfy(t *testing.T) {
	for _, m := range append(sample.Messages(now), sample.Hostile(now)...) {
		t.Run(name(m), func(t *testing.T) {
			f := newFar(t)
			if posted, err := open(t, ntfy(f)).Send(t.Context(), m); err != nil || posted != "" {
				t.Fatalf("got %q, %v", posted, err)
			}
			got := f.taken()
			if len(got) != 1 || got[0].Path != "/secretTopic42" || len(got[0].Body) > 3000 {
				t.Fatalf("the far side took %d requests: %.200v", len(got), got)
			}
			golden(t, name(m)+".txt", "Title: "+got[0].Title+"\n\n"+got[0].Body)
		})
	}
}

func TestAServiceWithoutATitleBeginsWithIt(t *testing.T) {
	f := newFar(t)
	m := sample.Messages(now)[0]
	if _, err := open(t, generic(f)).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := f.taken()[0].Body; !strings.HasPrefix(got, plain.Subject(m)+"\n\n") {
		t.Errorf("got %q", got)
	}
}

func TestNobodyIsCalledByAForeignText(t *testing.T) {
	f := newFar(t)
	m := sample.Messages(now)[0]
	m.Link = "https://backup.example.com/@all?to=@ops"
	f0 := &m.Items[0].Finding
	f0.Summary = "@everyone @Here @channel @Channel @ALL @room [the page](https://evil.example.com) <!channel> <https://evil.example.com|page>"
	f0.Actual = "@*role:everyone* @**all** @_**someone** @ΑΝΝΑ www.evil.example.com"
	if _, err := open(t, ntfy(f)).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := f.taken()[0]
	text, linked := strings.CutSuffix(got.Title+got.Body, m.Link+"\n")
	if !linked {
		t.Errorf("the link is not as it was: %q", got.Body)
	}
	if live := regexp.MustCompile(`@[^ ]`).FindString(text); live != "" {
		t.Errorf("%q is in %q", live, text)
	}
	for _, live := range []string{"](", "<", ">", "://", "www."} {
		if strings.Contains(text, live) {
			t.Errorf("%q is in %q", live, text)
		}
	}
	for _, readable := range []string{"@ everyone @ Here", "@ *role:everyone*", "https[:]//evil[.]example[.]com"} {
		if !strings.Contains(text, readable) {
			t.Errorf("%q is not in %q", readable, text)
		}
	}
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	for name, c := range map[string]struct{ address, want string }{
		"nothing":             {"", "open shoutrrr: the URL names no service that it knows; want one such as ntfy://ntfy.sh/topic"},
		"no URL":              {"ntfy//[secretTopic42", "open shoutrrr: the URL names no service that it knows; want one such as ntfy://ntfy.sh/topic"},
		"an unreadable URL":   {"ntfy://%zz/secretTopic42", "open shoutrrr: its URL can't be read"},
		"an unknown service":  {"carrierpigeon://secretTopic42", "open shoutrrr: the URL names no service that it knows; want one such as ntfy://ntfy.sh/topic"},
		"one that tells none": {"logger://", "open shoutrrr: its service logger tells nobody"},
	} {
		if _, err := shoutrrr.New(shoutrrr.Options{URL: secret.New(c.address)}); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	for _, address := range []string{
		"telegram://secretTopic42", "discord://secretTopic42", "slack://secretTopic42@x", "pushover://secretTopic42",
		"ntfy://ntfy.sh/secretTopic42?nosuchkey=secretTopic42",
	} {
		_, err := shoutrrr.New(shoutrrr.Options{URL: secret.New(address)})
		if err == nil || strings.Contains(err.Error(), "secretTopic42") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	f := newFar(t)
	c := open(t, ntfy(f))
	f.Close()
	_, err := c.Send(t.Context(), sample.Messages(now)[0])
	if err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "secretTopic42") {
		t.Errorf("got %v", err)
	}
}

// TestTitledServicesHaveATitle holds the table of this package against the
// configurations of shoutrrr.
func TestTitledServicesHaveATitle(t *testing.T) {
	var services router.ServiceRouter
	names := services.ListServices()
	if len(names) < 20 {
		t.Fatalf("got %d services", len(names))
	}
	// They have a title, and yet: generic sends it in JSON only, ifttt as a value
	// that has to be chosen, zulip as a topic of at most 60 characters; smtp's is
	// the subject, which it always has.
	aside := []string{"generic", "ifttt", "zulip", "smtp"}
	for _, scheme := range names {
		service, err := services.NewService(scheme)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(aside, scheme) {
			continue
		}
		if got, want := shoutrrr.Titled(scheme), hasTitle(service); got != want {
			t.Errorf("%s: a title is sent: %v; it takes one: %v", scheme, got, want)
		}
	}
}

func hasTitle(service any) bool {
	typ := reflect.TypeOf(service).Elem()
	for i := range typ.NumField() {
		if !strings.EqualFold(typ.Field(i).Name, "config") {
			continue
		}
		config := typ.Field(i).Type
		if config.Kind() == reflect.Pointer {
			config = config.Elem()
		}
		for j := range config.NumField() {
			if slices.Contains(strings.Split(config.Field(j).Tag.Get("key"), ","), "title") {
				return true
			}
		}
	}
	return false
}
