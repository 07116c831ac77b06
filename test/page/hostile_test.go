package page_test

import (
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/status"
)

// hostile is a page whose texts a host has written.
func hostile() status.Status {
	const evil = `</script><script>window.ran=1</script><img src=x onerror="window.ran=1">` + "'\"><svg onload=window.ran=1>\u202e{{.}}"
	s := badDay()
	v := &s.Vaults[0]
	v.Name, v.Unwatched = evil, []string{evil}
	v.Channels[0].Err = evil
	for i := range v.Jobs {
		j := &v.Jobs[i]
		j.Keep, j.Failures = evil, []status.Failure{{At: noon, Reason: evil}}
		j.Findings = append(j.Findings, holdfast.Finding{
			Check: evil, Severity: holdfast.Severity(evil), Summary: evil, Expected: evil, Actual: evil, Hint: evil, Backup: evil})
		if len(j.Backups) > 0 {
			j.Backups[len(j.Backups)-1].Kept = []string{evil}
		}
	}
	v.Jobs[0].Host, v.Jobs[0].Job = evil, evil
	return s
}

func TestHostileTextsDoNotRun(t *testing.T) {
	p := open(t, asSite(t, hostile()), view{})
	eval[bool](p, `document.querySelectorAll(".job").forEach(j => j.open = true) === undefined`)
	p.wait(`[...document.querySelectorAll(".cal")].every(c => c.querySelector(".days"))`)
	choose(p, "q", "onerror")
	choose(p, "sort", "name")
	p.settle()
	if eval[bool](p, `window.ran !== undefined || document.images.length > 0 || document.scripts.length !== 2`) {
		t.Error("a text was taken for markup")
	}
	if got := visible(p); strings.Count(got, "main") != 0 || got == "" {
		t.Errorf("searched: %.80q", got)
	}
	p.quiet()
}
