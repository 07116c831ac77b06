package email

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/conform"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

const secretKey = "secret-access-key-that-nobody-may-see"

// at returns the configuration of the SDK for what stands in for AWS.
func at(url string) aws.Config {
	return aws.Config{
		Region: "eu-west-3", BaseEndpoint: &url,
		Credentials: credentials.NewStaticCredentialsProvider("testing", secretKey, ""),
	}
}

// throughSES returns a channel from a sender.
func throughSES(t testing.TB, url, from string) holdfast.Channel {
	t.Helper()
	c, err := New(Options{
		From: from, To: []string{"Ops <ops@example.com>", "dev@example.com"}, SES: &SESOptions{Config: at(url)},
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sesMail is a mail as moto keeps it.
type sesMail struct {
	ID           string
	Source       string
	Destinations []string
	Raw          string `json:"raw_data"`
}

// sender verifies a domain of the test's own and returns a sender in it, and what
// it has sent.
func sender(t testing.TB, moto testenv.MotoServer, domain string) (from string, mails func() []sesMail) {
	t.Helper()
	_, err := sesv2.NewFromConfig(at(moto.URL)).CreateEmailIdentity(t.Context(), &sesv2.CreateEmailIdentityInput{EmailIdentity: &domain})
	if err != nil {
		t.Fatal(err)
	}
	return "Holdfast <holdfast@" + domain + ">", func() []sesMail {
		answer, err := http.Get(moto.URL + "/moto-api/data.json")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var data struct {
			SES struct{ RawMessage []sesMail }
		}
		if err := json.NewDecoder(answer.Body).Decode(&data); err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(data.SES.RawMessage, func(m sesMail) bool { return m.Source != "holdfast@"+domain })
	}
}

func TestSESTakesALifeAsOneThread(t *testing.T) {
	moto := testenv.Moto(t)
	from, mails := sender(t, moto, "life.example.com")
	c := throughSES(t, moto.URL, from)
	life := sample.Messages(now)[:3]
	name := ""
	for i, m := range life {
		if i > 0 {
			m.Thread.Posted = name
		}
		given, err := c.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			name = given
		}
	}
	got := mails()
	if len(got) != len(life) {
		t.Fatalf("got %d mails, want %d", len(got), len(life))
	}
	opening := takeApart(t, got[0].Raw)
	given := "<" + got[0].ID + "@eu-west-3.amazonses.com>"
	if want := given + " " + opening.Get("Subject"); name != want {
		t.Errorf("posted: got %q, want %q", name, want)
	}
	for i, mail := range got {
		for _, to := range []string{"ops@example.com", "dev@example.com"} {
			if !slices.Contains(mail.Destinations, to) {
				t.Errorf("mail %d: goes to %s, not to %s", i, mail.Destinations, to)
			}
		}
		s := takeApart(t, mail.Raw)
		if want := "<" + life[i].ID + "@life.example.com>"; s.Get("Message-Id") != want {
			t.Errorf("mail %d: got the Message-ID %s, want %s", i, s.Get("Message-Id"), want)
		}
		if i == 0 {
			continue
		}
		for name, want := range map[string]string{
			"Subject": "Re: " + opening.Get("Subject"), "In-Reply-To": given,
			"References": opening.Get("Message-Id") + " " + given,
		} {
			if s.Get(name) != want {
				t.Errorf("mail %d: %s: got %q, want %q", i, name, s.Get(name), want)
			}
		}
	}
}

func TestSESRefusesASenderThatIsNotVerified(t *testing.T) {
	moto := testenv.Moto(t)
	_, err := throughSES(t, moto.URL, "holdfast@unverified.example.com").Send(t.Context(), sample.Messages(now)[0])
	want := "send mail through SES in eu-west-3: rejected (From, and in SES's sandbox each recipient, must be verified): " +
		"Did not have authority to send from email holdfast@unverified.example.com"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// answering is an SES that gives one answer.
func answering(t testing.TB, status int, code, message, after string) (url string, asked *int) {
	t.Helper()
	asked = new(int)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		*asked++
		w.Header().Set("X-Amzn-Errortype", code)
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestWhatSESAnswersIsExplained(t *testing.T) {
	for name, test := range map[string]struct {
		status      int
		code, after string
		want        string
		again       time.Duration // 0 where it is not said
		asked       int
	}{
		"the sandbox": {status: 400, code: "MessageRejected", want: "sandbox each recipient, must be verified): why\\nnot", asked: 1},
		"a domain":    {status: 400, code: "MailFromDomainNotVerifiedException", want: "the MAIL FROM domain is not verified: why", asked: 1},
		"a pause":     {status: 400, code: "SendingPausedException", want: "sending is paused: why", asked: 1},
		"an account":  {status: 400, code: "AccountSuspendedException", want: "the account may send no more: why", asked: 1},
		"no right":    {status: 403, code: "AccessDeniedException", want: "AccessDeniedException: why", asked: 1},
		"too often":   {status: 429, code: "TooManyRequestsException", want: "TooManyRequestsException: why", again: time.Minute, asked: 1},
		"too much":    {status: 400, code: "LimitExceededException", want: "LimitExceededException: why", again: time.Minute, asked: 1},
		"a throttle":  {status: 400, code: "ThrottlingException", after: "7", want: "ThrottlingException: why", again: 7 * time.Second, asked: 1},
		"a date": {status: 429, code: "TooManyRequestsException", after: now.Add(90 * time.Second).Format(http.TimeFormat),
			want: "TooManyRequestsException: why", again: 90 * time.Second, asked: 1},
		"out of order": {status: 503, code: "ServiceUnavailable", want: "ServiceUnavailable: why", asked: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, asked := answering(t, test.status, test.code, "why\nnot", test.after)
			_, err := throughSES(t, url, from).Send(t.Context(), sample.Messages(now)[0])
			want := strings.ReplaceAll(test.want, "\\n", " ")
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v, want %q", err, want)
			}
			checkError(t, err, secretKey)
			var again *holdfast.RetryAfterError
			if errors.As(err, &again) != (test.again > 0) || again != nil && again.After != test.again {
				t.Errorf("got %#v, want to come again after %s", again, test.again)
			}
			if *asked != test.asked {
				t.Errorf("asked %d times, want %d", *asked, test.asked)
			}
		})
	}
}

func TestSESThatHangsIsLeftWhenTheDeadlineComes(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	_, err := throughSES(t, s.URL, from).Send(ctx, sample.Messages(now)[0])
	if want := "send mail through SES in eu-west-3: no answer: context deadline exceeded"; !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAnIDOfSESBecomesAMessageID(t *testing.T) {
	for _, test := range []struct{ region, id, want string }{
		{"eu-west-3", "0102018f0c0ffee0-1-000000", "<0102018f0c0ffee0-1-000000@eu-west-3.amazonses.com>"},
		{"us-east-1", "0102018f0c0ffee0-1-000000", "<0102018f0c0ffee0-1-000000@email.amazonses.com>"},
		{"eu-west-3", "", ""}, {"eu-west-3", "a b", ""}, {"eu-west-3", "a>\r\nBcc:", ""},
	} {
		if got := (&ses{region: test.region}).messageID(test.id); got != test.want {
			t.Errorf("%q in %s: got %q, want %q", test.id, test.region, got, test.want)
		}
	}
}

// gate stands before moto and passes calls on as long as it behaves.
type gate struct {
	*httptest.Server
	moto http.Handler

	mu        sync.Mutex
	behaviour conform.Behaviour
	taken     []string
}

func newGate(t *testing.T, moto testenv.MotoServer) *gate {
	t.Helper()
	to, err := url.Parse(moto.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{moto: httputil.NewSingleHostReverseProxy(to)}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		g.mu.Lock()
		behaviour := g.behaviour
		g.mu.Unlock()
		if behaviour != conform.Takes {
			misbehave(behaviour, w, r)
			return
		}
		var mail sesv2Call
		if err := json.Unmarshal(body, &mail); err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		g.moto.ServeHTTP(answer, r)
		if answer.Code == http.StatusOK {
			g.mu.Lock()
			g.taken = append(g.taken, takeApart(t, string(mail.Content.Raw.Data)).text)
			g.mu.Unlock()
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(g.Close)
	return g
}

// sesv2Call is the body of a call of SendEmail.
type sesv2Call struct {
	Content struct{ Raw struct{ Data []byte } }
}

func misbehave(behaviour conform.Behaviour, w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code, message string) {
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
	}
	switch behaviour {
	case conform.Hangs:
		<-r.Context().Done()
	case conform.Refuses:
		refuse(http.StatusBadRequest, "MessageRejected", "not for you,\nwhose secret_access_key="+secretKey)
	case conform.Fails:
		refuse(http.StatusInternalServerError, "InternalFailure", "out of order")
	case conform.Garbage:
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = conn.Write([]byte("\x00\x01\x02\r\n\r\n"))
			_ = conn.Close()
		}
	case conform.Busy:
		w.Header().Set("Retry-After", "30")
		refuse(http.StatusTooManyRequests, "TooManyRequestsException", "")
	}
}

// Behave implements conform.Far.
func (g *gate) Behave(b conform.Behaviour) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.behaviour = b
	return nil
}

// Taken implements conform.Far: what moto has accepted.
func (g *gate) Taken() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.taken)
}

func TestSESConforms(t *testing.T) {
	moto := testenv.Moto(t)
	from, mails := sender(t, moto, "conform.example.com")
	g := newGate(t, moto)
	conforms(t, &conform.Env{Channel: throughSES(t, g.URL, from), Far: g, Now: now, Secrets: []string{secretKey}})
	if kept, taken := len(mails()), len(g.Taken()); kept != taken || kept == 0 {
		t.Errorf("moto has %d mails, and took %d", kept, taken)
	}
}
