package rehearsal

import (
	"slices"
	"testing"
)

// inventory returns the names of all that the account holds, by service.
func (c *cloud) inventory(t testing.TB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for name := range c.configurations(t) {
		all["lambda"] = append(all["lambda"], name)
	}
	var apis struct{ Items []struct{ Name string } }
	c.service("apigateway").get(t, "/v2/apis", &apis)
	for _, a := range apis.Items {
		all["apigateway"] = append(all["apigateway"], a.Name)
	}
	var schedules struct{ Schedules []struct{ Name string } }
	c.service("scheduler").get(t, "/schedules", &schedules)
	for _, s := range schedules.Schedules {
		all["scheduler"] = append(all["scheduler"], s.Name)
	}
	var roles struct {
		Names []string `xml:"ListRolesResult>Roles>member>RoleName"`
	}
	c.service("iam").query(t, &roles, "ListRoles")
	all["iam"] = roles.Names
	var topics struct {
		ARNs []string `xml:"ListTopicsResult>Topics>member>TopicArn"`
	}
	c.service("sns").query(t, &topics, "ListTopics")
	all["sns"] = topics.ARNs
	var groups struct {
		LogGroups []struct{ LogGroupName string }
	}
	must(t, c.service("logs").target(t.Context(), "Logs_20140328.DescribeLogGroups", struct{}{}, &groups))
	for _, g := range groups.LogGroups {
		all["logs"] = append(all["logs"], g.LogGroupName)
	}
	var alarms struct {
		Names []string `xml:"DescribeAlarmsResult>MetricAlarms>member>AlarmName"`
	}
	c.service("monitoring").query(t, &alarms, "DescribeAlarms")
	all["cloudwatch"] = alarms.Names
	var queues struct {
		QueueURLs []string `json:"QueueUrls"`
	}
	must(t, c.service("sqs").target(t.Context(), "AmazonSQS.ListQueues", struct{}{}, &queues))
	all["sqs"] = queues.QueueURLs
	var parameters struct{ Parameters []struct{ Name string } }
	must(t, c.service("ssm").target(t.Context(), "AmazonSSM.DescribeParameters", struct{}{}, &parameters))
	for _, p := range parameters.Parameters {
		all["ssm"] = append(all["ssm"], p.Name)
	}
	for _, server := range []string{c.moto, c.store.url} { // both have every bucket
		answer, err := (&store{url: server}).client(rootKeys).ListBuckets(t.Context(), nil)
		must(t, err)
		for _, b := range answer.Buckets {
			all["s3"] = append(all["s3"], *b.Name)
		}
	}
	for name, list := range all {
		if slices.Sort(list); len(list) == 0 {
			delete(all, name)
		}
	}
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
