package crd

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drainNumbers and the like are what the other tables have, for what is about the drain and the marks on nodes.
var drainNumbers = map[string]number{
	"excludeFromLoadBalancers.leadSeconds": {min: 0, max: 86400},
}

var drainSpecialFields = []string{"nodeLabels.after", "nodeLabels.during"}

func init() {
	maps.Copy(policyNumbers, drainNumbers)
}

func TestLabelsOfNodesAreAcceptedOrRefusedWithAHint(t *testing.T) {
	const (
		notOthers = "labels of kubernetes.io, k8s.io and reboot-operator.io are not for policies to set: write a key of your own domain"
		noKey     = "a key is not a label key: write a name such as maintenance"
	)
	for name, test := range map[string]struct {
		labels string
		want   []string
	}{
		"labels":                        {labels: `{during: {state: rebooting, example.com/x: ""}, after: {state: fresh}}`},
		"label of Kubernetes":           {`{during: {node.kubernetes.io/x: "1"}}`, []string{"nodeLabels.during", notOthers}},
		"label of Kubernetes, after":    {`{after: {k8s.io/x: "1"}}`, []string{"nodeLabels.after", notOthers}},
		"label of ours":                 {`{during: {reboot-operator.io/skip: ""}}`, []string{notOthers}},
		"label of a domain like theirs": {labels: `{during: {mykubernetes.io/x: "1"}}`},
		"key that is none":              {`{during: {"a b": "1"}}`, []string{noKey}},
		"value that is none":            {`{during: {a: "b c"}}`, []string{"nodeLabels.during", "should match"}},
		"too long a value":              {`{during: {a: ` + long(64) + `}}`, []string{"may not be more than 63"}},
	} {
		t.Run(name, func(t *testing.T) {
			checkAnswer(t, tryCreate(t, policy(t, "labels", `{nodes: All, nodeLabels: `+test.labels+`}`)), test.want)
		})
	}
}

func TestOptionalPartsOfAPolicyHaveDefaultsOfTheirOwn(t *testing.T) {
	stored := policy(t, "optional", "{nodes: All, excludeFromLoadBalancers: {}}")
	checkAnswer(t, tryCreate(t, stored), nil)
	spec, _ := stored.Object["spec"].(map[string]any)
	want := map[string]any{"leadSeconds": int64(30)}
	if diff := cmp.Diff(want, spec["excludeFromLoadBalancers"]); diff != "" {
		t.Errorf("stored exclusion (-want +got):\n%s", diff)
	}
}
