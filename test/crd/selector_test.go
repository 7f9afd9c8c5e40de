package crd

import (
	"strings"
	"testing"
)

func TestASelectorIsAcceptedOrRefusedWithAHint(t *testing.T) {
	const (
		operators = `supported values: "In", "NotIn", "Exists", "DoesNotExist"`
		values    = "operators In and NotIn compare with values: write at least one, or operator Exists or DoesNotExist"
		noValues  = "operators Exists and DoesNotExist compare with no value: remove values, or write operator In or NotIn"
		noKey     = "a key is not a valid label key: write a name such as app, or a domain and a name such as example.com/app"
		noKeyHere = "key is not a valid label key: write a name such as app, or a domain and a name such as example.com/app"
		noValue   = "not a valid label value: write up to 63 letters, digits, '-', '_' and '.', the first and the last of them a letter or a " +
			"digit"
	)
	places := map[string]string{
		"nodeSelector":                 "{nodeSelector: SELECTOR}",
		"drain.selector":               "{nodes: All, drain: {selector: SELECTOR}}",
		"drain.stages[0].selector":     "{nodes: All, drain: {stages: [{selector: SELECTOR}]}}",
		"drain.waitForPods.selector":   "{nodes: All, drain: {waitForPods: {selector: SELECTOR}}}",
		"gates.pods[0].selector":       "{nodes: All, gates: {pods: [{name: g, selector: SELECTOR}]}}",
		"gates.objects[0].selector":    "{nodes: All, gates: {objects: [" + anObject + ", selector: SELECTOR}]}}",
		"recovery.objects[0].selector": "{nodes: All, recovery: {objects: [" + anObject + ", selector: SELECTOR}]}}",
	}
	for name, test := range map[string]struct {
		selector string
		want     []string
	}{
		"a label":                    {selector: `{matchLabels: {example.com/a: "", b: x_y.z}}`},
		"each operator":              {selector: `{matchExpressions: [{key: a, operator: In, values: [b, ""]}, {key: a, operator: NotIn, values: [b]}, {key: a, operator: Exists}, {key: a, operator: DoesNotExist, values: []}]}`},
		"an operator that is none":   {`{matchExpressions: [{key: a, operator: Inn, values: [b]}]}`, []string{"matchExpressions[0].operator", operators}},
		"an operator in small":       {`{matchExpressions: [{key: a, operator: exists}]}`, []string{operators}},
		"no operator":                {`{matchExpressions: [{key: a}]}`, []string{"operator: Required value"}},
		"In without values":          {`{matchExpressions: [{key: a, operator: In}]}`, []string{"matchExpressions[0].values", values}},
		"NotIn without values":       {`{matchExpressions: [{key: a, operator: NotIn, values: []}]}`, []string{values}},
		"Exists with values":         {`{matchExpressions: [{key: a, operator: Exists, values: [b]}]}`, []string{"matchExpressions[0].values", noValues}},
		"a key that is none":         {`{matchLabels: {"a b": c}}`, []string{"matchLabels", noKey}},
		"a domain that is none":      {`{matchLabels: {"-a/b": c}}`, []string{noKey}},
		"a key of an expression":     {`{matchExpressions: [{key: "a/b/c", operator: Exists}]}`, []string{"matchExpressions[0].key", noKeyHere}},
		"an expression without one":  {`{matchExpressions: [{operator: Exists}]}`, []string{"key: Required value"}},
		"a value that is none":       {`{matchLabels: {a: "b c"}}`, []string{"matchLabels", noValue}},
		"a value of an expression":   {`{matchExpressions: [{key: a, operator: In, values: ["b c"]}]}`, []string{"values[0]", noValue}},
		"too long a value":           {`{matchLabels: {a: ` + long(64) + `}}`, []string{"may not be more than 63"}},
		"a string as it was before":  {`"app=web"`, []string{"must be of type object"}},
		"more labels than there may": {`{matchLabels: {` + labelsOf(17) + `}}`, []string{"must have at most 16 items"}},
		"more expressions":           {`{matchExpressions: [` + strings.Repeat("{key: a, operator: Exists}, ", 9) + `]}`, []string{"must have at most 8 items"}},
		"more values":                {`{matchExpressions: [{key: a, operator: In, values: [` + strings.Repeat("v, ", 65) + `]}]}`, []string{"must have at most 64 items"}},
	} {
		for place, spec := range places {
			t.Run(name+" in "+place, func(t *testing.T) {
				answer := tryCreate(t, policy(t, "selectors", strings.ReplaceAll(spec, "SELECTOR", test.selector)))
				want := test.want
				if len(want) > 0 {
					want = append([]string{"spec." + place}, want...)
				}
				checkAnswer(t, answer, want)
			})
		}
	}
}

func TestPodsAreSelectedByAnnotations(t *testing.T) {
	for name, test := range map[string]struct {
		annotations string
		want        []string
	}{
		"what autoscalers look at": {annotations: `{cluster-autoscaler.kubernetes.io/safe-to-evict: "false", karpenter.sh/do-not-disrupt: "true"}`},
		"any text":                 {annotations: `{a: "some words, and more"}`},
		"as long as it may be":     {annotations: `{a: ` + long(253) + `}`},
		"longer":                   {`{a: ` + long(254) + `}`, []string{"may not be more than 253"}},
		"a key that is none":       {`{"a b": c}`, []string{"a key is not a valid annotation key: write a name, or a domain and a name such as karpenter.sh/do-not-disrupt"}},
		"a number":                 {`{a: 5}`, []string{"must be of type string"}},
		"more than there may be":   {`{` + labelsOf(17) + `}`, []string{"must have at most 16 items"}},
		"none":                     {`{}`, []string{"an empty selector does not say which pods are meant"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, spec := range []string{
				"drain: {selector: SELECTOR}", "drain: {stages: [{selector: SELECTOR}]}", "gates: {pods: [{name: g, selector: SELECTOR}]}",
			} {
				spec = strings.ReplaceAll(spec, "SELECTOR", "{matchAnnotations: "+test.annotations+"}")
				checkAnswer(t, tryCreate(t, policy(t, "annotations", "{nodes: All, "+spec+"}")), test.want)
			}
		})
	}
	for _, spec := range []string{"{nodeSelector: SELECTOR}", "{nodes: All, gates: {objects: [" + anObject + ", selector: SELECTOR}]}}"} {
		spec = strings.ReplaceAll(spec, "SELECTOR", "{matchLabels: {a: b}, matchAnnotations: {a: b}}")
		checkAnswer(t, tryCreate(t, policy(t, "annotations", spec)), []string{"unknown field", "matchAnnotations"})
	}
}

// anObject begins a gate of objects.
const anObject = "{name: g, apiVersion: v1, kind: Pod, expression: 'true'"

// labelsOf is n labels, in flow style.
func labelsOf(n int) string {
	var each []string
	for i := range n {
		each = append(each, "l"+strings.Repeat("x", i)+": v")
	}
	return strings.Join(each, ", ")
}
