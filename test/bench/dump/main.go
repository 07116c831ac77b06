// Dump writes a plain SQL dump of about the given size, always the same one:
// INSERT statements with words, numbers, times and hashes, which compress as
// those of a shop do.
//
//	go run ./bench/dump BYTES >dump.sql
package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

func main() {
	size := 0
	if len(os.Args) == 2 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	if size <= 0 {
		fmt.Fprintln(os.Stderr, "usage: dump BYTES")
		os.Exit(2)
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for written, row := 0, 1; written < size; row++ {
		n, err := out.WriteString(insert(random, row))
		if err != nil {
			fmt.Fprintln(os.Stderr, "write dump:", err)
			os.Exit(1)
		}
		written += n
	}
	fmt.Fprintln(out, "-- PostgreSQL database dump complete")
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "write dump:", err)
		os.Exit(1)
	}
}

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func insert(random *rand.Rand, row int) string {
	at := newYear.Add(time.Duration(random.IntN(365*86400)) * time.Second)
	return fmt.Sprintf("INSERT INTO orders VALUES (%d,'%s',%d,'%s',%.2f,'%016x');\n",
		row, words(random), random.IntN(9_000_000), at.Format(time.DateTime), random.Float64()*9999, random.Uint64())
}

func words(random *rand.Rand) string {
	var text []byte
	for i := range 4 + random.IntN(5) {
		if i > 0 {
			text = append(text, ' ')
		}
		for range 3 + random.IntN(7) {
			text = append(text, 'a'+byte(random.IntN(26)))
		}
	}
	return string(text)
}
