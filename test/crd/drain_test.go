package crd

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drainNumbers and the like are what the other tables have, for what is about the drain and the marks on nodes.
var drainNumbers = map[string]number{
	"excludeFromLoadBalancers.leadSeconds": {min: 0, max: 86400},
}

var drainChoices = map[string]choice{
	"drain.mode":          {values: []string{"Drain", "Skip"}, fallback: "Drain"},
	"drain.emptyDir":      {values: []string{"Delete", "Refuse"}, fallback: "Delete"},
	"drain.unmanaged":     {values: []string{"Evict", "Refuse"}, fallback: "Evict"},
	"drain.returningPods": {values: []string{"Ignore", "Refuse"}, fallback: "Ignore"},
	"drain.onTimeout":     {values: []string{"Abort", "Force"}, fallback: "Abort"},
}

// drainSpecialFields have cases below: most are parts of something that is optional and then has to be whole.
var drainSpecialFields = []string{
	"drain.adaptiveDelay.maxSeconds", "drain.adaptiveDelay.minSeconds", "drain.stages", "drain.waitForPods.onTimeout",
	"drain.waitForPods.podSelector", "drain.waitForPods.timeoutSeconds", "nodeLabels.after", "nodeLabels.during",
}

func init() {
	maps.Copy(policyNumbers, drainNumbers)
	maps.Copy(policyChoices, drainChoices)
}

func TestADrainIsAcceptedOrRefusedWithAHint(t *testing.T) {
	const skipsNothing = "mode Skip evicts nothing: remove stages and onTimeout, or write 'mode: Drain'"
	const detachesNothing = "mode Skip evicts nothing, so no volume is detached: remove volumeDetachSeconds, or write 'mode: Drain'"
	const returnsNothing = "mode Skip evicts nothing, so no pod returns: remove returningPods, or write 'mode: Drain'"
	stages := func(n int) string { return "{stages: [" + strings.Repeat("{podSelector: a}, ", n) + "]}" }
	for name, test := range map[string]struct {
		drain string
		want  []string
	}{
		"skipped":                      {drain: `{mode: Skip, waitForPods: {podSelector: a}, delaySeconds: 5}`},
		"skipped in stages":            {`{mode: Skip, stages: [{podSelector: a}]}`, []string{"drain.mode", skipsNothing}},
		"skipped and forced":           {`{mode: Skip, onTimeout: Force}`, []string{skipsNothing}},
		"skipped with volumes":         {`{mode: Skip, volumeDetachSeconds: 1}`, []string{"drain.volumeDetachSeconds", detachesNothing}},
		"skipped with no wait":         {drain: `{mode: Skip, volumeDetachSeconds: 0}`},
		"skipped with returning pods":  {`{mode: Skip, returningPods: Refuse}`, []string{"drain.returningPods", returnsNothing}},
		"skipped, returning or not":    {drain: `{mode: Skip, returningPods: Ignore}`},
		"waiting for volumes":          {drain: `{mode: Drain, volumeDetachSeconds: 300}`},
		"as many stages as can be":     {drain: stages(8)},
		"too many stages":              {stages(9), []string{"drain.stages", "must have at most 8 items"}},
		"no stage":                     {stages(0), []string{"drain.stages", "should have at least 1 items"}},
		"stage of nothing":             {`{stages: [{}]}`, []string{"stages[0].podSelector: Required value"}},
		"stage of everything":          {`{stages: [{podSelector: ""}]}`, []string{"podSelector", "at least 1 chars long"}},
		"stage of too long a selector": {`{stages: [{podSelector: ` + long(1025) + `}]}`, []string{"may not be more than 1024"}},
		"pods to wait for":             {drain: `{waitForPods: {podSelector: "kind in (job)", timeoutSeconds: 604800, onTimeout: Abort}}`},
		"waiting for nothing":          {`{waitForPods: {}}`, []string{"waitForPods.podSelector: Required value"}},
		"waiting for everything":       {`{waitForPods: {podSelector: ""}}`, []string{"at least 1 chars long"}},
		"waiting for too long":         {`{waitForPods: {podSelector: a, timeoutSeconds: 604801}}`, []string{"less than or equal to 604800"}},
		"waiting for no time":          {`{waitForPods: {podSelector: a, timeoutSeconds: 0}}`, []string{"greater than or equal to 1"}},
		"waiting, and then what":       {`{waitForPods: {podSelector: a, onTimeout: Force}}`, []string{`supported values: "Abort", "Proceed"`}},
		"delay between bounds":         {drain: `{adaptiveDelay: {minSeconds: 30, maxSeconds: 600}}`},
		"delay of one length":          {drain: `{adaptiveDelay: {minSeconds: 600, maxSeconds: 600}}`},
		"delay without an end":         {`{adaptiveDelay: {}}`, []string{"adaptiveDelay.maxSeconds: Required value"}},
		"delay the wrong way round":    {`{adaptiveDelay: {minSeconds: 601, maxSeconds: 600}}`, []string{"adaptiveDelay.minSeconds", "minSeconds is more than maxSeconds: write the smaller number as minSeconds"}},
		"delay that is too long":       {`{adaptiveDelay: {maxSeconds: 86401}}`, []string{"less than or equal to 86400"}},
		"delay that is negative":       {`{adaptiveDelay: {minSeconds: -1, maxSeconds: 5}}`, []string{"greater than or equal to 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			checkAnswer(t, tryCreate(t, policy(t, "drain", `{nodes: All, drain: `+test.drain+`}`)), test.want)
		})
	}
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
	stored := policy(t, "optional", `{nodes: All, excludeFromLoadBalancers: {},
		drain: {waitForPods: {podSelector: a}, adaptiveDelay: {maxSeconds: 5}}}`)
	checkAnswer(t, tryCreate(t, stored), nil)
	spec, _ := stored.Object["spec"].(map[string]any)
	drain, _ := spec["drain"].(map[string]any)
	for name, part := range map[string]struct{ want, got any }{
		"exclusion": {map[string]any{"leadSeconds": int64(30)}, spec["excludeFromLoadBalancers"]},
		"wait": {
			map[string]any{"podSelector": "a", "timeoutSeconds": int64(3600), "onTimeout": "Proceed"}, drain["waitForPods"],
		},
		"delay": {map[string]any{"minSeconds": int64(0), "maxSeconds": int64(5)}, drain["adaptiveDelay"]},
	} {
		if diff := cmp.Diff(part.want, part.got); diff != "" {
			t.Errorf("stored %s (-want +got):\n%s", name, diff)
		}
	}
}
