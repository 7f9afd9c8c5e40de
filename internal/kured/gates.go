package kured

import (
	"fmt"
	"net/url"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// mostGates is how many gates of a kind a policy has.
const mostGates = 16

// gates are what blocks reboots in kured.
func (r *report) gates(s settings) v1alpha1.GatesSpec {
	gates := v1alpha1.GatesSpec{}
	for i, v := range s[flagPods] {
		selector, ok := r.selector(v)
		if ok {
			gates.Pods = append(gates.Pods, v1alpha1.PodGate{Name: fmt.Sprintf("blocking-pods-%d", i+1), Selector: selector})
		}
	}
	if len(gates.Pods) > mostGates {
		r.wrong(s[flagPods][mostGates].source, "these are %d selectors, and a policy has up to %d: join some of them", len(gates.Pods), mostGates)
	}
	if gate, ok := r.prometheus(s); ok {
		gates.Prometheus = []v1alpha1.PrometheusGate{gate}
	}
	return gates
}

func (r *report) prometheus(s settings) (v1alpha1.PrometheusGate, bool) {
	v, set := s.last(flagPrometheus)
	if !set || v.text == "" {
		for _, flag := range []string{flagFilter, flagMatchOnly, flagFiringOnly} {
			if other, set := s.last(flag); set && other.text != "false" {
				r.decide(other.source, "there is no --%s, so kured never asked for alerts and none ever blocked. No gate is written: add the URL and "+
					"run this again if alerts should block", flagPrometheus)
			}
		}
		return v1alpha1.PrometheusGate{}, false
	}
	gate := v1alpha1.PrometheusGate{Name: "alerts", URL: v.text, Alerts: r.alerts(s)}
	gate.OnError = v1alpha1.Require
	address, err := url.Parse(v.text)
	if err != nil || !isServer(address) {
		r.wrong(v.source, "it is not a URL such as http://prometheus.monitoring.svc:9090, so kured gets no answer and blocks forever: write one")
		return gate, false
	}
	if address.User != nil {
		r.credentials(&gate, v, address)
	}
	return gate, true
}

// isServer says that the API of a Prometheus can be below a URL.
func isServer(address *url.URL) bool {
	return address.Host != "" && (address.Scheme == "http" || address.Scheme == "https") && address.RawQuery == "" && address.Fragment == ""
}

// prometheusPassword is the key of a password that was part of a URL.
const prometheusPassword = "prometheus-password"

// credentials of a URL go into a Secret.
func (r *report) credentials(gate *v1alpha1.PrometheusGate, v value, address *url.URL) {
	name := address.User.Username()
	address.User = nil
	gate.URL = address.String()
	gate.Auth = &v1alpha1.GateAuth{Basic: &v1alpha1.BasicAuth{Username: name, Password: v1alpha1.SecretKey{
		Secret: v1alpha1.CredentialsSecret, Key: prometheusPassword,
	}}}
	r.decide(v.source, "passwords are not part of a URL here, and go only to servers that you allow: put it into the value "+
		"gates.credentials as %s, and %s into "+
		"gates.allowedHosts. Until then the gate blocks", prometheusPassword, address.Scheme+"://"+address.Host)
}

// alerts says which alerts block, as in kured: a pending one does unless it says otherwise, and an expression matches anywhere in a name.
func (r *report) alerts(s settings) *v1alpha1.AlertFilter {
	filter := &v1alpha1.AlertFilter{State: v1alpha1.AlertFiringOrPending}
	if s.enabled(flagFiringOnly) {
		filter.State = v1alpha1.AlertFiring
	}
	v, set := s.last(flagFilter)
	if !set {
		if only, set := s.last(flagMatchOnly); set && s.enabled(flagMatchOnly) {
			r.decide(only.source, "there is no --%s, so kured blocks on every alert, and so does this policy", flagFilter)
		}
		return filter
	}
	filter.Match = v1alpha1.AlertMatchAnywhere
	expression := v.text
	if expression == "" {
		expression = ".*"
		r.decide(v.source, "the empty expression matches every alert, so it %s. That is carried over: remove it if you do not mean that",
			map[bool]string{true: "blocks on all of them", false: "ignores all of them, and only a Prometheus that does not answer " +
				"blocks"}[s.enabled(flagMatchOnly)])
	}
	if s.enabled(flagMatchOnly) {
		filter.Only = expression
	} else {
		filter.Ignore = expression
	}
	const most = 1024
	if len(expression) > most {
		r.wrong(v.source, "it has %d characters, and an expression has up to %d here: shorten it", len(expression), most)
	}
	return filter
}

var operators = map[selection.Operator]metav1.LabelSelectorOperator{
	selection.Equals: metav1.LabelSelectorOpIn, selection.DoubleEquals: metav1.LabelSelectorOpIn, selection.In: metav1.LabelSelectorOpIn,
	selection.NotEquals: metav1.LabelSelectorOpNotIn, selection.NotIn: metav1.LabelSelectorOpNotIn,
	selection.Exists: metav1.LabelSelectorOpExists, selection.DoesNotExist: metav1.LabelSelectorOpDoesNotExist,
}

// selector of pods, from the notation of kubectl.
func (r *report) selector(v value) (*v1alpha1.PodSelector, bool) {
	parsed, err := labels.Parse(v.text)
	if err != nil {
		r.wrong(v.source, "%q is not a label selector, so kured blocks forever: %v", v.text, err)
		return nil, false
	}
	requirements, _ := parsed.Requirements()
	if len(requirements) == 0 {
		r.wrong(v.source, "the empty selector selects every pod, so no node is ever free of them: write which pods are meant, or remove it")
		return nil, false
	}
	selector := &v1alpha1.PodSelector{}
	for _, requirement := range requirements {
		operator, known := operators[requirement.Operator()]
		if !known {
			r.wrong(v.source, "%q compares numbers, which no selector here does: select by another label", v.text)
			return nil, false
		}
		add(selector, requirement, operator)
	}
	const mostLabels, mostExpressions = 16, 8
	if len(selector.MatchLabels) > mostLabels || len(selector.MatchExpressions) > mostExpressions {
		r.wrong(v.source, "a selector has up to %d labels and %d other conditions here: select by fewer", mostLabels, mostExpressions)
		return nil, false
	}
	return selector, true
}

// add a requirement to a selector: as a label where it is a single value.
func add(selector *v1alpha1.PodSelector, requirement labels.Requirement, operator metav1.LabelSelectorOperator) {
	values := requirement.ValuesUnsorted()
	key := requirement.Key()
	if _, taken := selector.MatchLabels[key]; operator == metav1.LabelSelectorOpIn && len(values) == 1 && !taken {
		if selector.MatchLabels == nil {
			selector.MatchLabels = map[string]v1alpha1.LabelValue{}
		}
		selector.MatchLabels[key] = v1alpha1.LabelValue(values[0])
		return
	}
	expression := v1alpha1.LabelRequirement{Key: key, Operator: operator}
	if operator == metav1.LabelSelectorOpIn || operator == metav1.LabelSelectorOpNotIn {
		for _, value := range requirement.Values().List() {
			expression.Values = append(expression.Values, v1alpha1.LabelValue(value))
		}
	}
	selector.MatchExpressions = append(selector.MatchExpressions, expression)
}
