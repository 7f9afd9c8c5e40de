package crd

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestARebootPolicyIsAcceptedOrRefusedWithAHint(t *testing.T) {
	const (
		sayWhich       = "nodeSelector selects nothing in particular: write matchLabels or matchExpressions, or write 'nodes: All'"
		contradiction  = "nodeSelector and 'nodes: All' contradict each other: remove one of them"
		numberOrPart   = `maxUnavailable is a number of nodes from 0 to 15000, such as 1, or a percentage from "0%" to "100%", such as "10%"`
		nameZoneOnce   = "order names a zone twice: name each zone once"
		ownDomain      = "conditionType needs a domain of your own and a name: write one such as example.com/backup-done"
		numberOrString = `must be of type integer,string: "number"`
	)
	for name, test := range map[string]struct {
		spec string
		want []string
	}{
		"maxUnavailable of zero":            {spec: `{nodes: All, rollout: {maxUnavailable: 0}}`},
		"maxUnavailable as a number":        {spec: `{nodes: All, rollout: {maxUnavailable: 5}}`},
		"maxUnavailable of all nodes":       {spec: `{nodes: All, rollout: {maxUnavailable: 15000}}`},
		"maxUnavailable of zero percent":    {spec: `{nodes: All, rollout: {maxUnavailable: "0%"}}`},
		"maxUnavailable of some percent":    {spec: `{nodes: All, rollout: {maxUnavailable: "10%"}}`},
		"maxUnavailable of all percent":     {spec: `{nodes: All, rollout: {maxUnavailable: "100%"}}`},
		"negative maxUnavailable":           {`{nodes: All, rollout: {maxUnavailable: -1}}`, []string{"spec.rollout.maxUnavailable", numberOrPart}},
		"maxUnavailable beyond any cluster": {`{nodes: All, rollout: {maxUnavailable: 15001}}`, []string{numberOrPart}},
		"maxUnavailable beyond 32 bits":     {`{nodes: All, rollout: {maxUnavailable: 4294967297}}`, []string{numberOrPart}},
		"fraction of a node in quotes":      {`{nodes: All, rollout: {maxUnavailable: "0.5"}}`, []string{numberOrPart}},
		"fraction of a node":                {`{nodes: All, rollout: {maxUnavailable: 0.5}}`, []string{numberOrString}},
		"more than all percent":             {`{nodes: All, rollout: {maxUnavailable: "150%"}}`, []string{numberOrPart}},
		"negative percent":                  {`{nodes: All, rollout: {maxUnavailable: "-10%"}}`, []string{numberOrPart}},
		"fraction of a percent":             {`{nodes: All, rollout: {maxUnavailable: "0.5%"}}`, []string{numberOrPart}},
		"percent with a leading zero":       {`{nodes: All, rollout: {maxUnavailable: "010%"}}`, []string{numberOrPart}},
		"number in quotes":                  {`{nodes: All, rollout: {maxUnavailable: "5"}}`, []string{numberOrPart}},
		"empty maxUnavailable":              {`{nodes: All, rollout: {maxUnavailable: ""}}`, []string{numberOrPart}},
		"percent and a second line":         {`{nodes: All, rollout: {maxUnavailable: "10%\n"}}`, []string{numberOrPart}},

		"an approval by whoever asked":     {spec: `{nodes: All, approval: Require, selfApproval: Allow}`},
		"an approval by someone else":      {spec: `{nodes: All, approval: Require, selfApproval: Refuse}`},
		"no approval, and by someone else": {spec: `{nodes: All, approval: Ignore, selfApproval: Refuse}`},
		"no approval, and by whoever asked": {`{nodes: All, selfApproval: Allow}`, []string{
			"spec.selfApproval", "the policy requires no approval: write 'approval: Require', or remove selfApproval"}},

		"a label":                                {spec: `{nodeSelector: {matchLabels: {pool: a}}}`},
		"an expression":                          {spec: `{nodeSelector: {matchExpressions: [{key: pool, operator: Exists}]}}`},
		"a label, and said so":                   {spec: `{nodes: Selected, nodeSelector: {matchLabels: {pool: a}}}`},
		"nothing said about nodes":               {`{}`, []string{"spec.nodeSelector", sayWhich}},
		"Selected without a selector":            {`{nodes: Selected}`, []string{sayWhich}},
		"empty selector":                         {`{nodeSelector: {}}`, []string{sayWhich}},
		"selector with empty labels":             {`{nodeSelector: {matchLabels: {}}}`, []string{sayWhich}},
		"selector with empty expressions":        {`{nodeSelector: {matchExpressions: []}}`, []string{sayWhich}},
		"selector with empty labels and no more": {`{nodeSelector: {matchLabels: {}, matchExpressions: []}}`, []string{sayWhich}},
		"all nodes":                              {spec: `{nodes: All}`},
		"all nodes and a selector":               {`{nodes: All, nodeSelector: {matchLabels: {pool: a}}}`, []string{contradiction}},
		"all nodes and an empty selector":        {`{nodes: All, nodeSelector: {}}`, []string{contradiction}},
		"unknown way to choose nodes":            {`{nodes: Most}`, []string{`supported values: "All", "Selected"`}},
		"expression without an operator":         {`{nodeSelector: {matchExpressions: [{key: pool}]}}`, []string{"operator: Required value"}},

		"zones in order":                  {spec: `{nodes: All, rollout: {zones: {order: [b, a]}}}`},
		"no zones in order":               {spec: `{nodes: All, rollout: {zones: {order: []}}}`},
		"two zones of the same name":      {`{nodes: All, rollout: {zones: {order: [a, b, a]}}}`, []string{"spec.rollout.zones.order", nameZoneOnce}},
		"zone without a name":             {`{nodes: All, rollout: {zones: {order: [""]}}}`, []string{"order[0]", "at least 1 chars long"}},
		"zone with too long a name":       {`{nodes: All, rollout: {zones: {order: [` + long(64) + `]}}}`, []string{"order[0]", "may not be more than 63"}},
		"as many zones as can be ordered": {spec: `{nodes: All, rollout: {zones: {order: [` + zones(32) + `]}}}`},
		"too many zones in order":         {`{nodes: All, rollout: {zones: {order: [` + zones(33) + `]}}}`, []string{"zones.order", "must have at most 32 items"}},
		"own zone label":                  {spec: `{nodes: All, rollout: {zones: {topologyKey: rack}}}`},
		"empty zone label":                {`{nodes: All, rollout: {zones: {topologyKey: ""}}}`, []string{"topologyKey", "at least 1 chars long"}},
		"too long a zone label":           {`{nodes: All, rollout: {zones: {topologyKey: ` + long(317) + `}}}`, []string{"may not be more than 316"}},

		"a label for groups":          {spec: groups(`label: example.com/rack, maxSize: 2`)},
		"groups of any size":          {groups(`label: example.com/rack`), []string{"rollout.group.maxSize: Required value"}},
		"groups of one":               {groups(`label: a, maxSize: 1`), []string{"group.maxSize", "greater than or equal to 2"}},
		"groups of more than all":     {groups(`label: a, maxSize: 15001`), []string{"group.maxSize", "less than or equal to 15000"}},
		"groups of what":              {groups(`maxSize: 2`), []string{"group.label: Required value"}},
		"an empty label for groups":   {groups(`label: "", maxSize: 2`), []string{"group.label", "at least 1 chars long"}},
		"too long a label for groups": {groups(`label: ` + long(318) + `, maxSize: 2`), []string{"may not be more than 317"}},
		"no label for groups":         {groups(`label: "a b", maxSize: 2`), []string{"label is not a valid label key: write one such as example.com/rack"}},

		"delay between bounds":     {spec: `{nodes: All, rollout: {adaptiveDelay: {minSeconds: 30, maxSeconds: 600}}}`},
		"delay of one length":      {spec: `{nodes: All, rollout: {adaptiveDelay: {minSeconds: 600, maxSeconds: 600}}}`},
		"delay without an end":     {`{nodes: All, rollout: {adaptiveDelay: {}}}`, []string{"adaptiveDelay.maxSeconds: Required value"}},
		"delay the wrong way":      {`{nodes: All, rollout: {adaptiveDelay: {minSeconds: 601, maxSeconds: 600}}}`, []string{"adaptiveDelay.minSeconds", "write the smaller number as minSeconds"}},
		"delay that is too long":   {`{nodes: All, rollout: {adaptiveDelay: {maxSeconds: 86401}}}`, []string{"must be a number of seconds from "}},
		"delay that is negative":   {`{nodes: All, rollout: {adaptiveDelay: {minSeconds: -1, maxSeconds: 5}}}`, []string{"must be a number of seconds from "}},
		"soaking in any order":     {`{nodes: All, rollout: {zones: {strategy: AnyOrder, soakSeconds: 1}}}`, []string{"zones.soakSeconds", "remove soakSeconds, or write 'strategy: OneAtATime'"}},
		"no soaking in any order":  {spec: `{nodes: All, rollout: {zones: {strategy: AnyOrder, soakSeconds: 0, order: []}}}`},
		"an order in any order":    {`{nodes: All, rollout: {zones: {strategy: AnyOrder, order: [a]}}}`, []string{"zones.order", "remove order, or write 'strategy: OneAtATime'"}},
		"any order within a limit": {spec: `{nodes: All, rollout: {zones: {strategy: AnyOrder, maxUnavailablePerZone: 1}}}`},
		"closing without windows":  {`{nodes: All, schedule: {atClose: Continue}}`, []string{"schedule.atClose", "write windows, or remove atClose"}},
		"remaining of nothing":     {`{nodes: All, schedule: {minRemainingSeconds: 5}}`, []string{"schedule.minRemainingSeconds", "write windows or freezes, or remove minRemainingSeconds"}},

		"a reboot via kexec":                  {spec: `{nodes: All, reboot: {via: Kexec}}`},
		"a reboot via kexec, asked of logind": {spec: `{nodes: All, reboot: {via: Kexec, method: Logind}}`},
		"a reboot via kexec, by a command": {`{nodes: All, reboot: {via: Kexec, method: Command}}`, []string{
			"spec.reboot.via", "remove 'via: Kexec', or write 'method: Installed' or 'method: Logind'"}},
		"a reboot via the firmware, by a command": {spec: `{nodes: All, reboot: {via: Firmware, method: Command}}`},
		"a reboot via something else":             {`{nodes: All, reboot: {via: Warm}}`, []string{`supported values: "Firmware", "Kexec"`}},

		"a trigger":                  {spec: triggers(`{type: KernelDeadlock}`)},
		"a trigger in full":          {spec: triggers(`{type: NTPProblem, status: "False", minSeconds: 0}`)},
		"a trigger without a type":   {triggers(`{minSeconds: 5}`), []string{"type: Required value"}},
		"a trigger twice":            {triggers(`{type: A}, {type: A}`), []string{"nodeConditions[1]", "Duplicate value"}},
		"readiness as a trigger":     {triggers(`{type: Ready, status: "False"}`), []string{"a reboot itself changes this condition, so it cannot ask for one"}},
		"our condition as a trigger": {triggers(`{type: Drained}`), []string{"name a condition that reports a problem, such as KernelDeadlock"}},
		"Unknown as a trigger":       {triggers(`{type: A, status: Unknown}`), []string{`supported values: "False", "True"`}},
		"a trigger of too long":      {triggers(`{type: A, minSeconds: 86401}`), []string{"must be a number of seconds from "}},

		"a hook":                             {spec: hooks(`{conditionType: example.com/backup-done}`)},
		"a hook with all that it may have":   {spec: hooks(`{conditionType: example.com/b, timeoutSeconds: 604800, onTimeout: Continue}`)},
		"two hooks of one type in a stage":   {hooks(`{conditionType: a.b/c}`, `{conditionType: a.b/c}`), []string{"hooks.beforeDrain[1]", "Duplicate value"}},
		"as many hooks as there may be":      {spec: hooks(strings.Fields(strings.Repeat("x ", 8))...)},
		"too many hooks":                     {hooks(strings.Fields(strings.Repeat("x ", 9))...), []string{"must have at most 8 items"}},
		"a hook without a type":              {hooks(`{timeoutSeconds: 5}`), []string{"conditionType: Required value"}},
		"a hook without a domain":            {hooks(`{conditionType: BackupDone}`), []string{"conditionType", ownDomain}},
		"a hook of the operator's domain":    {hooks(`{conditionType: reboot-operator.io/x}`), []string{ownDomain}},
		"a hook without a name":              {hooks(`{conditionType: example.com/}`), []string{ownDomain}},
		"a hook of too long a type":          {hooks(`{conditionType: a.b/` + long(313) + `}`), []string{"may not be more than 316"}},
		"a hook that is not waited for":      {hooks(`{conditionType: a.b/c, timeoutSeconds: 0}`), []string{"timeoutSeconds", "must be a number of seconds from "}},
		"a hook that is waited for too long": {hooks(`{conditionType: a.b/c, timeoutSeconds: 604801}`), []string{"must be a number of seconds from "}},
		"a hook with another answer":         {hooks(`{conditionType: a.b/c, onTimeout: Force}`), []string{`supported values: "Abort", "Continue"`}},

		"timeout of zero":                {`{nodes: All, drain: {timeoutSeconds: 0}}`, []string{"drain.timeoutSeconds", "must be a number of seconds from "}},
		"timeout as a duration":          {`{nodes: All, drain: {timeoutSeconds: 10m}}`, []string{"drain.timeoutSeconds", "must be a number of seconds from 1 to 86400: write 1800 for 30m"}},
		"unknown field":                  {`{nodes: All, maxUnavailable: 1}`, []string{`unknown field "spec.maxUnavailable"`}},
		"unknown field below":            {`{nodes: All, rollout: {maxUnavailble: 1}}`, []string{`unknown field "spec.rollout.maxUnavailble"`}},
		"field of another capital":       {`{nodes: All, rollout: {maxunavailable: 1}}`, []string{`unknown field "spec.rollout.maxunavailable"`}},
		"command to run on every host":   {`{nodes: All, reboot: {command: [sh]}}`, []string{`unknown field "spec.reboot.command"`}},
		"spec that is a list":            {`[]`, []string{"must be of type object"}},
		"null where there is a fallback": {spec: `{nodes: All, rollout: null}`},
	} {
		t.Run(name, func(t *testing.T) {
			checkAnswer(t, tryCreate(t, policy(t, "table", test.spec)), test.want)
		})
	}
}

func TestAPolicyWithoutASpecIsRefused(t *testing.T) {
	bare := object(t, `{apiVersion: reboot-operator.io/v1alpha1, kind: RebootPolicy, metadata: {name: bare}}`)
	checkAnswer(t, tryCreate(t, bare), []string{"spec: Required value"})
}

func TestRulesOfAPolicyHoldForChangesToo(t *testing.T) {
	stored := create(t, policy(t, "changes", "{nodeSelector: {matchLabels: {pool: a}}}"))
	unstructured.RemoveNestedField(stored.Object, "spec", "nodeSelector")
	checkAnswer(t, strict.Update(t.Context(), stored), []string{"nodeSelector selects nothing in particular"})

	emptied := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"nodeSelector":{"matchLabels":{"pool":null}}}}`))
	checkAnswer(t, strict.Patch(t.Context(), stored, emptied), []string{"nodeSelector selects nothing in particular"})
	turned := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"nodes":"All","nodeSelector":null}}`))
	checkAnswer(t, strict.Patch(t.Context(), stored, turned), nil)
}

func triggers(each string) string { return "{nodes: All, triggers: {nodeConditions: [" + each + "]}}" }

// groups is a policy whose nodes go in groups.
func groups(group string) string { return "{nodes: All, rollout: {group: {" + group + "}}}" }

// hooks is a policy with hooks before the drain; an x is one of a type of its own.
func hooks(each ...string) string {
	for i := range each {
		if each[i] == "x" {
			each[i] = fmt.Sprintf("{conditionType: example.com/hook-%d}", i)
		}
	}
	return "{nodes: All, hooks: {beforeDrain: [" + strings.Join(each, ", ") + "]}}"
}

// long is a word of n letters.
func long(n int) string {
	return strings.Repeat("z", n)
}

// zones lists n different zones.
func zones(n int) string {
	var all []string
	for i := range n {
		all = append(all, "z"+strings.Repeat("x", i))
	}
	return strings.Join(all, ", ")
}
