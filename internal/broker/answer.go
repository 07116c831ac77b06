package broker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-backup/holdfast/internal/api"
)

const (
	// answerTime is how long the caller may take to accept answerChunk bytes of
	// an answer. A connection that nobody reads from would be held for ever.
	answerTime  = 30 * time.Second
	answerChunk = 64 << 10
)

// prolong gives the caller answerTime from now on. Not every server lets a
// deadline be set; those that don't have their own.
func prolong(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
}

// send answers with body.
func send(w http.ResponseWriter, status int, mediaType string, body []byte) {
	w.Header().Set("Content-Type", mediaType)
	prolong(w)
	w.WriteHeader(status)
	for chunk := range slices.Chunk(body, answerChunk) {
		prolong(w)
		if _, err := w.Write(chunk); err != nil {
			return // the client is gone; it will ask again
		}
	}
	prolong(w) // what is left is sent once the handler has returned
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	send(w, status, "application/json", append(body, '\n'))
	return nil
}

// writeEmpty answers with a status and the headers alone.
func writeEmpty(w http.ResponseWriter, status int) {
	prolong(w)
	w.WriteHeader(status)
}

// writeProblem answers with p; after, where it is not 0, is when to try again.
func writeProblem(w http.ResponseWriter, p api.Problem, after time.Duration) {
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
	send(w, p.Status, api.ProblemType, append(api.MarshalProblem(p), '\n'))
}
