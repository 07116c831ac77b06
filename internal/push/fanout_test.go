package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// sink is a carrier that takes parts and keeps none of them.
type sink struct {
	part func(ctx context.Context, p holdfast.Part) error // may be nil

	mu    sync.Mutex
	parts map[int]holdfast.Part
	bytes int64
}

func (s *sink) Part(_ string, p holdfast.Part) func(context.Context, *Body) (string, error) {
	return func(ctx context.Context, body *Body) (string, error) {
		n, err := io.Copy(io.Discard, body)
		if s.part != nil && err == nil {
			err = s.part(ctx, p)
		}
		if err != nil {
			return "", err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.parts[p.Number], s.bytes = p, s.bytes+n
		return "", nil
	}
}

func (s *sink) Commit(context.Context, holdfast.Manifest, []byte, map[string][]string) error {
	return nil
}

func (s *sink) Abort(context.Context, string) error { return nil }

func (s *sink) received() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// sinkLane returns a lane of that many parts to a sink.
func sinkLane(maxParts int, checksum string) (*lane, *sink) {
	s := &sink{parts: map[int]holdfast.Part{}}
	d := Delivery{
		ID: testID, MaxSize: 1 << 50, Carrier: s,
		Plans: map[string]api.StreamPlan{"db": {Name: "db", MaxParts: maxParts, Checksum: checksum}},
	}
	return newLane(NewDirect(DirectOptions{Name: fmt.Sprintf("of-%d", maxParts)}), d), s
}

// fill writes n bytes in chunks of odd sizes.
func fill(w io.Writer, n int64) error {
	chunk := make([]byte, 3<<20+1)
	for n > 0 {
		m, err := w.Write(chunk[:min(n, int64(len(chunk)))])
		if err != nil {
			return err
		}
		n -= int64(m)
	}
	return nil
}

// TestSchedulesThatDiffer sends more than the pool holds to lanes whose parts
// begin and end at other places, the largest of them eight blocks.
func TestSchedulesThatDiffer(t *testing.T) {
	s := testSender(newCloud(t))
	few, fewSink := sinkLane(10, holdfast.ChecksumMD5)
	odd, oddSink := sinkLane(16, holdfast.ChecksumSHA256)
	many, manySink := sinkLane(10_000, holdfast.ChecksumSHA256)
	same, sameSink := sinkLane(10_000, holdfast.ChecksumSHA256)
	lanes := []*lane{many, few, odd, same}
	f := s.newFanout(t.Context(), "db", lanes)
	if len(f.cuts) != 3 {
		t.Errorf("got %d cuts, want one for the two that are alike", len(f.cuts))
	}
	total := holdfast.PartOffset(7, 10) - 1
	if err := fill(f, total); err != nil {
		t.Fatal(err)
	}
	if err := f.finish(); err != nil {
		t.Fatal(err)
	}
	for i, sink := range []*sink{manySink, fewSink, oddSink, sameSink} {
		plan, parts := lanes[i].Plans["db"], lanes[i].sent["db"].parts
		if err := holdfast.CheckParts(parts, plan.Checksum, total); err != nil || sink.bytes != total {
			t.Errorf("%d parts allowed: got %d bytes, %v", plan.MaxParts, sink.bytes, err)
		}
		for n, p := range parts {
			if sink.parts[n+1] != p || n+1 < len(parts) && p.Size != holdfast.PartSize(n+1, plan.MaxParts) {
				t.Errorf("%d parts allowed: part %d is %+v, sent was %+v", plan.MaxParts, n+1, p, sink.parts[n+1])
			}
		}
	}
	if s.pool.made != 8 || len(s.pool.free) != 8 {
		t.Errorf("pool made %d blocks and has %d back, want 8", s.pool.made, len(s.pool.free))
	}
}

// TestNoScheduleLocksAnother writes to lanes of every mixture of schedules, some
// of which are lost on the way, with no more blocks than a part needs. In the
// bubble nothing can wait for ever without being noticed.
func TestNoScheduleLocksAnother(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	schedules := []int{10, 12, 16, 20, 30, 10_000}
	for range 12 {
		var lanes []*lane
		var plans []int
		for range 2 + random.IntN(3) {
			l, s := sinkLane(schedules[random.IntN(len(schedules))], holdfast.ChecksumMD5)
			if dies := random.IntN(9); dies > 0 && len(lanes) > 0 {
				s.part = func(_ context.Context, p holdfast.Part) error {
					if p.Number == dies {
						return holdfast.ErrFull
					}
					return nil
				}
			}
			lanes, plans = append(lanes, l), append(plans, l.Plans["db"].MaxParts)
		}
		synctest.Test(t, func(t *testing.T) {
			s := testSender(newClockOnly())
			f := s.newFanout(t.Context(), "db", lanes)
			if err := fill(f, holdfast.PartOffset(7, 10)); err != nil {
				t.Fatalf("%v: %v", plans, err)
			}
			if err := f.finish(); err != nil {
				t.Fatalf("%v: %v", plans, err)
			}
			if _, err := lanes[0].lost(); err != nil || len(lanes[0].sent["db"].parts) == 0 {
				t.Errorf("%v: the first lane was lost: %v", plans, err)
			}
			if got, most := s.pool.made, 8; got > most || len(s.pool.free) != got {
				t.Errorf("%v: pool made %d blocks, %d are back, want at most %d and all", plans, got, len(s.pool.free), most)
			}
		})
	}
}

func newClockOnly() *cloud { return &cloud{clock: &clock{now: testTime}} }

func TestASlowDestinationSlowsAll(t *testing.T) {
	s := testSender(newCloud(t))
	fast, fastSink := sinkLane(10_000, holdfast.ChecksumSHA256)
	slow, slowSink := sinkLane(10_000, holdfast.ChecksumMD5)
	arrived, release := make(chan int, 100), make(chan struct{})
	slowSink.part = func(_ context.Context, p holdfast.Part) error {
		arrived <- p.Number
		<-release
		return nil
	}
	f := s.newFanout(t.Context(), "db", []*lane{fast, slow})
	const total = 12 * int64(blockSize)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := fill(f, total); err != nil {
			t.Error(err)
		}
	})
	for range poolBlocks {
		<-arrived
	}
	if got, most := fastSink.received(), int64(poolBlocks*blockSize); got > most {
		t.Errorf("the fast one was sent %d bytes while the pool was out, want at most %d", got, most)
	}
	if s.pool.made != poolBlocks {
		t.Errorf("pool made %d blocks, want %d", s.pool.made, poolBlocks)
	}
	close(release)
	wg.Wait()
	if err := f.finish(); err != nil {
		t.Fatal(err)
	}
	if fastSink.bytes != total || slowSink.bytes != total || s.pool.made != poolBlocks {
		t.Errorf("sent %d and %d bytes with %d blocks", fastSink.bytes, slowSink.bytes, s.pool.made)
	}
}

func TestALostDestinationFreesItsBlocks(t *testing.T) {
	s := testSender(newCloud(t))
	stays, staysSink := sinkLane(10_000, holdfast.ChecksumSHA256)
	hangs, hangsSink := sinkLane(10_000, holdfast.ChecksumMD5)
	var once sync.Once
	all := make(chan struct{}, 100)
	hangsSink.part = func(ctx context.Context, p holdfast.Part) error {
		all <- struct{}{}
		if p.Number == poolBlocks { // the others hang until they are called off
			for range poolBlocks {
				<-all
			}
			return fmt.Errorf("part %d: %w", p.Number, holdfast.ErrFull)
		}
		<-ctx.Done()
		return ctx.Err()
	}
	idle := make(chan struct{})
	s.lost = func(l *lane, wait func()) {
		if l != hangs {
			t.Errorf("%s was lost", l.name)
		}
		once.Do(func() { go func() { wait(); close(idle) }() })
	}
	f := s.newFanout(t.Context(), "db", []*lane{stays, hangs})
	const total = 12 * int64(blockSize)
	if err := fill(f, total); err != nil {
		t.Fatal(err)
	}
	if err := f.finish(); err != nil {
		t.Fatal(err)
	}
	<-idle
	if stage, err := hangs.lost(); stage != StageUpload || !errors.Is(err, holdfast.ErrFull) || len(hangs.sent) != 0 {
		t.Errorf("got lost at %q of %v, sent %v", stage, err, hangs.sent)
	}
	if staysSink.bytes != total || len(s.pool.free) != s.pool.made {
		t.Errorf("the other got %d bytes; %d of %d blocks are back", staysSink.bytes, len(s.pool.free), s.pool.made)
	}
}

// TestALostDestinationFreesWhatWasHeldForItAlone loses a lane that has a part in
// the making, of which no other lane holds a block.
func TestALostDestinationFreesWhatWasHeldForItAlone(t *testing.T) {
	s := testSender(newCloud(t))
	stays, _ := sinkLane(10_000, holdfast.ChecksumSHA256)
	dies, diesSink := sinkLane(10, holdfast.ChecksumSHA256) // its part 4 has two blocks
	fail, lost := make(chan struct{}), make(chan struct{})
	diesSink.part = func(context.Context, holdfast.Part) error {
		<-fail
		return holdfast.ErrFull
	}
	s.lost = func(*lane, func()) { close(lost) }
	f := s.newFanout(t.Context(), "db", []*lane{stays, dies})
	if err := fill(f, 4*int64(blockSize)); err != nil {
		t.Fatal(err)
	}
	close(fail)
	<-lost
	if err := fill(f, 4*int64(blockSize)); err != nil {
		t.Fatal(err)
	}
	if err := f.finish(); err != nil {
		t.Fatal(err)
	}
	if s.pool.made != poolBlocks || len(s.pool.free) != poolBlocks {
		t.Errorf("pool made %d blocks and has %d back, want %d", s.pool.made, len(s.pool.free), poolBlocks)
	}
}

func TestNothingReadsAPartAfterItsAttempt(t *testing.T) {
	s := testSender(newCloud(t))
	l, sink := sinkLane(10_000, holdfast.ChecksumSHA256)
	late := &latecomer{sink: sink}
	l.Carrier = late
	f := s.newFanout(t.Context(), "db", []*lane{l})
	if err := fill(f, 5); err != nil {
		t.Fatal(err)
	}
	if err := f.finish(); err != nil {
		t.Fatal(err)
	}
	if n, err := late.first.Read(make([]byte, 5)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("the body of an attempt that is over yields %d bytes, %v", n, err)
	}
}

// latecomer keeps the body of its first attempt, which it lets fail.
type latecomer struct {
	*sink
	first *Body
}

func (l *latecomer) Part(stream string, p holdfast.Part) func(context.Context, *Body) (string, error) {
	again := l.sink.Part(stream, p)
	return func(ctx context.Context, body *Body) (string, error) {
		if l.first == nil {
			l.first = body
			return "", errOutage
		}
		return again(ctx, body)
	}
}

// TestMemoryStaysSmall pushes much more than the bound and looks at the heap all
// the while. Store and broker live in the same process and are counted too.
func TestMemoryStaysSmall(t *testing.T) {
	const total, bound = 512 << 20, 64 << 20
	for name, places := range map[string]int{"one destination": 0, "three destinations": 2} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			c.discard = true
			d := c.deps(t)
			for i := range places {
				other := newCloud(t)
				other.discard = true
				other.checksum, other.maxParts = []string{holdfast.ChecksumMD5, holdfast.ChecksumSHA256}[i], []int{1000, 10_000}[i]
				other.onPut = func(_ http.ResponseWriter, _ *http.Request, part, _ int) bool {
					if part%5 == i {
						runtime.Gosched() // they do not go in step
					}
					return false
				}
				d.Destinations = append(d.Destinations, NewBroker(fmt.Sprintf("other%d", i), other, d.HTTP, c.Now))
			}
			var peak uint64
			d.Progress = func(Progress) {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
			begin := time.Now()
			d.Now = func() time.Time { return c.Now().Add(time.Since(begin)) } // so that progress is told
			job := testJob(t, &fakeSource{file: "crm.sql", dump: func(_ context.Context, w io.Writer) error {
				chunk := noise(64 << 10)
				for n := 0; n < total; n += len(chunk) {
					if _, err := w.Write(chunk); err != nil {
						return err
					}
				}
				return nil
			}})
			runtime.GC()
			out := Run(t.Context(), job, d)
			if out.Status != OK || c.sizes["db"] != total || len(out.Deliveries) != 1+places {
				t.Fatalf("got %+v, %d bytes", out, c.sizes["db"])
			}
			if peak == 0 || peak > bound {
				t.Errorf("heap grew to %d MiB, want at most %d", peak>>20, bound>>20)
			}
		})
	}
}
