package crd

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/test/loose"
)

// number is what a field that holds a number may be.
type number struct {
	min, max int64
	// fallback is what is stored where the field is not set; nil means nothing.
	fallback any
	// below is what a rule says about the number below the least one; the schema says it if this is empty.
	below string
	// also is what the field has an effect with.
	also map[string]any
}

// choice is what a field that holds one of several words may be.
type choice struct {
	values   []string
	fallback any
	// with is the field that belongs to a value, and what it says then; also is the field with which every value has an effect.
	with map[string][2]string
	also map[string]any
	// rule is what a rule says about another value; the schema says it if this is empty.
	rule string
}

// policyNumbers and the maps below are what users may rely on. They are written down a second time here so that a limit does not change by
// accident.
var policyNumbers = map[string]number{
	"priority":                       {min: -1000000, max: 1000000, fallback: int64(0)},
	"rollout.canary.soakSeconds":     {min: 0, max: 2592000},
	"rollout.minIntervalSeconds":     {min: 0, max: 31536000, fallback: int64(3600)},
	"rollout.zones.soakSeconds":      {min: 0, max: 2592000, fallback: int64(0)},
	"drain.delaySeconds":             {min: 0, max: 86400, fallback: int64(0)},
	"drain.timeoutSeconds":           {min: 1, max: 86400, fallback: int64(600)},
	"drain.gracePeriodSeconds":       {min: 0, max: 86400},
	"drain.skipWaitForDeleteSeconds": {min: 1, max: 86400},
	"reboot.delaySeconds":            {min: 0, max: 86400, fallback: int64(0)},
	"reboot.timeoutSeconds":          {min: 1, max: 86400, fallback: int64(900)},
	"recovery.settleSeconds":         {min: 0, max: 86400, fallback: int64(0)},
	"recovery.timeoutSeconds":        {min: 1, max: 604800, fallback: int64(1800)},
	"failure.maxAttempts":            {min: 1, max: 100, fallback: int64(3)},
	"failure.backoffSeconds":         {min: 1, max: 86400, fallback: int64(600)},
	"failure.nodeGoneTimeoutSeconds": {min: 60, max: 31536000},
	"history.succeeded":              {min: 1, max: 5, fallback: int64(1)},
	"history.failed":                 {min: 1, max: 5, fallback: int64(1)},
	"history.cancelled":              {min: 0, max: 2, fallback: int64(1)},
}

var policyChoices = map[string]choice{
	"mode":                   {values: []string{"Enforce", "Observe", "Paused"}, fallback: "Enforce"},
	"approval":               {values: []string{"Ignore", "Require"}, fallback: "Ignore", rule: "write Require or Ignore (Required is now Require, NotRequired is now Ignore)"},
	"selfApproval":           {values: []string{"Allow", "Refuse"}, fallback: "Refuse", with: map[string][2]string{"Allow": {"approval", "Require"}}},
	"taint.effect":           {values: []string{"NoSchedule", "None", "PreferNoSchedule"}, fallback: "PreferNoSchedule"},
	"rollout.zones.strategy": {values: []string{"AnyOrder", "OneAtATime"}, fallback: "OneAtATime"},
	"rollout.controlPlane":   {values: []string{"First", "Last"}, fallback: "Last"},
	"rollout.nodeOrder":      {values: []string{"FewestMoves", "LongestRequired"}, fallback: "FewestMoves"},
	"reboot.method":          {values: []string{"Command", "Installed", "Logind", "Signal"}, fallback: "Installed"},
	"reboot.via":             {values: []string{"Firmware", "Kexec"}, fallback: "Firmware"},
	"gates.capacity":         {values: []string{"Ignore", "Require"}, fallback: "Ignore"},
	"recovery.workloads":     {values: []string{"Ignore", "Require"}, fallback: "Require", rule: "write Require or Ignore (Wait is now Require)"},
}

var rebootChoices = map[string]choice{
	"approval": {values: []string{"Given", "NotGiven"}, fallback: "NotGiven", with: map[string][2]string{"Given": {"approvedBy", "x"}}},
	"trigger":  {values: []string{"Manual", "NodeCondition", "Sentinel"}, fallback: "Manual", with: map[string][2]string{"NodeCondition": {"conditionType", "x"}}},
	"urgency":  {values: []string{"Immediate", "Normal"}, fallback: "Normal"},
}

// specialFields have cases of their own in the other tables.
var (
	policySpecialFields = []string{
		"failure.maxConsecutiveFailures", "failure.maxFailures", "hooks.afterReboot", "hooks.beforeDrain", "hooks.beforeReboot",
		"gates.alertmanager", "gates.objects", "gates.pods", "gates.prometheus",
		"nodeSelector.matchExpressions", "nodeSelector.matchLabels", "nodes", "notifications", "recovery.objects",
		"rollout.adaptiveDelay.maxSeconds", "rollout.adaptiveDelay.minSeconds", "rollout.canary.count",
		"rollout.group.label", "rollout.group.maxSize", "rollout.maxUnavailable", "rollout.zones.maxUnavailablePerZone",
		"rollout.zones.order", "rollout.zones.topologyKey", "silences", "triggers.nodeConditions",
	}
	rebootSpecialFields = []string{"approvedBy", "bootID", "conditionType", "nodeName", "reason", "requestedBy"}
)

func TestEveryFieldOfASpecIsInATable(t *testing.T) {
	for file, want := range map[string][]string{
		"reboot-operator.io_rebootpolicies.yaml": slices.Concat(keys(policyNumbers), keys(policyChoices),
			policySpecialFields, drainSpecialFields, scheduleSpecialFields, removedFields()),
		"reboot-operator.io_nodereboots.yaml": slices.Concat(keys(rebootChoices), rebootSpecialFields),
	} {
		t.Run(file, func(t *testing.T) {
			var got []string
			spec := readSchema(t, file).Properties["spec"]
			leaves(spec, "", &got)
			slices.Sort(got)
			slices.Sort(want)
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("fields in the tables (-) and in the schema (+):\n%s", diff)
			}
		})
	}
}

func TestNumbersOfAPolicyHaveBounds(t *testing.T) {
	for path, limits := range policyNumbers {
		t.Run(path, func(t *testing.T) {
			try := func(value int64, want ...string) {
				t.Helper()
				object := withSpec(withSpec(policy(t, "bounds", "{nodes: All}"), nested(path, value)), runtime.DeepCopyJSON(limits.also))
				checkAnswer(t, tryCreate(t, object), want)
			}
			try(limits.min)
			try(limits.max)
			below, above := "should be greater than or equal to ", "should be less than or equal to "
			if strings.HasSuffix(path, "Seconds") {
				below = fmt.Sprintf("must be a number of seconds from %d to %d", limits.min, limits.max)
				above = below
			}
			try(limits.min-1, "spec."+path, cmp.Or(limits.below, below))
			try(limits.max+1, "spec."+path, above)
		})
	}
}

func TestChoicesAreClosed(t *testing.T) {
	newPolicy := func() *unstructured.Unstructured { return policy(t, "choices", "{nodes: All}") }
	newReboot := func() *unstructured.Unstructured { return nodeReboot(t, "choices", "{nodeName: n1}") }
	for name, group := range map[string]struct {
		choices map[string]choice
		base    func() *unstructured.Unstructured
	}{
		"RebootPolicy": {policyChoices, newPolicy},
		"NodeReboot":   {rebootChoices, newReboot},
	} {
		for path, words := range group.choices {
			t.Run(name+" "+path, func(t *testing.T) {
				for _, value := range words.values {
					chosen := withSpec(group.base(), nested(path, value))
					if also := words.with[value]; also[0] != "" {
						chosen = withSpec(chosen, nested(also[0], also[1]))
					}
					chosen = withSpec(chosen, runtime.DeepCopyJSON(words.also))
					checkAnswer(t, tryCreate(t, chosen), nil)
				}
				supported := cmp.Or(words.rule, `supported values: "`+strings.Join(words.values, `", "`)+`"`)
				for _, value := range []string{"Sometimes", "", strings.ToLower(words.values[0])} {
					checkAnswer(t, tryCreate(t, withSpec(group.base(), nested(path, value))), []string{"spec." + path, supported})
				}
			})
		}
	}
}

func TestWhatIsStoredIsWhatWillHappen(t *testing.T) {
	want := map[string]any{"nodes": "All"}
	merge(want, nested("rollout.maxUnavailable", int64(1)))
	merge(want, nested("failure.maxFailures", int64(1)))
	merge(want, nested("failure.maxConsecutiveFailures", int64(3)))
	merge(want, nested("rollout.zones.topologyKey", "topology.kubernetes.io/zone"))
	merge(want, nested("schedule.timeZone", "UTC"))
	for path, field := range policyNumbers {
		if field.fallback != nil {
			merge(want, nested(path, field.fallback))
		}
	}
	for path, field := range policyChoices {
		merge(want, nested(path, field.fallback))
	}
	bare := policy(t, "bare", "{nodes: All}")
	checkAnswer(t, tryCreate(t, bare), nil)
	if diff := gocmp.Diff(want, bare.Object["spec"]); diff != "" {
		t.Errorf("stored spec of a policy that says only nodes: All (-want +got):\n%s", diff)
	}

	partly := policy(t, "partly", "{nodes: All, rollout: {zones: {}}, drain: {delaySeconds: 5}}")
	merge(want, nested("drain.delaySeconds", int64(5)))
	checkAnswer(t, tryCreate(t, partly), nil)
	if diff := gocmp.Diff(want, partly.Object["spec"]); diff != "" {
		t.Errorf("stored spec of a policy that sets a part of a struct (-want +got):\n%s", diff)
	}

	canary := policy(t, "canary", "{nodes: All, rollout: {canary: {}}}")
	checkAnswer(t, tryCreate(t, canary), nil)
	wantCanary := map[string]any{"count": int64(1), "soakSeconds": int64(3600)}
	if got, _, _ := unstructured.NestedMap(canary.Object, "spec", "rollout", "canary"); !gocmp.Equal(wantCanary, got) {
		t.Errorf("stored canary of a policy that says no more: %v, want %v", got, wantCanary)
	}

	reboot := nodeReboot(t, "bare", "{nodeName: n1}")
	checkAnswer(t, tryCreate(t, reboot), nil)
	wantReboot := map[string]any{"nodeName": "n1", "trigger": "Manual", "urgency": "Normal", "approval": "NotGiven"}
	if diff := gocmp.Diff(wantReboot, reboot.Object["spec"]); diff != "" {
		t.Errorf("stored spec of a NodeReboot that says only which node (-want +got):\n%s", diff)
	}
}

// readSchema reads the schema of a kind from its generated file.
// Before Kubernetes 1.36 the API server takes more than 32 bits where the format says int32, and then no client can read the object.
func TestWhatHas32BitsHasBoundsOfItsOwn(t *testing.T) {
	for _, file := range []string{"reboot-operator.io_rebootpolicies.yaml", "reboot-operator.io_nodereboots.yaml"} {
		unbounded(readSchema(t, file), "", func(path string) { t.Errorf("%s: %s has no bounds", file, path) })
	}
}

// unbounded finds the fields of 32 bits without a minimum or a maximum.
func unbounded(schema apiextensionsv1.JSONSchemaProps, path string, found func(string)) {
	if schema.Format == "int32" && (schema.Minimum == nil || schema.Maximum == nil) {
		found(path)
	}
	for name, property := range schema.Properties {
		unbounded(property, path+"."+name, found)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		unbounded(*schema.Items.Schema, path+"[]", found)
	}
}

// What the schema takes has to fit into the types of Go.
func TestTimesAndWhatHas64BitsAreBounded(t *testing.T) {
	// These have a rule: a type of Kubernetes cannot have a pattern, and people may write an offset.
	ruled := []string{
		".status.conditions[].lastTransitionTime", ".status.conditions[].observedGeneration",
		".spec.schedule.freezes[].from", ".spec.schedule.freezes[].to",
		// And these are refused, whatever is in them.
		".spec.drain.adaptiveDelay.maxSeconds", ".spec.drain.adaptiveDelay.minSeconds", ".spec.excludeFromLoadBalancers.leadSeconds",
		".spec.failure.maxDeferralSeconds",
	}
	for _, file := range []string{"reboot-operator.io_rebootpolicies.yaml", "reboot-operator.io_nodereboots.yaml"} {
		schema := readSchema(t, file)
		loose.Walk(&schema, "", func(path string, s *apiextensionsv1.JSONSchemaProps) {
			free := s.Format == "date-time" && s.Pattern == "" || s.Format == "int64" && s.Maximum == nil
			if free && !slices.Contains(ruled, path) {
				t.Errorf("%s: %s is not bounded", file, path)
			}
		})
	}
}

func readSchema(t *testing.T, file string) apiextensionsv1.JSONSchemaProps {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", file))
	if err != nil {
		t.Fatal(err)
	}
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	return *definition.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// leaves collects the paths of all fields that have no fields of their own.
func leaves(schema apiextensionsv1.JSONSchemaProps, path string, into *[]string) {
	if len(schema.Properties) == 0 {
		*into = append(*into, path)
		return
	}
	for name, property := range schema.Properties {
		leaves(property, strings.TrimPrefix(path+"."+name, "."), into)
	}
}

// podSelectorFields are the fields of a selector of pods.
func podSelectorFields(path string) []string {
	return []string{path + ".matchAnnotations", path + ".matchExpressions", path + ".matchLabels"}
}

func keys[V any](of map[string]V) []string {
	var all []string
	for key := range of {
		all = append(all, key)
	}
	return all
}
