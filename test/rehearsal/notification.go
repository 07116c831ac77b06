package rehearsal

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// notify tells the function that the bucket's notifications name for the key, as
// S3 does once an object was made, and returns the name of the function, "" if
// nobody is to be told.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
func (d *deployment) notify(t testing.TB, bucket, key string, size int64) (string, error) {
	t.Helper()
	set, err := d.cloud.store.client(rootKeys).GetBucketNotificationConfiguration(t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range set.LambdaFunctionConfigurations {
		if !covers(n, key) {
			continue
		}
		event, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
			"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": region, "eventName": "ObjectCreated:Put",
			"eventTime":         time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
			"userIdentity":      map[string]any{"principalId": "AWS:AROAEXAMPLE:" + *n.Id},
			"requestParameters": map[string]any{"sourceIPAddress": "127.0.0.1"},
			"responseElements":  map[string]any{"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD"},
			"s3": map[string]any{
				"s3SchemaVersion": "1.0", "configurationId": *n.Id,
				"bucket": map[string]any{"name": bucket, "ownerIdentity": map[string]any{"principalId": "A3NL1KOZZKExample"}, "arn": "arn:aws:s3:::" + bucket},
				"object": map[string]any{"key": url.QueryEscape(key), "size": size, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko", "sequencer": "0055AED6DCD90281E5"},
			},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		name := functionName(*n.LambdaFunctionArn)
		_, err = d.function(name).Invoke(t.Context(), event)
		return name, err
	}
	return "", nil
}

func covers(n types.LambdaFunctionConfiguration, key string) bool {
	if len(n.Events) != 1 || n.Events[0] != "s3:ObjectCreated:*" {
		return false
	}
	if n.Filter == nil || n.Filter.Key == nil {
		return true
	}
	for _, rule := range n.Filter.Key.FilterRules {
		switch {
		case strings.EqualFold(string(rule.Name), "prefix") && !strings.HasPrefix(key, *rule.Value),
			strings.EqualFold(string(rule.Name), "suffix") && !strings.HasSuffix(key, *rule.Value):
			return false
		}
	}
	return true
}

// schedule runs a function as EventBridge Scheduler does.
func (d *deployment) schedule(t testing.TB, function string) error {
	t.Helper()
	_, err := d.functions[function].Invoke(t.Context(), d.scheduled(t, function))
	return err
}

// scheduled returns what EventBridge Scheduler hands to a function: the input that
// Terraform gave its schedule, or the one that the Scheduler makes up.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
func (d *deployment) scheduled(t testing.TB, function string) []byte {
	t.Helper()
	scheduler := d.cloud.service("scheduler")
	var all struct{ Schedules []struct{ Name, Arn string } }
	scheduler.get(t, "/schedules", &all)
	for _, s := range all.Schedules {
		var one struct {
			State, ScheduleExpression string
			Target                    struct{ Arn, Input string }
		}
		scheduler.get(t, "/schedules/"+s.Name, &one)
		if functionName(one.Target.Arn) != d.names[function] {
			continue
		}
		if one.State != "ENABLED" || !strings.HasPrefix(one.ScheduleExpression, "rate(") {
			t.Fatalf("schedule of %s: %+v", function, one)
		}
		input := []byte(one.Target.Input)
		if len(input) == 0 {
			var err error
			input, err = json.Marshal(map[string]any{
				"version": "0", "id": newRequestID(), "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": account,
				"time": time.Now().UTC().Format(time.RFC3339), "region": region, "resources": []string{s.Arn}, "detail": "{}",
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return input
	}
	t.Fatalf("no schedule runs %s", function)
	return nil
}
