package crd

import (
	"context"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestANodeRebootIsAcceptedOrRefusedWithAHint(t *testing.T) {
	for name, test := range map[string]struct {
		spec string
		want []string
	}{
		"a node":                  {spec: `{nodeName: n1}`},
		"a node with a long name": {spec: `{nodeName: ` + long(253) + `}`},
		"a reason":                {spec: `{nodeName: n1, reason: firmware, trigger: Sentinel, urgency: Immediate}`},
		"an empty reason":         {spec: `{nodeName: n1, reason: ""}`},
		"a condition":             {spec: `{nodeName: n1, trigger: NodeCondition, conditionType: KernelDeadlock}`},
		"a boot that asks":        {spec: `{nodeName: n1, trigger: Sentinel, bootID: b1}`},
		"a boot with another trigger": {`{nodeName: n1, bootID: b1}`, []string{
			"spec.bootID", "bootID goes only with 'trigger: Sentinel': remove it"}},
		"too long a boot": {`{nodeName: n1, trigger: Sentinel, bootID: ` + long(129) + `}`, []string{"may not be more than 128"}},
		"a condition with another trigger": {`{nodeName: n1, conditionType: KernelDeadlock}`, []string{
			"spec.conditionType", "conditionType goes only with 'trigger: NodeCondition': write both or neither"}},
		"the trigger without a condition": {`{nodeName: n1, trigger: NodeCondition}`, []string{"write both or neither"}},
		"too long a condition":            {`{nodeName: n1, trigger: NodeCondition, conditionType: ` + long(317) + `}`, []string{"may not be more than 316"}},
		"an approval and whose":           {spec: `{nodeName: n1, approval: Given, approvedBy: bob, requestedBy: alice}`},
		"an approval of nobody": {`{nodeName: n1, approval: Given}`, []string{
			"spec.approvedBy", "'approval: Given' goes with approvedBy, your user name as 'kubectl auth whoami' prints it: write both, or neither"}},
		"a name without an approval":      {`{nodeName: n1, approvedBy: bob}`, []string{"spec.approvedBy", "write both, or neither to withdraw an approval"}},
		"too long a name of who approves": {`{nodeName: n1, approval: Given, approvedBy: ` + long(513) + `}`, []string{"spec.approvedBy", "may not be more than 512"}},
		"too long a name of who asks":     {`{nodeName: n1, requestedBy: ` + long(513) + `}`, []string{"spec.requestedBy", "may not be more than 512"}},
		"no node":                         {`{reason: firmware}`, []string{"spec.nodeName: Required value"}},
		"node without a name":             {`{nodeName: ""}`, []string{"spec.nodeName", "at least 1 chars long"}},
		"node with too long name":         {`{nodeName: ` + long(254) + `}`, []string{"spec.nodeName", "may not be more than 253"}},
		"too long a reason":               {`{nodeName: n1, reason: ` + long(1025) + `}`, []string{"spec.reason", "may not be more than 1024"}},
		"several nodes":                   {`{nodeName: [n1, n2]}`, []string{"spec.nodeName", `must be of type string: "array"`}},
		"unknown field":                   {`{nodeName: n1, force: true}`, []string{`unknown field "spec.force"`}},
		"command for the host":            {`{nodeName: n1, command: reboot}`, []string{`unknown field "spec.command"`}},
	} {
		t.Run(name, func(t *testing.T) {
			checkAnswer(t, tryCreate(t, nodeReboot(t, "table", test.spec)), test.want)
		})
	}
}

func TestTheNodeOfANodeRebootNeverChanges(t *testing.T) {
	stored := create(t, nodeReboot(t, "immutable", "{nodeName: n1}"))
	patch := func(spec string) error {
		return strict.Patch(t.Context(), stored.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":`+spec+`}`)))
	}
	const hint = "nodeName cannot be changed: create another NodeReboot for the other node, and delete this one to cancel it"
	checkAnswer(t, patch(`{"nodeName":"n2"}`), []string{"spec.nodeName", hint})
	checkAnswer(t, patch(`{"nodeName":null}`), []string{"spec.nodeName: Required value"})
	checkAnswer(t, patch(`{"nodeName":"n1","urgency":"Immediate"}`), nil)
}

func TestTheBootThatAskedNeverChanges(t *testing.T) {
	const hint = "bootID cannot be changed: create another NodeReboot, and delete this one to cancel it"
	for name, spec := range map[string]string{
		"with": "{nodeName: n1, trigger: Sentinel, bootID: b1}", "without": "{nodeName: n1, trigger: Sentinel}",
	} {
		stored := create(t, nodeReboot(t, name+"-a-boot", spec))
		for _, patch := range []string{`{"bootID":"b2"}`, `{"bootID":null}`} {
			want := []string{"spec.bootID", hint}
			if name == "without" && patch == `{"bootID":null}` {
				want = nil
			}
			err := strict.Patch(t.Context(), stored.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":`+patch+`}`)))
			checkAnswer(t, err, want)
		}
	}
}

func TestWhoAskedForANodeRebootNeverChanges(t *testing.T) {
	const hint = "requestedBy cannot be changed: it names the user who created the NodeReboot"
	for name, test := range map[string]struct {
		before, patch string
		want          []string
	}{
		"another":      {`requestedBy: alice`, `{"requestedBy":"bob"}`, []string{"spec.requestedBy", hint}},
		"nobody":       {`requestedBy: alice`, `{"requestedBy":null}`, []string{"spec.requestedBy", hint}},
		"someone":      {`reason: x`, `{"requestedBy":"bob"}`, []string{"spec.requestedBy", hint}},
		"the same":     {before: `requestedBy: alice`, patch: `{"requestedBy":"alice","reason":"y"}`},
		"an approval":  {before: `requestedBy: alice`, patch: `{"approval":"Given","approvedBy":"bob"}`},
		"still nobody": {before: `reason: x`, patch: `{"reason":"y"}`},
	} {
		t.Run(name, func(t *testing.T) {
			stored := create(t, nodeReboot(t, "requested", "{nodeName: n1, "+test.before+"}"))
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":`+test.patch+`}`))
			checkAnswer(t, strict.Patch(t.Context(), stored.DeepCopy(), patch), test.want)
		})
	}
}

func TestWhatAskedForANodeRebootNeverChanges(t *testing.T) {
	const (
		trigger   = "trigger cannot be changed: create another NodeReboot with the other trigger, and delete this one to cancel it"
		condition = "conditionType cannot be changed: create another NodeReboot for the other condition, and delete this one to cancel it"
	)
	for name, test := range map[string]struct {
		spec, patch string
		want        []string
	}{
		"another trigger":         {`{nodeName: n1}`, `{"trigger":"Sentinel"}`, []string{"spec.trigger", trigger}},
		"the trigger by default":  {`{nodeName: n1, trigger: Sentinel}`, `{"trigger":null}`, []string{trigger}},
		"a trigger and condition": {`{nodeName: n1}`, `{"trigger":"NodeCondition","conditionType":"A"}`, []string{trigger}},
		"the same trigger":        {`{nodeName: n1}`, `{"trigger":"Manual","reason":"x"}`, nil},
		"another condition":       {`{nodeName: n1, trigger: NodeCondition, conditionType: A}`, `{"conditionType":"B"}`, []string{"spec.conditionType", condition}},
		"no condition":            {`{nodeName: n1, trigger: NodeCondition, conditionType: A}`, `{"conditionType":null}`, []string{"write both or neither"}},
		"neither":                 {`{nodeName: n1, trigger: NodeCondition, conditionType: A}`, `{"trigger":"Manual","conditionType":null}`, []string{trigger}},
		"the same condition":      {`{nodeName: n1, trigger: NodeCondition, conditionType: A}`, `{"conditionType":"A","urgency":"Immediate"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			stored := create(t, nodeReboot(t, "immutable-trigger", test.spec))
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":`+test.patch+`}`))
			checkAnswer(t, strict.Patch(t.Context(), stored.DeepCopy(), patch), test.want)
		})
	}
}

func TestAStatusThatCannotBeReadIsRefused(t *testing.T) {
	const (
		order   = `sequence: 1, action: Drain, bootID: b1, deadline: "2026-11-23T13:00:00.000000Z"`
		report  = `bootID: b1, sentinel: Required, sequence: 0`
		attempt = `number: 1, grantedTime: "2026-11-23T13:00:00.000000Z"`
	)
	volumes := func(n int) string { return strings.Repeat("pv, ", n) }
	supported := func(values ...string) string { return `supported values: "` + strings.Join(values, `", "`) + `"` }
	stored := create(t, nodeReboot(t, "statuses", "{nodeName: n1}"))
	for name, test := range map[string]struct {
		status string
		want   []string
	}{
		"an order":                       {status: `{order: {` + order + `, method: Logind, drain: {gracePeriodSeconds: 0}}}`},
		"a report":                       {status: `{report: {` + report + `, bootTime: "2026-11-23T13:00:00.000000Z", drain: {total: 2, remaining: 1}}}`},
		"boot time with an offset":       {`{report: {` + report + `, bootTime: "2026-11-23T13:00:00.123456+99:99"}}`, []string{"report.bootTime", "should match"}},
		"an attempt":                     {status: `{attempt: {` + attempt + `}}`},
		"order without its boot":         {`{order: {sequence: 1, action: Drain, deadline: "2026-11-23T13:00:00.000000Z"}}`, []string{"order.bootID: Required"}},
		"order without a deadline":       {`{order: {sequence: 1, action: Drain, bootID: b1}}`, []string{"order.deadline: Required"}},
		"order of sequence zero":         {`{order: {` + strings.Replace(order, "1", "0", 1) + `}}`, []string{"order.sequence", "greater than or equal to 1"}},
		"order of a newer action":        {status: `{order: {` + strings.Replace(order, "Drain", "Format", 1) + `}}`},
		"order of a newer method":        {status: `{order: {` + order + `, protocol: 9, method: Lever}}`},
		"order of no action":             {`{order: {` + strings.Replace(order, "Drain", `"rm -rf"`, 1) + `}}`, []string{"order.action", "should match"}},
		"order of too long an action":    {`{order: {` + strings.Replace(order, "Drain", "D"+long(64), 1) + `}}`, []string{"order.action", "may not be more than 64"}},
		"order with a command":           {`{order: {` + order + `, command: [sh]}}`, []string{`unknown field "status.order.command"`}},
		"report without a boot":          {`{report: {sentinel: Required, sequence: 0}}`, []string{"report.bootID: Required"}},
		"report without a sentinel":      {`{report: {bootID: b1, sequence: 0}}`, []string{"report.sentinel: Required"}},
		"report of a newer sentinel":     {status: `{report: {bootID: b1, sentinel: Maybe, sequence: 0}}`},
		"report of a newer state":        {status: `{report: {` + report + `, state: Almost}}`},
		"report of a version":            {status: `{report: {` + report + `, version: v1.2.3, protocol: 2}}`},
		"report of too long a version":   {`{report: {` + report + `, version: ` + long(129) + `}}`, []string{"report.version", "may not be more than 128"}},
		"report of a negative protocol":  {`{report: {` + report + `, protocol: -1}}`, []string{"report.protocol", "greater than or equal to 1"}},
		"report of a bad sentinel":       {`{report: {bootID: b1, sentinel: "a b", sequence: 0}}`, []string{"report.sentinel", "should match"}},
		"report of a negative sequence":  {`{report: {bootID: b1, sentinel: Required, sequence: -1}}`, []string{"greater than or equal to 0"}},
		"boot time without microseconds": {`{report: {` + report + `, bootTime: "2026-11-23T13:00:00Z"}}`, []string{"report.bootTime", "should match"}},
		"boot time of a month 13":        {`{report: {` + report + `, bootTime: "2026-13-23T13:00:00.000000Z"}}`, []string{"report.bootTime", "must be of type date-time"}},
		"report with too long a message": {`{report: {` + report + `, message: ` + long(513) + `}}`, []string{"may not be more than 512"}},
		"methods":                        {status: `{report: {` + report + `, methods: [{name: Logind, obstacle: a}, {name: Signal}, {name: Command}]}}`},
		"too many methods":               {`{report: {` + report + `, methods: [` + strings.Repeat("{name: Logind}, ", 9) + `]}}`, []string{"must have at most 8 items"}},
		"a newer method":                 {status: `{report: {` + report + `, methods: [{name: Hammer}]}}`},
		"a method without a name":        {`{report: {` + report + `, methods: [{obstacle: a}]}}`, []string{"methods[0].name: Required"}},
		"an empty obstacle":              {`{report: {` + report + `, methods: [{name: Logind, obstacle: ""}]}}`, []string{"should be at least 1 chars long"}},
		"too long an obstacle":           {`{report: {` + report + `, methods: [{name: Logind, obstacle: ` + long(257) + `}]}}`, []string{"may not be more than 256"}},
		"drain beyond 32 bits":           {`{report: {` + report + `, drain: {total: 4294967297}}}`, []string{"report.drain.total", "less than or equal to 2147483647"}},
		"refused pods":                   {status: `{report: {` + report + `, drain: {total: 0, remaining: 0, refused: [` + pods(10) + `]}}}`},
		"too many refused pods":          {`{report: {` + report + `, drain: {refused: [` + pods(11) + `]}}}`, []string{"must have at most 10 items"}},
		"the same refused pod twice":     {`{report: {` + report + `, drain: {refused: [{namespace: a, name: b}, {namespace: a, name: b}]}}}`, []string{"Duplicate value"}},
		"refused pod without a name":     {`{report: {` + report + `, drain: {refused: [{namespace: a}]}}}`, []string{"refused[0].name: Required"}},
		"refused by nothing":             {`{report: {` + report + `, drain: {refused: [{namespace: a, name: b, by: ""}]}}}`, []string{"refused[0].by", "should be at least 1 chars long"}},
		"pods that do not end":           {status: `{report: {` + report + `, drain: {total: 0, remaining: 0, activity: Stuck, terminating: [` + pods(10, "heldBy: a finalizer") + `]}}}`},
		"too many that do not end":       {`{report: {` + report + `, drain: {terminating: [` + pods(11, "heldBy: a") + `]}}}`, []string{"must have at most 10 items"}},
		"held by nothing":                {`{report: {` + report + `, drain: {terminating: [` + pods(1) + `]}}}`, []string{"terminating[0].heldBy: Required"}},
		"held by too much":               {`{report: {` + report + `, drain: {terminating: [` + pods(1, "heldBy: "+long(257)) + `]}}}`, []string{"may not be more than 256"}},
		"pods that return":               {status: `{report: {` + report + `, drain: {total: 0, remaining: 0, activity: Progressing, returned: [` + pods(5, "owner: a, evictions: 3") + `]}}}`},
		"too many that return":           {`{report: {` + report + `, drain: {returned: [` + pods(6, "owner: a") + `]}}}`, []string{"must have at most 5 items"}},
		"returned without an owner":      {`{report: {` + report + `, drain: {returned: [` + pods(1) + `]}}}`, []string{"returned[0].owner: Required"}},
		"too long an owner":              {`{report: {` + report + `, drain: {returned: [` + pods(1, "owner: "+long(257)) + `]}}}`, []string{"may not be more than 256"}},
		"fewer than no evictions":        {`{report: {` + report + `, drain: {returned: [` + pods(1, "owner: a, evictions: -1") + `]}}}`, []string{"evictions", "greater than or equal to 0"}},
		"a newer activity":               {status: `{report: {` + report + `, drain: {total: 0, remaining: 0, activity: Bored}}}`},
		"a clock that is behind":         {status: `{report: {` + report + `, clockOffsetSeconds: -7200}}`},
		"a clock of another age":         {`{report: {` + report + `, clockOffsetSeconds: 10000000001}}`, []string{"clockOffsetSeconds", "less than or equal to 10000000000"}},
		"a clock of an age before":       {`{report: {` + report + `, clockOffsetSeconds: -10000000001}}`, []string{"clockOffsetSeconds", "greater than or equal to -10000000000"}},
		"order for pods that return":     {status: `{order: {` + order + `, drain: {returningPods: Refuse}}}`},
		"order for pods of another kind": {`{order: {` + order + `, drain: {returningPods: Wait}}}`, []string{supported("Ignore", "Refuse")}},
		"attempt of number zero":         {`{attempt: {` + strings.Replace(attempt, "1", "0", 1) + `}}`, []string{"attempt.number", "greater than or equal to 1"}},
		"attempt with a newer cordon":    {status: `{attempt: {` + attempt + `, cordon: Nobody, nodeRole: Storage, role: Rear, drain: Partial}}`},
		"volumes that were left":         {status: `{attempt: {` + attempt + `, attachedVolumes: [` + volumes(10) + `]}}`},
		"too many volumes":               {`{attempt: {` + attempt + `, attachedVolumes: [` + volumes(11) + `]}}`, []string{"must have at most 10 items"}},
		"too long a volume":              {`{attempt: {` + attempt + `, attachedVolumes: [` + long(254) + `]}}`, []string{"may not be more than 253"}},
		"failures without a count":       {`{failures: {lastTime: "2026-11-23T13:00:00.000000Z"}}`, []string{"failures.count: Required"}},
		"a newer phase":                  {status: `{phase: Lost}`},
		"a newer outcome":                {status: `{outcome: Draw}`},
		"a newer kind of workload":       {status: `{workloads: [{kind: Job, namespace: a, name: b, ready: 1}]}`},
		"no phase":                       {`{phase: "so so"}`, []string{"status.phase", "should match"}},
		"too many workloads":             {`{workloads: [` + workloads(513) + `]}`, []string{"must have at most 512 items"}},
		"too long a message":             {`{message: ` + long(1025) + `}`, []string{"status.message", "may not be more than 1024"}},
	} {
		t.Run(name, func(t *testing.T) {
			changed := stored.DeepCopy()
			changed.Object["status"] = object(t, test.status).Object
			checkAnswer(t, strict.SubResource("status").Update(t.Context(), changed, &client.SubResourceUpdateOptions{
				UpdateOptions: client.UpdateOptions{DryRun: []string{"All"}},
			}), test.want)
		})
	}
}

func TestNodeRebootsAreFilteredByTheServer(t *testing.T) {
	for i, node := range []string{"n1", "n1", "n2"} {
		stored := create(t, nodeReboot(t, fmt.Sprintf("filtered-%d", i), "{nodeName: "+node+"}"))
		phase := []v1alpha1.Phase{v1alpha1.PhasePending, v1alpha1.PhaseSucceeded, v1alpha1.PhasePending}[i]
		stored.Object["status"] = map[string]any{"phase": string(phase), "policyName": "policy-" + node}
		if err := strict.Status().Update(t.Context(), stored); err != nil {
			t.Fatalf("set the status: %v", err)
		}
	}
	for selector, want := range map[string]string{
		"spec.nodeName=n1":                      "filtered-0 filtered-1",
		"spec.nodeName=n2":                      "filtered-2",
		"spec.nodeName=n3":                      "",
		"status.phase=Pending":                  "filtered-0 filtered-2",
		"status.policyName=policy-n2":           "filtered-2",
		"spec.nodeName=n1,status.phase=Pending": "filtered-0",
	} {
		t.Run(selector, func(t *testing.T) {
			var list unstructured.UnstructuredList
			list.SetAPIVersion(v1alpha1.GroupVersion.String())
			list.SetKind("NodeRebootList")
			if err := strict.List(t.Context(), &list, &client.ListOptions{FieldSelector: fields.ParseSelectorOrDie(selector)}); err != nil {
				t.Fatalf("list: %v", err)
			}
			var names []string
			for i := range list.Items {
				names = append(names, list.Items[i].GetName())
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// pods lists n different pods, each with more fields.
func pods(n int, more ...string) string {
	var all []string
	for i := range n {
		all = append(all, "{"+strings.Join(append([]string{"namespace: a", fmt.Sprintf("name: p%d", i)}, more...), ", ")+"}")
	}
	return strings.Join(all, ", ")
}

// workloads lists n different workloads.
func workloads(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("{kind: Deployment, namespace: a, name: w%d}", i))
	}
	return strings.Join(all, ", ")
}

// deleteNow deletes an object; one that is gone is fine.
func deleteNow(t *testing.T, object client.Object) {
	t.Helper()
	if err := strict.Delete(context.Background(), object); err != nil && !apierrors.IsNotFound(err) {
		t.Errorf("delete %s: %v", object.GetName(), err)
	}
}

func TestATimeThatNobodyCanReadIsRefused(t *testing.T) {
	create(t, nodeReboot(t, "times", "{nodeName: n1}"))
	create(t, policy(t, "times", "{nodes: All}"))
	const condition = `{"status":{"conditions":[` +
		`{"type":"example.com/x","status":"True","reason":"X","message":"","lastTransitionTime":"%s"}]}}`
	const writtenLike = "lastTransitionTime of a condition is a time in the years from 1 to 9999, written like 2026-01-31T22:05:00Z"
	const tooLong = "should match"
	for _, test := range []struct {
		patch, time string
		want        []string
	}{
		{condition, "2026-01-01T00:00:00Z", nil},
		{condition, "2026-01-01T00:00:00.123+02:00", nil},
		{condition, "2026-01-01t00:00:00z", []string{"status.conditions", writtenLike}},
		{condition, "2026-01-01T00:00:00z", []string{"status.conditions", writtenLike}},
		{condition, "2026-01-01T00:00:00+99:00", []string{"status.conditions", writtenLike}},
		{condition, "0000-01-01T00:00:00Z", []string{"status.conditions", writtenLike}},
		{condition, "0001-01-01T00:00:00Z", []string{"status.conditions", writtenLike}},
		{condition, "9999-12-31T23:59:59-01:00", []string{"status.conditions", writtenLike}},
		{condition, "10000-01-01T00:00:00Z", []string{"date-time"}},
		{condition, "2026-01-01T23:59:60Z", []string{"date-time"}},
		{condition, "2026-01-01T00:00:00+0100", []string{"date-time"}},
		{`{"status":{"requiredSince":"%s"}}`, "2026-01-01T00:00:00.000000Z", nil},
		{`{"status":{"requiredSince":"%s"}}`, "2026-01-01T00:00:00Z", []string{"status.requiredSince", tooLong}},
		{`{"status":{"attempt":{"number":1,"grantedTime":"%s"}}}`, "2026-01-01T00:00:00.000000+01:00", []string{"grantedTime", tooLong}},
	} {
		t.Run(test.time, func(t *testing.T) {
			object := nodeReboot(t, "times", "{nodeName: n1}")
			checkAnswer(t, patchStatus(t, object, fmt.Sprintf(test.patch, test.time)), test.want)
			if test.patch == condition {
				checkAnswer(t, patchStatus(t, policy(t, "times", "{nodes: All}"), fmt.Sprintf(test.patch, test.time)), test.want)
			}
		})
	}
}

// patchStatus asks the API server whether it would take a change of the status.
func patchStatus(t *testing.T, object *unstructured.Unstructured, patch string) error {
	t.Helper()
	dryRun := &client.SubResourcePatchOptions{PatchOptions: client.PatchOptions{DryRun: []string{metav1.DryRunAll}}}
	return strict.Status().Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch)), dryRun)
}
