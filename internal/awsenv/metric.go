package awsenv

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// Namespace is where CloudWatch keeps the metrics.
const Namespace = "Holdfast"

// Units of metrics, as CloudWatch names them.
const (
	Count   = "Count"
	Bytes   = "Bytes"
	Seconds = "Seconds"
)

// Metric is one figure.
type Metric struct {
	Name  string
	Unit  string
	Value int64
}

// Metrics writes metrics as lines of the embedded metric format, which
// CloudWatch takes out of a function's log:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
// It is safe for concurrent use.
type Metrics struct {
	deployment string
	now        func() time.Time

	mu sync.Mutex
	w  io.Writer
}

// NewMetrics returns Metrics of a deployment, whose name is a dimension of each.
func NewMetrics(w io.Writer, deployment string, now func() time.Time) *Metrics {
	return &Metrics{w: w, deployment: deployment, now: now}
}

// Put writes the metrics, under the deployment and a second dimension, as one
// line. Without metrics it writes none.
func (m *Metrics) Put(dimension, value string, metrics ...Metric) error {
	if len(metrics) == 0 {
		return nil
	}
	line, err := json.Marshal(m.document(dimension, value, metrics))
	if err != nil {
		return fmt.Errorf("put metrics: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("put metrics: %w", err)
	}
	return nil
}

func (m *Metrics) document(dimension, value string, metrics []Metric) map[string]any {
	type definition struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	document := map[string]any{deployment: m.deployment, dimension: value}
	d := directive{Namespace: Namespace, Dimensions: [][]string{{deployment, dimension}}}
	for _, metric := range metrics {
		d.Metrics = append(d.Metrics, definition{metric.Name, metric.Unit})
		document[metric.Name] = metric.Value
	}
	document["_aws"] = map[string]any{
		"Timestamp":         m.now().UnixMilli(),
		"CloudWatchMetrics": []directive{d},
	}
	return document
}

// deployment is the dimension that every metric has.
const deployment = "Deployment"
