package page_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/holdfast-backup/holdfast/internal/status"
)

// images is where the pictures lie that the documentation shows.
const images = "../../docs/images"

// maxImage is the most a picture may take.
const maxImage = 250_000

func TestPictures(t *testing.T) {
	for _, c := range []struct {
		file string
		s    status.Status
		v    view
		open string // the job that is open
	}{
		{"status-3-jobs.png", threeJobs(), view{width: 1280, height: 1460}, "main/web1/crm"},
		{"status-200-jobs.png", manyJobs(200), view{width: 1280, height: 1000}, ""},
		{"status-bad-day.png", badDay(), view{width: 1280, height: 1500}, "main/db1/orders"},
		{"status-dark.png", threeJobs(), view{width: 1280, height: 1460, dark: true}, "main/web1/crm"},
		{"status-phone.png", badDay(), view{width: 360, height: 1400}, "main/db1/orders"},
	} {
		t.Run(c.file, func(t *testing.T) {
			p := open(t, asFile(t, c.s), c.v)
			if c.open != "" {
				p.show(c.open)
			}
			p.wait(`document.querySelector(".spark canvas, .chart canvas") !== null`)
			p.settle()
			picture := run(p, chromedp.CaptureScreenshot())
			if len(picture) < 10_000 || len(picture) > maxImage {
				t.Errorf("the picture has %d bytes, want 10,000 to %d", len(picture), maxImage)
			}
			if *update {
				if err := os.WriteFile(filepath.Join(images, c.file), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := os.Stat(filepath.Join(images, c.file)); err != nil {
				t.Error(err)
			}
		})
	}
}

// show opens a job and waits for its charts.
func (p *tab) show(id string) {
	p.t.Helper()
	eval[bool](p, `document.getElementById("`+id+`").open = true`)
	p.wait(`document.getElementById("` + id + `").querySelector(".chart canvas, .cal .days") !== null`)
}

// settle waits until the page has been drawn twice.
func (p *tab) settle() {
	p.t.Helper()
	eval[bool](p, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
}
