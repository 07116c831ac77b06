package postgres

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

var errTruncated = errors.New("ends too early")

// fill waits for input; false if there will be none.
func (a *Archive) fill() bool {
	for len(a.input) == 0 {
		if a.eof || !a.more(struct{}{}) {
			return false
		}
	}
	return true
}

// atEnd reports whether the archive ends here. It waits for the next Write or
// for Check.
func (a *Archive) atEnd() bool { return !a.fill() }

// bytes returns the next n bytes, at most keepString, valid until the next call.
func (a *Archive) bytes(n int) ([]byte, error) {
	if len(a.input) >= n {
		b := a.input[:n]
		a.input = a.input[n:]
		return b, nil
	}
	b := a.scratch[:0]
	for len(b) < n {
		if !a.fill() {
			return nil, errTruncated
		}
		take := min(n-len(b), len(a.input))
		b = append(b, a.input[:take]...)
		a.input = a.input[take:]
	}
	return b, nil
}

func (a *Archive) skip(n int64) error {
	for n > 0 {
		if !a.fill() {
			return errTruncated
		}
		take := min(n, int64(len(a.input)))
		a.input = a.input[take:]
		n -= take
	}
	return nil
}

// int reads an integer: a sign byte, then the value, the least byte first.
func (a *Archive) int() (int64, error) {
	b, err := a.bytes(1 + a.intSize)
	if err != nil {
		return 0, err
	}
	if b[0] > 1 {
		return 0, errors.New("integer without a sign")
	}
	var value uint64
	for i := a.intSize; i > 0; i-- {
		value = value<<8 | uint64(b[i])
	}
	if value > math.MaxInt64 {
		return 0, errors.New("integer too large")
	}
	if b[0] == 1 {
		return -int64(value), nil
	}
	return int64(value), nil
}

func (a *Archive) skipStrings(n int) error {
	for range n {
		if _, _, err := a.stringOrNull(); err != nil {
			return err
		}
	}
	return nil
}

// string returns the string, or its beginning if it is long.
func (a *Archive) string() (string, error) {
	s, _, err := a.stringOrNull()
	return s, err
}

// keepString is how much of a string is kept: more than a version needs.
const keepString = 256

func (a *Archive) stringOrNull() (s string, null bool, err error) {
	n, err := a.int()
	if err != nil {
		return "", false, err
	}
	if n == -1 {
		return "", true, nil
	}
	if n < 0 {
		return "", false, fmt.Errorf("string of %d bytes", n)
	}
	b, err := a.bytes(int(min(n, keepString)))
	if err != nil {
		return "", false, err
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), false, a.skip(max(0, n-keepString))
}
