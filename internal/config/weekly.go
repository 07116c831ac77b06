package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Weekly is a time of each week; the zero Weekly is never. In YAML it is the
// weekday and the time of day, such as "monday 08:00".
type Weekly struct {
	On     bool
	Day    time.Weekday
	Hour   int
	Minute int
}

// Before returns the last such time that is not after now, in the time zone of
// now. A time that a change of clocks skips is as time.Date has it.
func (w Weekly) Before(now time.Time) time.Time {
	back := (int(now.Weekday()) - int(w.Day) + 7) % 7
	at := time.Date(now.Year(), now.Month(), now.Day()-back, w.Hour, w.Minute, 0, 0, now.Location())
	if at.After(now) {
		at = time.Date(now.Year(), now.Month(), now.Day()-back-7, w.Hour, w.Minute, 0, 0, now.Location())
	}
	return at
}

var timeOfDay = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])$`)

func (w *Weekly) decodeNode(d *document, n ast.Node, path string) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	day, clock, _ := strings.Cut(strings.ToLower(text), " ")
	at := timeOfDay.FindStringSubmatch(clock)
	for weekday := time.Sunday; weekday <= time.Saturday; weekday++ {
		if at != nil && day == strings.ToLower(weekday.String()) {
			w.On, w.Day = true, weekday
			w.Hour, _ = strconv.Atoi(at[1])
			w.Minute, _ = strconv.Atoi(at[2])
			return
		}
	}
	d.errorf(path, "%q: want a weekday and a time of day, such as monday 08:00", text)
}

// Price is what a gigabyte (10⁹ bytes) costs in a month; the zero Price is not known.
type Price struct {
	Amount   float64
	Currency string // of three letters
}

var price = regexp.MustCompile(`^([0-9]{1,6}(?:\.[0-9]{1,6})?) ([A-Z]{3})$`)

// ParsePrice reads "0.023 USD"; "" is the zero Price.
func ParsePrice(text string) (Price, error) {
	if text == "" {
		return Price{}, nil
	}
	parts := price.FindStringSubmatch(text)
	if parts == nil {
		return Price{}, fmt.Errorf("%q: want a price and a currency, such as 0.023 USD", text)
	}
	amount, err := strconv.ParseFloat(parts[1], 64)
	return Price{amount, parts[2]}, err
}
