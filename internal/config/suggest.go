package config

import (
	"fmt"
	"strings"
)

// unknown returns the end of a message about a word that is not one of the
// known: the one that was probably meant, or all of them.
func unknown(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("%q, did you mean %q?", word, near)
	}
	return fmt.Sprintf("%q, want %s", word, oneOf(known))
}

// oneOf returns "a", "a or b", "a, b or c".
func oneOf(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// nearest returns the known word with the fewest edits from word, or "" if all
// are too far away for a slip of the hand.
func nearest(word string, known []string) string {
	best, fewest := "", max(len(word)/3, 1)+1
	if len(word) > 64 {
		return "" // no known word is that long
	}
	for _, k := range known {
		if n := edits(strings.ToLower(word), k); n < fewest {
			best, fewest = k, n
		}
	}
	return best
}

// edits returns how many insertions, deletions, substitutions and swaps of
// neighbours make b of a (the optimal string alignment distance), in bytes.
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
