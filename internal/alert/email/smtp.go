package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"strconv"
	"time"

	"github.com/holdfast-backup/holdfast/internal/alert/fault"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/wneessen/go-mail/smtp"
)

// SMTPOptions are a mail server that takes mail in.
type SMTPOptions struct {
	Host string
	Port int
	// TLS is "starttls", which is never gone without; "tls", from the
	// beginning; or "none", for loopback addresses.
	TLS      string
	User     string // "" logs nobody in
	Password secret.Secret
	RootCAs  *x509.CertPool // nil is the system's
}

// maxTime is how long a mail may take where the caller sets no deadline.
const maxTime = time.Minute

// smtpServer is the transport to a mail server. It drives go-mail's connection
// step by step: its Client cannot send to those recipients who are accepted when
// others are refused, forgets the connection when a step fails, extends the
// deadline, and says nothing that a program could read about which step it was.
type smtpServer struct {
	opts    SMTPOptions
	address string // host:port
	tls     *tls.Config
}

func newSMTP(opts SMTPOptions) (*smtpServer, error) {
	switch opts.TLS {
	case "starttls", "tls", "none":
	default:
		return nil, fmt.Errorf("mail server %q: unknown tls %q, want starttls, tls or none", opts.Host, opts.TLS)
	}
	if opts.Host == "" || opts.Port < 1 || opts.Port > 65535 {
		return nil, fmt.Errorf("mail server %q, port %d: want a name and a port", opts.Host, opts.Port)
	}
	return &smtpServer{
		opts: opts, address: net.JoinHostPort(opts.Host, strconv.Itoa(opts.Port)),
		tls: &tls.Config{ServerName: opts.Host, RootCAs: opts.RootCAs, MinVersion: tls.VersionTLS12},
	}, nil
}

func (s *smtpServer) send(ctx context.Context, from string, to []string, write func([]refusal) ([]byte, error)) (string, []refusal, error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	refused, err := s.converse(ctx, from, to, write)
	if err != nil {
		return "", nil, fmt.Errorf("send mail through %s: %w", s.address, err)
	}
	return "", refused, nil
}

// converse is the whole of a connection.
func (s *smtpServer) converse(ctx context.Context, from string, to []string, write func([]refusal) ([]byte, error)) ([]refusal, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, s.explain(ctx, "connect", err)
	}
	defer conn.Close()
	// Whatever hangs ends with ctx, because the connection does.
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	client, err := s.greet(ctx, &metered{Conn: conn, left: maxAnswers})
	if err != nil {
		return nil, err
	}
	if s.opts.User != "" {
		if err := s.logIn(client); err != nil {
			return nil, s.explain(ctx, fmt.Sprintf("log in as %q", s.opts.User), err)
		}
	}
	refused, err := s.deliver(ctx, client, from, to, write)
	if err != nil {
		return nil, err
	}
	// The mail is taken; what goes wrong from here on changes nothing.
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	_ = client.Quit()
	return refused, nil
}

// greet begins the conversation, up to where both sides are known to each other.
func (s *smtpServer) greet(ctx context.Context, conn net.Conn) (*smtp.Client, error) {
	if s.opts.TLS == "tls" {
		encrypted := tls.Client(conn, s.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, s.explain(ctx, "start TLS", err)
		}
		conn = encrypted
	}
	client, err := smtp.NewClient(conn, s.opts.Host)
	if err != nil {
		return nil, s.explain(ctx, "greet", err)
	}
	// All addresses are ASCII. A mail that asks for SMTPUTF8 is sent back by
	// the first server on its way that cannot do it.
	client.SkipSMTPUTF8(true)
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	if err := client.Hello(name); err != nil {
		return nil, s.explain(ctx, "greet", err)
	}
	if s.opts.TLS == "starttls" {
		if offered, _ := client.Extension("STARTTLS"); !offered {
			return nil, errors.New("start TLS: the server does not offer it")
		}
		if err := client.StartTLS(s.tls); err != nil {
			return nil, s.explain(ctx, "start TLS", err)
		}
	}
	return client, nil
}

// deliver hands a mail over for those recipients who are accepted, and returns the
// others.
func (s *smtpServer) deliver(ctx context.Context, client *smtp.Client, from string, to []string, write func([]refusal) ([]byte, error)) ([]refusal, error) {
	if err := client.Mail(path(from)); err != nil {
		return nil, s.explain(ctx, "send from "+from, err)
	}
	var refused []refusal
	for _, address := range to {
		var answer *textproto.Error
		err := client.Rcpt(path(address))
		switch {
		case errors.As(err, &answer) && answer.Code/100 >= 4 && answer.Code != serviceEnds:
			refused = append(refused, refusal{address, s.answer(answer)})
		case err != nil:
			return nil, s.explain(ctx, "send to "+address, err)
		}
	}
	if len(refused) == len(to) {
		return nil, fmt.Errorf("no recipient is accepted: %s", list(refused))
	}
	content, err := write(refused)
	if err != nil {
		return nil, err
	}
	if err := s.handOver(client, content); err != nil {
		return nil, s.explain(ctx, "hand the mail over", err)
	}
	return refused, nil
}

// path returns an address as the protocol has it, in angle brackets and quoted
// where it needs to be.
func path(address string) string { return (&mail.Address{Address: address}).String() }

// serviceEnds is the code with which a server hangs up.
const serviceEnds = 421

func (s *smtpServer) handOver(client *smtp.Client, content []byte) error {
	data, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write(content); err != nil {
		return err
	}
	return data.Close()
}

// explain returns an error of one line that says which step failed, and why.
func (s *smtpServer) explain(ctx context.Context, step string, err error) error {
	var answer *textproto.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: no answer: %w", step, ctx.Err())
	case errors.As(err, &answer):
		return fmt.Errorf("%s: %s", step, s.answer(answer))
	}
	return fmt.Errorf("%s: %s", step, s.oneLine(err.Error()))
}

// oneLine returns what a server, or the network, says as one line without the password.
func (s *smtpServer) oneLine(text string) string {
	return fault.Line(conceal(text, s.opts.User, s.opts.Password))
}

// answer returns what a server answered, and whether it may think better of it.
func (s *smtpServer) answer(err *textproto.Error) string {
	text := fmt.Sprintf("%d %s", err.Code, s.oneLine(err.Msg))
	if err.Code/100 == 4 {
		text = "for now: " + text
	}
	return text
}
