package layout

import (
	"strings"
	"testing"
)

func TestTheLongestNameThatCanBeMarked(t *testing.T) {
	if mark := BegunMark(strings.Repeat("n", MaxMarkedName)); MaxMarkedName != 248 || len(mark) != MaxName || len(DoneMark("n")) > len(BegunMark("n")) {
		t.Errorf("the mark of the longest name, %d bytes, has %d, want 248 and %d", MaxMarkedName, len(mark), MaxName)
	}
}
