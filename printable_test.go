package holdfast

import (
	"strings"
	"testing"
	"unicode"
)

func TestPrintable(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"plain text stays":               {`crm: "100 %" \ für`, `crm: "100 %" \ für`},
		"escape sequences are shown":     {"\x1b]0;pwned\x07\x1b[2J", `\x1b]0;pwned\a\x1b[2J`},
		"so are line ends":               {"a\r\nrestored", `a\r\nrestored`},
		"and 8-bit controls":             {"a\u009bb", `a\u009bb`},
		"and bytes that are no UTF-8":    {"a\x9bb", `a\x9bb`},
		"and text that runs backwards":   {"a\u202eb", `a\u202eb`},
		"what is very long is cut":       {strings.Repeat("a", 5000), strings.Repeat("a", maxPrintable) + "…"},
		"a replacement character stands": {"a\ufffdb", `a\ufffdb`},
	} {
		if got := Printable(tt.text); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	if got, want := PrintableLines("a\tb\r\n\x1bc\n"), "a\tb\n\\x1bc\n"; got != want {
		t.Errorf("lines: got %q, want %q", got, want)
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[2J")
	f.Add("a\xff\u2028")
	f.Fuzz(func(t *testing.T, text string) {
		got := Printable(text)
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Errorf("%q holds %q", got, r)
			}
		}
		if len(got) > maxPrintable+20 {
			t.Errorf("%d bytes", len(got))
		}
		if again := Printable(got); len(got) < maxPrintable && again != got {
			t.Errorf("%q becomes %q", got, again)
		}
	})
}
