package v1alpha1_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const good = `{"type":"Ready","status":"True","reason":"R","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}`

// conditionAt is the JSON of a condition of a hook.
func conditionAt(time string) string {
	return `{"type":"example.com/x","status":"True","reason":"R","message":"","lastTransitionTime":"` + time + `"}`
}

func TestAListWithWhatCannotBeReadIsDecoded(t *testing.T) {
	t.Parallel()
	for time, readable := range map[string]bool{
		"2026-01-01T00:00:00Z": true, "2026-01-01T00:00:00+23:59": true, "2026-01-01T00:00:00.5Z": true,
		"2026-01-01t00:00:00z": false, "2026-01-01T00:00:00+99:00": false, "0001-01-01T00:00:00Z": false,
		"0000-06-01T00:00:00Z": false, "0001-01-01T00:00:00+01:00": false, "9999-12-31T23:59:59-01:00": false,
	} {
		t.Run(time, func(t *testing.T) {
			t.Parallel()
			var list v1alpha1.NodeRebootList
			text := `{"items":[{"metadata":{"name":"a"},"status":{"conditions":[` + conditionAt(time) + `,` + good + `]}},` +
				`{"metadata":{"name":"b"}}]}`
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				t.Fatal(err)
			}
			first := &list.Items[0]
			if len(list.Items) != 2 || list.Items[1].Name != "b" || len(list.Items[1].Unreadable) > 0 {
				t.Errorf("the items are %v", list.Items)
			}
			if first.SetAside() || readable != (len(first.Unreadable) == 0) || readable != (len(first.Status.Conditions) == 2) {
				t.Errorf("of the first one %v cannot be read, and the conditions are %v", first.Unreadable, first.Status.Conditions)
			}
			said := v1alpha1.UnreadableConditions(first.Unreadable)["example.com/x"]
			if !readable && !strings.Contains(said, "lastTransitionTime") {
				t.Errorf("of the condition it says %q", said)
			}
			if _, err := json.Marshal(first); readable != (err == nil) {
				t.Errorf("to write it says %v", err)
			}
		})
	}
}

func TestWhatIsMoreThanAConditionSetsANodeRebootAside(t *testing.T) {
	t.Parallel()
	for text, aside := range map[string]bool{
		`{"spec":{"nodeName":"a"},"status":{"attempt":{"number":1}}}`:   false,
		`{"spec":{"nodeName":"a"},"status":{"attempt":{"number":"1"}}}`: true,
		`{"spec":{"nodeName":1}}`:                                       true,
		`{"spec":7}`:                                                    true,
		`{"status":{"conditions":[` + conditionAt("x") + `],"report":{"bootTime":"x"}}}`: true,
		`{"status":{"conditions":{}}}`:                                                           true,
		`{"status":{"conditions":[7]}}`:                                                          false,
		`{"status":{"completionTime":"2026-01-01T00:00:00Z"}}`:                                   true,
		`{"status":{"conditions":[` + strings.Repeat("7,", 400) + `7],"attempt":{"number":""}}}`: true,
	} {
		var reboot v1alpha1.NodeReboot
		if err := json.Unmarshal([]byte(text), &reboot); err != nil {
			t.Errorf("%.80s: %v", text, err)
		}
		if reboot.SetAside() != aside {
			t.Errorf("%.80s is set aside: %t; %v", text, reboot.SetAside(), reboot.Unreadable)
		}
	}
	var again v1alpha1.NodeReboot
	for _, text := range []string{`{"spec":7}`, `{"spec":{"nodeName":"a"}}`} {
		if err := json.Unmarshal([]byte(text), &again); err != nil {
			t.Fatal(err)
		}
	}
	if again.SetAside() || again.Spec.NodeName != "a" {
		t.Errorf("one that was repaired is %v", again)
	}
}

func TestTheStatusSetsNoRebootPolicyAside(t *testing.T) {
	t.Parallel()
	for text, aside := range map[string]bool{
		`{"spec":{"nodes":"All"}}`: false,
		`{"spec":{"schedule":{"freezes":[{"name":"x","from":"2026-01-01t00:00:00z"}]}}}`: true,
		`{"spec":{"rollout":{"maxUnavailable":{}}}}`:                                     true,
		`{"status":{"window":{"nextOpeningTime":"x"}}}`:                                  false,
		`{"status":7}`: false,
	} {
		var policy v1alpha1.RebootPolicy
		if err := json.Unmarshal([]byte(text), &policy); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if policy.SetAside() != aside {
			t.Errorf("%s is set aside: %t; %v", text, policy.SetAside(), policy.Unreadable)
		}
	}
	var policy v1alpha1.RebootPolicy
	if err := json.Unmarshal([]byte(`{"status":{"nodes":3,"conditions":[`+good+`]}}`), &policy); err != nil || policy.Status.Nodes != 3 ||
		!slices.Equal(policy.Unreadable, nil) || len(policy.Status.Conditions) != 1 {
		t.Errorf("%v: %v", policy, err)
	}
}
