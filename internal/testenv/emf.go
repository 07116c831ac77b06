package testenv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// EMF is what one line of the embedded metric format means to CloudWatch.
type EMF struct {
	Namespace  string
	Dimensions map[string]string
	Metrics    map[string]float64
}

// units are those that CloudWatch knows of which a metric can be, as far as they
// are used here.
var units = []string{"Seconds", "Bytes", "Count", "None"}

// ParseEMF reads what a function has printed, each line by the rules of the
// specification, and fails the test where CloudWatch would drop something.
func ParseEMF(t testing.TB, printed string) []EMF {
	t.Helper()
	var all []EMF
	for line := range strings.Lines(printed) {
		one, err := parseEMF([]byte(line))
		if err != nil {
			t.Fatalf("embedded metric format: %v\n%s", err, line)
		}
		all = append(all, one)
	}
	return all
}

// parseEMF checks the rules of
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
// for a document with one directive and one set of dimensions.
func parseEMF(line []byte) (EMF, error) {
	var document struct {
		AWS struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
	}
	if err := json.Unmarshal(line, &document); err != nil {
		return EMF{}, err
	}
	var root map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	if err := decoder.Decode(&root); err != nil {
		return EMF{}, err
	}
	// Milliseconds: the year 2001 in these is 1970 in seconds.
	if document.AWS.Timestamp < 1e12 || len(line) > 256<<10 {
		return EMF{}, fmt.Errorf("timestamp %d of a line of %d bytes", document.AWS.Timestamp, len(line))
	}
	if n := len(document.AWS.CloudWatchMetrics); n != 1 {
		return EMF{}, fmt.Errorf("%d directives, want 1", n)
	}
	d := document.AWS.CloudWatchMetrics[0]
	if d.Namespace == "" || len(d.Dimensions) != 1 || len(d.Dimensions[0]) > 30 || len(d.Metrics) == 0 || len(d.Metrics) > 100 {
		return EMF{}, fmt.Errorf("namespace %q, %d sets of dimensions, %d metrics", d.Namespace, len(d.Dimensions), len(d.Metrics))
	}
	one := EMF{Namespace: d.Namespace, Dimensions: map[string]string{}, Metrics: map[string]float64{}}
	for _, name := range d.Dimensions[0] {
		value, ok := root[name].(string)
		if !ok || value == "" || len(value) > 1024 || strings.TrimSpace(value) == "" {
			return EMF{}, fmt.Errorf("dimension %q: %v is not a text of 1 to 1024 bytes", name, root[name])
		}
		one.Dimensions[name] = value
	}
	for _, m := range d.Metrics {
		value, ok := root[m.Name].(float64)
		if !ok || !slices.Contains(units, m.Unit) {
			return EMF{}, fmt.Errorf("metric %q of %q: %v is not a number", m.Name, m.Unit, root[m.Name])
		}
		one.Metrics[m.Name] = value
	}
	if want := 1 + len(one.Dimensions) + len(one.Metrics); len(root) != want {
		return EMF{}, fmt.Errorf("%d members, want %d: a name is used twice, or something is not said to be a metric", len(root), want)
	}
	return one, nil
}
