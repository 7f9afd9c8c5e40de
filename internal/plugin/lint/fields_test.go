package lint_test

import (
	"strings"
	"testing"
)

func TestAFieldThatDoesNotExistIsAnsweredWithTheNearest(t *testing.T) {
	t.Parallel()
	const remove = "there is no such field: remove it"
	for field, want := range map[string]string{
		"Mode: Paused":              "-:5: error: RebootPolicy p: spec.Mode: there is no such field: did you mean mode?",
		"mod: Paused":               "spec.mod: there is no such field: did you mean mode?",
		"modes: Paused":             "spec.modes: there is no such field: did you mean mode or nodes?",
		"prior: 1":                  "spec.prior: there is no such field: did you mean priority?",
		"dran: {}":                  "did you mean drain?",
		"draiin: {}":                "did you mean drain?",
		"drajn: {}":                 "did you mean drain?",
		"xrain: {}":                 "did you mean drain?",
		"draix: {}":                 "did you mean drain?",
		"darin: {}":                 "did you mean drain?",
		"drani: {}":                 "did you mean drain?",
		"dxyin: {}":                 remove,
		"dxrin: {}":                 remove,
		"daxin: {}":                 remove,
		"drxyain: {}":               remove,
		"xdrainy: {}":               "did you mean drain?",
		"zzz: {}":                   remove,
		"drain: {timeoutSecond: 9}": "-:5: error: RebootPolicy p: spec.drain.timeoutSecond: there is no such field: did you mean timeoutSeconds?",
		"schedule: {windows: [{cron: \"0 22 * * *\", durationSeconds: 7200}, {corn: \"0 22 * * *\", cron: \"0 22 * * *\", durationSeconds: " +
			"7200}]}": "spec.schedule.windows[1].corn: there is no such field: did you mean cron?",
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			requireLines(t, linted(t, head+"  "+field+"\n  nodes: All\n", nil, "--offline"), want)
		})
	}
	requireLines(t, linted(t, head+"  nodes: All\nspecs: {}\n", nil, "--offline"), "-:6: error: RebootPolicy p: specs: there is no such "+
		"field: did you mean spec?")
}

func TestWhatTheAPIServerRefusesIsFoundOnce(t *testing.T) {
	t.Parallel()
	all := head + "  nodes: All\n"
	named := func(metadata string) string { return strings.Replace(all, "{name: p}", metadata, 1) }
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"a status is ignored": {all + "status: {conditions: 7}\n", nil},
		"a text for a number": {all + "  priority: high\n", []string{"-:6: error: RebootPolicy p: spec.priority: this is a value of " +
			"type string: write one of type integer"}},
		"a number for a choice": {all + "  mode: 7\n", []string{"spec.mode: this is a value of type integer: write one of type string"}},
		"another choice": {all + "  mode: Off2\n", []string{
			`spec.mode: "Off2" is unknown: write one of the supported values: "Enforce", "Observe", "Paused"`}},
		"a number that is too large": {all + "  priority: 99999999\n", []string{"spec.priority: should be less than or equal to"}},
		"a field that is missing":    {all + "  schedule: {windows: [{cron: \"0 22 * * *\"}]}\n", []string{"spec.schedule.windows[0]"}},
		"an item that is there twice": {all + "  hooks: {beforeDrain: [{conditionType: example.com/a}, {conditionType: example.com/a}]}\n",
			[]string{"-:6: error: RebootPolicy p: spec.hooks.beforeDrain[1]: Duplicate value"}},
		"no spec": {"apiVersion: reboot-operator.io/v1alpha1\nkind: RebootPolicy\nmetadata: {name: p}\n",
			[]string{"spec: it is missing: write it"}},
		"a field that is null":     {all + "  mode: null\n  hooks: null\n", nil},
		"a name that will be made": {named("{generateName: p-}"), nil},
		"a name besides that": {named("{generateName: p-, name: P}"), []string{
			`metadata.name: "P" is not a valid name: write lowercase letters`}},
		"a namespace": {named("{name: p, namespace: apps}"), []string{"metadata.namespace: objects of this kind have no " +
			"namespace: remove it"}},
		"no name":       {named("{labels: {}}"), []string{"metadata.name: it is missing: write a name"}},
		"an empty name": {named(`{name: ""}`), []string{"metadata.name: it is missing: write a name"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLines(t, linted(t, test.text, nil, "--offline"), test.want...)
		})
	}
}

func TestItemsOfAListAreCheckedEach(t *testing.T) {
	t.Parallel()
	item := "- " + strings.ReplaceAll(strings.TrimSpace(strings.Replace(head+"  nodes: All\n", "name: p", "name: P", 1)), "\n", "\n  ") + "\n"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"one that is no object": {"---\napiVersion: v1\nkind: List\nitems:\n- 3\n" + item,
			[]string{"-:5: error: this is not an object", "-:8: error: RebootPolicy P: metadata.name"}},
		"a list in a list": {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items: 7\n",
			[]string{"-:6: error: items: items is not a list of objects"}},
		"items of what is no list": {"apiVersion: v1\nkind: Thing\nitems:\n" + item, nil},
		"a list without items":     {"apiVersion: v1\nkind: List\n", nil},
		"items that are merged": {"x: &x\n  items:\n  - 7\n<<: *x\napiVersion: v1\nkind: List\n",
			[]string{"-:1: error: items: items is not a list of objects"}},
		"a list that is an alias": {"x: &x\n" + item + "items: *x\napiVersion: v1\nkind: List\n",
			[]string{"-:4: error: RebootPolicy P: metadata.name"}},
		"an item that is an alias": {"x: &x " + strings.TrimPrefix(strings.ReplaceAll(item, "- api", "\n  api"), " ") +
			"items: [*x]\napiVersion: v1\nkind: List\n", []string{"-:4: error: RebootPolicy P: metadata.name"}},
		"a key that is twice in what two have": {"x: &x {a: 1, a: 2}\ny: *x\n", []string{`-:1: error: the key "a" is already in line 1`}},
		"two merges":                           {"a: &a {x: 1}\nb: &b {y: 2}\n<<: *a\n<<: *b\napiVersion: v1\nkind: Thing\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLines(t, linted(t, test.text, nil, "--offline"), test.want...)
		})
	}
}
