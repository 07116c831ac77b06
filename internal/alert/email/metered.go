package email

import (
	"errors"
	"net"
)

// maxAnswers is the most that a server may answer, in bytes: answers are read line
// by line into memory, however long a line is.
const maxAnswers = 1 << 20

var errAnswers = errors.New("the server answers without end")

// metered is a connection from which no more than left is read.
type metered struct {
	net.Conn
	left int
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errAnswers
	}
	n, err := m.Conn.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}
