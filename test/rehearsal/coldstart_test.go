package rehearsal

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// first is what each function is given first.
var first = map[string]string{
	"broker":    `{"version":"2.0","rawPath":"/healthz","requestContext":{"http":{"method":"GET","path":"/healthz"}}}`,
	"restore":   `{"version":"2.0","rawPath":"/v1/backups","requestContext":{"http":{"method":"GET","path":"/v1/backups"}}}`,
	"retention": `{"source":"aws.scheduler"}`,
	"monitor":   `{"source":"aws.scheduler"}`,
}

// BenchmarkColdStart measures each function in new instances: from the start of
// the process to its asking for an event, from the first event to the answer, and
// the same for the second; medians. The bucket is empty, and the processor whole:
// Lambda gives a function of 256 MB a seventh of one.
func BenchmarkColdStart(b *testing.B) {
	place, moto, store := build(b), testenv.Moto(b), testenv.S3(b)
	bucket := store.NewBucket(b, testenv.Bucket{Versioned: true})
	ssm := service{"ssm", moto.URL, region, rootKeys}
	for name, value := range map[string]string{
		"/bench/config": fmt.Sprintf("broker: { url: https://backup.example.com, secret: ssm:/bench/secret }\nvaults: { main: { s3: { bucket: %s, region: %s } } }\n", bucket, store.Region),
		"/bench/secret": "a secret of the benchmark, of 32 bytes and more",
	} {
		must(b, ssm.target(b.Context(), "AmazonSSM.PutParameter", map[string]any{"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true}, nil))
	}
	for _, name := range []string{"broker", "restore", "retention", "monitor"} {
		b.Run(name, func(b *testing.B) {
			f := &Function{
				Name: name, ARN: "arn:aws:lambda:" + region + ":" + account + ":function:" + name, Dir: unpack(b, zip(place, name)),
				Env: map[string]string{
					"HOLDFAST_CONFIG": "ssm:/bench/config", "HOLDFAST_DEPLOYMENT": "bench",
					"AWS_ENDPOINT_URL": moto.URL, "AWS_ENDPOINT_URL_S3": store.URL,
					"AWS_ACCESS_KEY_ID": store.AccessKey, "AWS_SECRET_ACCESS_KEY": store.SecretKey,
				},
				Region: region, Memory: 256, Timeout: time.Minute, Limit: 1, Log: &Log{},
			}
			var starts, firsts, seconds, peaks []float64
			for b.Loop() {
				i, err := f.take(b.Context())
				must(b, err)
				times := [2]time.Duration{}
				for n := range times {
					began := time.Now()
					if _, err := i.invoke(b.Context(), []byte(first[name])); err != nil {
						b.Fatalf("%v\n%s", err, f.Log)
					}
					times[n] = time.Since(began)
				}
				starts, firsts, seconds = append(starts, ms(i.cold)), append(firsts, ms(times[0])), append(seconds, ms(times[1]))
				peaks = append(peaks, peak(b, i.command.Process.Pid))
				f.giveBack(i)
				f.Stop()
			}
			info, err := os.Stat(zip(place, name))
			must(b, err)
			b.ReportMetric(0, "ns/op") // not shown
			b.ReportMetric(median(starts), "ms-to-next")
			b.ReportMetric(median(firsts), "ms-first-event")
			b.ReportMetric(median(seconds), "ms-second-event")
			b.ReportMetric(median(peaks), "MiB-peak")
			b.ReportMetric(float64(info.Size())/(1<<20), "MiB-zip")
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

var highWater = regexp.MustCompile(`VmHWM:\s+([0-9]+) kB`)

// peak returns the most memory that a process has had, in MiB.
func peak(b *testing.B, pid int) float64 {
	b.Helper()
	found := highWater.FindStringSubmatch(read(b, fmt.Sprintf("/proc/%d/status", pid)))
	if found == nil {
		b.Fatal("/proc tells no VmHWM")
	}
	kB, err := strconv.ParseFloat(found[1], 64)
	must(b, err)
	return kB / 1024
}
