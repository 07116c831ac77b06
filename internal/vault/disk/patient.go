package disk

import (
	"io"
	"net/http"
	"time"
)

const (
	// stall is how long a download may take for the next stallBytes: one whose
	// reader has gone away would hold its connection for ever.
	stall      = time.Minute
	stallBytes = 256 << 10
)

// patientWriter gives a download time as long as it makes headway, however long
// it takes as a whole.
type patientWriter struct{ http.ResponseWriter }

func patient(w http.ResponseWriter) http.ResponseWriter { return patientWriter{w} }

// Unwrap is for http.ResponseController.
func (p patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// prolong counts from now on. Not every server lets a deadline be set.
func (p patientWriter) prolong() {
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(stall))
}

// Write implements io.Writer. What it is given is a buffer of io.Copy's.
func (p patientWriter) Write(b []byte) (int, error) {
	p.prolong()
	return p.ResponseWriter.Write(b)
}

// ReadFrom implements io.ReaderFrom a piece at a time, so that the connection may
// still let the system send the file by itself.
func (p patientWriter) ReadFrom(r io.Reader) (total int64, err error) {
	to, ok := p.ResponseWriter.(io.ReaderFrom)
	limited, isLimited := r.(*io.LimitedReader)
	if !ok || !isLimited {
		// The bare Writer hides this method.
		return io.Copy(struct{ io.Writer }{p}, r)
	}
	for limited.N > 0 {
		p.prolong()
		piece := io.LimitedReader{R: limited.R, N: min(limited.N, stallBytes)}
		n, err := to.ReadFrom(&piece)
		total, limited.N = total+n, limited.N-n
		if err != nil || n == 0 {
			return total, err
		}
	}
	return total, nil
}
