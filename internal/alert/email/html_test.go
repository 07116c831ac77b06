package email

import (
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
)

// page is HTML taken apart.
type page struct {
	text  string // all of it, entities decoded, but for the style sheet
	style string
	links []string
}

// elements are the only ones that a mail may consist of, with their attributes.
var elements = map[string][]string{
	"html": {"lang"}, "head": nil, "title": nil, "style": nil, "meta": {"charset", "name", "content"},
	"body": {"class", "style"}, "table": {"role", "class", "width", "cellpadding", "cellspacing", "border", "style"},
	"tr": {"valign"}, "th": {"class", "scope", "align", "style"}, "td": {"class", "align", "style", "bgcolor"},
	"div": nil, "span": {"class", "style"}, "p": {"class", "style"}, "b": nil, "h1": {"style"}, "h2": {"style"},
	"ul": {"style"}, "li": {"style"}, "code": {"class", "style"}, "a": {"href", "style"},
}

// readPage parses HTML, in which every element but meta is closed where it should be.
func readPage(t *testing.T, html string) page {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(html))
	d.Strict, d.Entity = false, xml.HTMLEntity
	var p page
	var open []string
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, html)
		}
		switch token := token.(type) {
		case xml.StartElement:
			p.start(t, token)
			if token.Name.Local != "meta" {
				open = append(open, token.Name.Local)
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != token.Name.Local {
				t.Fatalf("</%s> closes %v", token.Name.Local, open)
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if slices.Contains(open, "style") {
				p.style += string(token)
			} else {
				p.text += string(token)
			}
		case xml.Directive:
			if string(token) != "doctype html" {
				t.Errorf("has <!%s>", token)
			}
		default:
			t.Errorf("has %#v", token)
		}
	}
	if len(open) > 0 {
		t.Errorf("%v stay open", open)
	}
	return p
}

func (p *page) start(t *testing.T, e xml.StartElement) {
	t.Helper()
	attributes, ok := elements[e.Name.Local]
	if !ok {
		t.Errorf("has <%s>", e.Name.Local)
	}
	for _, a := range e.Attr {
		if !slices.Contains(attributes, a.Name.Local) || a.Name.Space != "" {
			t.Errorf("<%s> has %s=%q", e.Name.Local, a.Name.Local, a.Value)
		}
		switch {
		case a.Name.Local == "href":
			p.links = append(p.links, a.Value)
		case strings.Contains(strings.ToLower(a.Value), "url(") || strings.Contains(a.Value, "//"):
			t.Errorf("<%s> loads %s=%q", e.Name.Local, a.Name.Local, a.Value)
		}
		// What html/template does not trust in a style it replaces by this.
		if strings.Contains(a.Value, "ZgotmplZ") {
			t.Errorf("<%s> has %s=%q", e.Name.Local, a.Name.Local, a.Value)
		}
	}
}

func TestHTMLLoadsNothingAndSaysEverything(t *testing.T) {
	c := newChannel(t)
	messages := append(told(c), sample.Hostile(now)...)
	if len(messages) < 15 {
		t.Fatalf("got %d messages", len(messages))
	}
	for _, m := range messages {
		t.Run(m.ID, func(t *testing.T) {
			html, err := render(m, c.location, []refusal{{"bob@example.com", `550 <no> & "no"`}})
			if err != nil {
				t.Fatal(err)
			}
			p := readPage(t, html)
			if want := []string{link}; !slices.Equal(p.links, want) {
				t.Errorf("links to %q, want %q", p.links, want)
			}
			if strings.Contains(p.style, "url") || strings.Contains(p.style, "@import") || !strings.Contains(p.style, "prefers-color-scheme: dark") {
				t.Errorf("has the style %s", p.style)
			}
			for _, want := range wanted(m, c) {
				if !strings.Contains(p.text, want) {
					t.Errorf("does not say %q", want)
				}
			}
		})
	}
}

// wanted are all texts that the page of m has to show, as they are.
func wanted(m holdfast.Message, c *channel) []string {
	all := []string{plain.MoreNote(m), plain.ThreadNote(m, c.location), `bob@example.com (550 <no> & "no")`, subject(m)}
	items := m.Items
	if m.Overview != nil {
		items = slices.Concat(items, m.Overview.Open)
		for _, f := range plain.OverviewFacts(m, c.location) {
			all = append(all, f.Name, f.Value)
		}
	}
	if len(m.Items)+m.More > 1 {
		all = append(all, plain.Tally(m))
	}
	if m.Sample {
		all = append(all, plain.SampleNote)
	}
	for i, item := range items {
		all = append(all, plain.Label(item), plain.Headline(item))
		if i >= maxCards {
			continue
		}
		for _, f := range plain.Facts(m, item, c.location) {
			all = append(all, f.Name, f.Value)
		}
	}
	still, _ := plain.Still(m, plain.MaxStill)
	for _, item := range still {
		all = append(all, plain.Brief(item))
	}
	return all
}

func TestALinkThatIsNoneIsLeftOut(t *testing.T) {
	for _, bad := range []string{"", "javascript:alert(1)", "data:text/html,x", `https://a.example.com/"onclick="x`} {
		m := sample.Messages(now)[0]
		m.Link = bad
		html, err := render(m, now.Location(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if p := readPage(t, html); len(p.links) > 0 {
			t.Errorf("%q: links to %q", bad, p.links)
		}
	}
}

func TestALinkStaysAsItIs(t *testing.T) {
	m := sample.Messages(now)[0]
	m.Link = "https://s3.eu-west-3.amazonaws.com/acme/state/status.html?X-Amz-Credential=AKIA%2F20251028%2Feu-west-3&X-Amz-Signature=00ff~a'b(c)*d+e%20f"
	html, err := render(m, now.Location(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := readPage(t, html)
	if len(p.links) != 1 {
		t.Fatalf("links to %q", p.links)
	}
	// Characters that a signature takes as the same with and without it may be escaped.
	if got := strings.NewReplacer("%27", "'", "%28", "(", "%29", ")").Replace(p.links[0]); got != m.Link {
		t.Errorf("got  %q\nwant %q", got, m.Link)
	}
}
