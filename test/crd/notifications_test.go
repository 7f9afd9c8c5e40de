package crd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// notificationFields are all fields of a notification. Each has a row in the table below.
var notificationFields = []string{
	"name", "url.secret", "url.key", "webhook.url.secret", "webhook.url.key", "webhook.hmacKey.secret", "webhook.hmacKey.key",
	"webhook.ca.secret", "webhook.ca.key", "events", "template", "templates", "drainRefusedSeconds", "gateFailingSeconds", "overdueSeconds",
}

func TestEveryFieldOfANotificationIsInATable(t *testing.T) {
	schema := readSchema(t, "reboot-operator.io_rebootpolicies.yaml").Properties["spec"].Properties["notifications"]
	var got []string
	leaves(*schema.Items.Schema, "", &got)
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(slices.Values(notificationFields)), got); diff != "" {
		t.Errorf("fields in the table (-) and in the schema (+):\n%s", diff)
	}
	if *schema.MaxItems != 8 || *schema.XListType != "map" || !slices.Equal(schema.XListMapKeys, []string{"name"}) {
		t.Errorf("the list is not one of at most 8 by name: %v %v %v", schema.MaxItems, schema.XListType, schema.XListMapKeys)
	}
}

func TestNotificationsAreCheckedAtAdmission(t *testing.T) {
	const (
		either = "write either url, for a service such as Slack or email, or webhook, for a program of your own"
		events = "write one of the events RolloutStarted, RolloutFinished, Halted, NodeNotBack, DrainRefused, GateFailing, Overdue, " +
			"WindowMissed or ApprovalNeeded"
		seconds = "must be a number of seconds from "
	)
	for name, is := range map[string]struct {
		notification string
		want         []string
	}{
		"a service":              {"{name: slack, url: {key: slack}}", nil},
		"everything":             {"{name: s, url: {secret: x, key: k}, events: [Halted], template: t, templates: [{event: Halted, text: t}], drainRefusedSeconds: 0, gateFailingSeconds: 604800, overdueSeconds: 60}", nil},
		"a webhook":              {"{name: w, webhook: {url: {key: u}, hmacKey: {secret: x, key: k}, ca: {key: ca}}}", nil},
		"neither":                {"{name: w}", []string{"spec.notifications[0]", either}},
		"both":                   {"{name: w, url: {key: u}, webhook: {url: {key: u}}}", []string{either}},
		"a template of JSON":     {"{name: w, template: t, webhook: {url: {key: u}}}", []string{"a webhook is sent JSON with every field of the event"}},
		"templates of JSON":      {"{name: w, templates: [{event: Halted, text: t}], webhook: {url: {key: u}}}", []string{"a webhook is sent JSON with every field of the event"}},
		"a name of another kind": {"{name: On Call, url: {key: u}}", []string{"spec.notifications[0].name", "name consists of lowercase letters, digits and dashes, such as slack or on-call"}},
		"no name":                {"{url: {key: u}}", []string{"spec.notifications[0].name"}},
		"no key":                 {"{name: a, url: {secret: s}}", []string{"spec.notifications[0].url.key"}},
		"another event":          {"{name: a, url: {key: u}, events: [Started]}", []string{"spec.notifications[0].events[0]", events}},
		"a template for another": {"{name: a, url: {key: u}, templates: [{event: halted, text: t}]}", []string{"spec.notifications[0].templates[0].event", events}},
		"no events":              {"{name: a, url: {key: u}, events: []}", []string{"spec.notifications[0].events"}},
		"an event twice":         {"{name: a, url: {key: u}, events: [Halted, Halted]}", []string{"Duplicate value"}},
		"a long template":        {"{name: a, url: {key: u}, template: " + strings.Repeat("x", 4097) + "}", []string{"spec.notifications[0].template", "4096"}},
		"a URL in the policy":    {`{name: a, url: "slack://token@x"}`, []string{"spec.notifications[0].url", "object"}},
		"too late":               {"{name: a, url: {key: u}, drainRefusedSeconds: 604801}", []string{seconds + "0 to 604800"}},
		"too early":              {"{name: a, url: {key: u}, overdueSeconds: 59}", []string{seconds + "60 to 31536000"}},
	} {
		t.Run(name, func(t *testing.T) {
			checkAnswer(t, tryCreate(t, policy(t, "notifications", "{nodes: All, notifications: ["+is.notification+"]}")), is.want)
		})
	}
}

func TestEveryEventOfTheAPIIsTakenAndDefaultsOfANotificationAreStored(t *testing.T) {
	var all []string
	for _, event := range v1alpha1.NotificationEvents {
		all = append(all, string(event))
	}
	if len(slices.Compact(slices.Sorted(slices.Values(all)))) != 9 {
		t.Fatalf("events: %v", all)
	}
	object := policy(t, "events",
		fmt.Sprintf("{nodes: All, notifications: [{name: a, url: {key: k}, events: [%s]}]}", strings.Join(all, ", ")))
	checkAnswer(t, tryCreate(t, object), nil)
	list, _, _ := unstructured.NestedSlice(object.Object, "spec", "notifications")
	want := map[string]any{
		"name": "a", "url": map[string]any{"key": "k", "secret": "reboot-operator-notifications"}, "events": toAny(all),
		"drainRefusedSeconds": int64(600), "gateFailingSeconds": int64(900),
	}
	if len(list) != 1 || !cmp.Equal(want, list[0]) {
		t.Errorf("stored (-want +got):\n%s", cmp.Diff(want, list[0]))
	}
}

func toAny(all []string) []any {
	list := make([]any, 0, len(all))
	for _, each := range all {
		list = append(list, each)
	}
	return list
}
