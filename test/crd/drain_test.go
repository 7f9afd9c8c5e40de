package crd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drainNumbers and the like are what the other tables have, for what is about the drain and the marks on nodes.
var drainNumbers = map[string]number{
	"drain.excludeFromLoadBalancers.leadSeconds": {min: 0, max: 86400},
	"drain.volumeDetachSeconds":                  {min: 1, max: 86400, below: "remove volumeDetachSeconds to wait for none"},
}

var drainChoices = map[string]choice{
	"drain.mode":          {values: []string{"Drain", "Skip"}, fallback: "Drain"},
	"drain.emptyDir":      {values: []string{"Delete", "Refuse"}, fallback: "Delete"},
	"drain.unmanaged":     {values: []string{"Evict", "Refuse"}, fallback: "Evict"},
	"drain.returningPods": {values: []string{"Ignore", "Refuse"}, fallback: "Ignore"},
	"drain.onTimeout":     {values: []string{"Abort", "Force"}, fallback: "Abort"},
}

// drainSpecialFields have cases below: most are parts of something that is optional and then has to be whole.
var drainSpecialFields = slices.Concat([]string{
	"drain.stages", "drain.waitForPods.onTimeout", "drain.waitForPods.timeoutSeconds", "nodeLabels.after", "nodeLabels.during",
}, podSelectorFields("drain.selector"), podSelectorFields("drain.waitForPods.selector"))

func init() {
	maps.Copy(policyNumbers, drainNumbers)
	maps.Copy(policyChoices, drainChoices)
}

func TestADrainIsAcceptedOrRefusedWithAHint(t *testing.T) {
	const (
		job       = "selector: {matchLabels: {app: a}}"
		needsOne  = "needs a selector: write one with matchLabels, matchExpressions or matchAnnotations"
		whichPods = "an empty selector does not say which pods are meant: write matchLabels, matchExpressions or matchAnnotations"
	)
	stages := func(n int) string { return "{stages: [" + strings.Repeat("{"+job+"}, ", n) + "]}" }
	for name, test := range map[string]struct {
		drain string
		want  []string
	}{
		"waiting for volumes":      {drain: `{mode: Drain, volumeDetachSeconds: 300}`},
		"some pods":                {drain: `{` + job + `}`},
		"some pods by annotation":  {drain: `{selector: {matchAnnotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: "true"}}}`},
		"no pods in particular":    {`{selector: {}}`, []string{"spec.drain.selector", whichPods}},
		"as many stages as can be": {drain: stages(8)},
		"too many stages":          {stages(9), []string{"drain.stages", "must have at most 8 items"}},
		"no stage":                 {stages(0), []string{"drain.stages", "should have at least 1 items"}},
		"stage of nothing":         {`{stages: [{}]}`, []string{"stages[0]", "a stage " + needsOne}},
		"stage of everything":      {`{stages: [{selector: {matchLabels: {}}}]}`, []string{"stages[0].selector", whichPods}},
		"pods to wait for": {
			drain: `{waitForPods: {selector: {matchExpressions: [{key: kind, operator: In, values: [job]}]}, ` +
				`timeoutSeconds: 604800, onTimeout: Abort}}`,
		},
		"waiting for nothing":    {`{waitForPods: {}}`, []string{"drain.waitForPods", "waitForPods " + needsOne}},
		"waiting for everything": {`{waitForPods: {selector: {matchExpressions: []}}}`, []string{"waitForPods.selector", whichPods}},
		"waiting for too long":   {`{waitForPods: {` + job + `, timeoutSeconds: 604801}}`, []string{"must be a number of seconds from "}},
		"waiting for no time":    {`{waitForPods: {` + job + `, timeoutSeconds: 0}}`, []string{"must be a number of seconds from "}},
		"waiting, and then what": {`{waitForPods: {` + job + `, onTimeout: Force}}`, []string{"waitForPods.onTimeout", "write Abort or Continue"}},
	} {
		t.Run(name, func(t *testing.T) {
			checkAnswer(t, tryCreate(t, policy(t, "drain", `{nodes: All, drain: `+test.drain+`}`)), test.want)
		})
	}
}

// What has no effect on a node that is not drained is refused, and what says the same as if it were not there is not.
func TestADrainThatIsSkippedHasNoSettings(t *testing.T) {
	for field, value := range map[string]string{
		"selector": "{matchLabels: {a: b}}", "stages": "[{selector: {matchLabels: {a: b}}}]", "onTimeout": "Force", "timeoutSeconds": "601",
		"emptyDir": "Refuse", "unmanaged": "Refuse", "returningPods": "Refuse", "gracePeriodSeconds": "0", "skipWaitForDeleteSeconds": "5",
		"volumeDetachSeconds": "1",
	} {
		t.Run(field, func(t *testing.T) {
			written := fmt.Sprintf("%s: %s", field, value)
			checkAnswer(t, tryCreate(t, policy(t, "skip", `{nodes: All, drain: {mode: Skip, `+written+`}}`)),
				[]string{"spec.drain." + field, "mode Skip evicts nothing", "remove " + field + ", or write 'mode: Drain'"})
			checkAnswer(t, tryCreate(t, policy(t, "skip", `{nodes: All, drain: {mode: Drain, `+written+`}}`)), nil)
		})
	}
	for name, spec := range map[string]string{
		"defaults": `{mode: Skip, onTimeout: Abort, timeoutSeconds: 600, emptyDir: Delete, unmanaged: Evict, returningPods: Ignore}`,
		"what comes before": `{mode: Skip, delaySeconds: 5, waitForPods: {selector: {matchLabels: {a: b}}}, ` +
			`excludeFromLoadBalancers: {}}`,
	} {
		t.Run(name, func(t *testing.T) {
			checkAnswer(t, tryCreate(t, policy(t, "skip", `{nodes: All, drain: `+spec+`}`)), nil)
		})
	}
	checkAnswer(t, tryCreate(t, policy(t, "skip", `{nodes: All, drain: {mode: Skip}, gates: {capacity: Require}}`)),
		[]string{"spec.gates.capacity", "drain.mode Skip evicts nothing, so no pod needs room: remove capacity, or write 'mode: Drain'"})
}

func TestLabelsOfNodesAreAcceptedOrRefusedWithAHint(t *testing.T) {
	const (
		notOthers = "policies cannot set labels of kubernetes.io, k8s.io and reboot-operator.io: write a key of your own domain"
		noKey     = "a key is not a valid label key: write a name such as maintenance"
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
		"value that is none":            {`{during: {a: "b c"}}`, []string{"nodeLabels.during", "not a valid label value: write up to 63 letters, digits,"}},
		"too long a value":              {`{during: {a: ` + long(64) + `}}`, []string{"may not be more than 63"}},
	} {
		t.Run(name, func(t *testing.T) {
			checkAnswer(t, tryCreate(t, policy(t, "labels", `{nodes: All, nodeLabels: `+test.labels+`}`)), test.want)
		})
	}
}

func TestOptionalPartsOfAPolicyHaveDefaultsOfTheirOwn(t *testing.T) {
	stored := policy(t, "optional", `{nodes: All, rollout: {adaptiveDelay: {maxSeconds: 5}},
		drain: {waitForPods: {selector: {matchLabels: {a: b}}}, excludeFromLoadBalancers: {}}}`)
	checkAnswer(t, tryCreate(t, stored), nil)
	spec, _ := stored.Object["spec"].(map[string]any)
	drain, _ := spec["drain"].(map[string]any)
	rollout, _ := spec["rollout"].(map[string]any)
	for name, part := range map[string]struct{ want, got any }{
		"exclusion": {map[string]any{"leadSeconds": int64(30)}, drain["excludeFromLoadBalancers"]},
		"wait": {
			map[string]any{
				"selector": map[string]any{"matchLabels": map[string]any{"a": "b"}}, "timeoutSeconds": int64(3600), "onTimeout": "Continue",
			}, drain["waitForPods"],
		},
		"delay": {map[string]any{"minSeconds": int64(0), "maxSeconds": int64(5)}, rollout["adaptiveDelay"]},
	} {
		if diff := cmp.Diff(part.want, part.got); diff != "" {
			t.Errorf("stored %s (-want +got):\n%s", name, diff)
		}
	}
}
