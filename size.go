package holdfast

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. In configuration it reads "500", "10MB", "5GiB":
// decimal units are powers of 1000, those with an i powers of 1024.
type Size int64

var sizeUnits = []struct {
	name   string
	factor float64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// ParseSize returns the size s names.
func ParseSize(s string) (Size, error) {
	bad := fmt.Errorf("size %q: want a number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB", s)
	number, factor := strings.TrimSpace(s), 1.0
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	if strings.Trim(number, "0123456789.") != "" {
		return 0, bad
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n*factor >= math.MaxInt64 {
		return 0, bad
	}
	return Size(math.Round(n * factor)), nil
}

// String returns s with a decimal unit and at most one decimal, e.g. "1.5MB".
func (s Size) String() string {
	abs, sign := float64(s), ""
	if s < 0 {
		abs, sign = -abs, "-"
	}
	for _, u := range []struct {
		name   string
		factor float64
	}{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		// What the next smaller unit would round to 1000 of belongs here: 999,999
		// bytes read 1MB and not 1000kB.
		if math.Round(abs/u.factor*1e4) >= 1e4 {
			return sign + strconv.FormatFloat(math.Round(abs/u.factor*10)/10, 'f', -1, 64) + u.name
		}
	}
	return sign + strconv.FormatFloat(abs, 'f', 0, 64) + "B"
}

// UnmarshalText implements encoding.TextUnmarshaler, for configuration.
func (s *Size) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSize(string(text))
	return err
}

// MarshalText writes the exact number of bytes, so that nothing is rounded away.
func (s Size) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatInt(int64(s), 10) + "B"), nil
}
