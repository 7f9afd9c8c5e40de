package kured

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Result is what a configuration of kured becomes.
type Result struct {
	// Policy is nil where a finding is Wrong.
	Policy *v1alpha1.RebootPolicy
	// Values of the chart; nil where a finding is Wrong.
	Values map[string]any
	// Findings, those that need a person first.
	Findings []Finding
	// Handover is what kured leaves in a cluster.
	Handover Marks
}

// Options of a conversion.
type Options struct {
	// File that the configuration is in, or the object of a cluster, for findings.
	File string
	// Object says that it is an object of a cluster, whose lines nobody knows.
	Object bool
	// Name of the policy.
	Name string
	// Mode of the policy. Empty means Observe: kured still runs.
	Mode v1alpha1.Mode
}

// Convert a configuration of kured. It fails if the data is not YAML, or has no configuration of kured.
func Convert(data []byte, o Options) (*Result, error) {
	in := &input{
		file: o.File, lines: !o.Object, values: map[string]any{},
		nodes: map[string]string{}, mounts: map[string]string{}, annotations: map[string]string{},
	}
	if err := in.read(data); err != nil {
		return nil, err
	}
	if in.found > 1 {
		return &Result{Findings: in.sorted()}, nil
	}
	s := in.parse(in.arguments)
	in.repeated(s)
	s = in.environment(s, in.variables, in.version)
	policy := in.policy(s, o)
	in.host(s)
	in.rest(s)
	result := &Result{Handover: in.marks(s)}
	if !in.has(Wrong) {
		result.Policy, result.Values = policy, in.values
	}
	result.Findings = in.sorted()
	return result, nil
}

func (in *input) policy(s settings, o Options) *v1alpha1.RebootPolicy {
	policy := &v1alpha1.RebootPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "RebootPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: cmp.Or(o.Name, "from-kured")},
	}
	spec := &policy.Spec
	spec.Mode = cmp.Or(o.Mode, v1alpha1.ModeObserve)
	in.selectNodes(spec)
	spec.Taint.Effect = v1alpha1.TaintNone
	if v, set := s.last(flagTaint); set && v.text != "" {
		spec.Taint.Effect = v1alpha1.TaintPreferNoSchedule
		in.note(v.source, "the key of the taint is always reboot-operator.io/reboot-required, and a node has it from the moment that it "+
			"needs a reboot. Tolerations "+
			"and autoscalers that know %s have to know this key", v.text)
	} else {
		in.note(Source{File: in.file}, "kured set no taint, so taint.effect is None, and pods keep landing on nodes that wait: remove taint "+
			"from the policy to keep them away")
	}
	spec.Rollout.MaxUnavailable = in.concurrency(s)
	spec.Schedule = in.schedule(s)
	spec.Gates = in.gates(s)
	spec.Drain = in.drain(s)
	spec.NodeLabels = in.nodeLabels(s)
	spec.Reboot.DelaySeconds = in.seconds(s, "reboot-delay", "reboot.delaySeconds", 0)
	spec.Recovery.SettleSeconds = in.seconds(s, "lock-release-delay", "recovery.settleSeconds", 0)
	in.notifications(s, spec)
	return policy
}

// selectNodes takes the nodes that kured's pods run on. Tolerations are those of the helper: without a helper no node is rebooted.
func (in *input) selectNodes(spec *v1alpha1.RebootPolicySpec) {
	spec.Nodes = v1alpha1.NodesAll
	if len(in.nodes) == 0 {
		return
	}
	spec.Nodes = v1alpha1.NodesSelected
	spec.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{}}
	for key, label := range in.nodes {
		spec.NodeSelector.MatchLabels[key] = v1alpha1.LabelValue(label)
	}
}

func (in *input) concurrency(s settings) *intstr.IntOrString {
	n, v, set := s.number(flagConcurrency)
	switch {
	case !set:
		n = 1
	case n < 1:
		in.note(v.source, "kured takes %d for 1", n)
		n = 1
	case n > 15000:
		in.wrong(v.source, "rollout.maxUnavailable takes 0 to 15000: write a value in these bounds and run this again")
	case n > 1:
		in.note(v.source, "nodes that are down or cordoned for another reason count here, which they did not in kured")
	}
	return ptr.To(intstr.FromInt(n))
}

func (in *input) drain(s settings) v1alpha1.DrainSpec {
	drain := v1alpha1.DrainSpec{
		DelaySeconds:   in.seconds(s, "drain-delay", "drain.delaySeconds", 0),
		TimeoutSeconds: in.seconds(s, flagTimeout, "drain.timeoutSeconds", 1),
	}
	if v, set := s.last("drain-pod-selector"); set && v.text != "" {
		drain.Selector, _ = in.selector(v)
	}
	drain.GracePeriodSeconds = in.whole(s, "drain-grace-period", "drain.gracePeriodSeconds", 0)
	drain.SkipWaitForDeleteSeconds = in.whole(s, "skip-wait-for-delete-timeout", "drain.skipWaitForDeleteSeconds", 1)
	timeout, _ := s.last(flagTimeout)
	if drain.TimeoutSeconds == nil {
		in.note(cmp.Or(timeout.source, Source{File: in.file, Name: "--" + flagTimeout}),
			"kured drained for as long as it took. A drain here has an end: after 600 s the node is uncordoned, and tried again later. Write "+
				"drain.timeoutSeconds for another one")
	}
	force, _ := s.last(flagForce)
	switch {
	case !s.enabled(flagForce):
	case drain.TimeoutSeconds == nil:
		in.decide(force.source, "without --%s kured's drain never ran out of time, so it rebooted by force only after an error of the drain. "+
			"That is not carried over: "+
			"write drain.timeoutSeconds and drain.onTimeout: Force if nodes should be rebooted with the pods that are left", flagTimeout)
	default:
		drain.OnTimeout = v1alpha1.DrainTimeoutForce
		in.note(force.source, "a node is rebooted with the pods that are left only when its drain runs out of time, never after another error")
	}
	return drain
}

// whole number of seconds that is at least some number; less means not set, as in kured.
func (in *input) whole(s settings, flag, field string, least int) *int32 {
	const most = 86400
	n, v, set := s.number(flag)
	switch {
	case !set || n < least:
		return nil
	case n > most:
		in.wrong(v.source, "%s takes %s: write a value in these bounds and run this again", field, bounds(int64(least), most))
		return nil
	}
	return ptr.To(int32(n)) //nolint:gosec // at most 86400
}

// foreign are labels that policies cannot set.
var foreign = regexp.MustCompile(`^([^/]*[.])?(kubernetes[.]io|k8s[.]io|reboot-operator[.]io)/`)

func (in *input) nodeLabels(s settings) *v1alpha1.NodeLabels {
	labels := &v1alpha1.NodeLabels{During: in.labelsOf(s[flagBefore]), After: in.labelsOf(s[flagAfter])}
	if len(labels.During) == 0 && len(labels.After) == 0 {
		return nil
	}
	before, after := slices.Sorted(maps.Keys(labels.During)), slices.Sorted(maps.Keys(labels.After))
	if !slices.Equal(before, after) {
		v, set := s.last(flagBefore)
		if !set {
			v, _ = s.last(flagAfter)
		}
		in.note(v.source, "kured warns that the keys before and after differ. Here each label of nodeLabels.during gets the value back that "+
			"it had before")
	}
	return labels
}

func (in *input) labelsOf(values []value) map[string]v1alpha1.LabelValue {
	labels := map[string]v1alpha1.LabelValue{}
	for _, v := range values {
		key, label, is := strings.Cut(v.text, "=")
		label, _, _ = strings.Cut(label, "=") // kured takes what is between the first two
		switch {
		case !is:
			in.wrong(v.source, "%q has no value, and kured ends when it comes to it: write key=value", v.text)
		case len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(label)) > 0:
			in.wrong(v.source, "%q is not a label, so the API server refuses it: write key=value", v.text)
		case foreign.MatchString(key):
			in.decide(v.source, "policies do not set labels of Kubernetes itself or of this project: choose another key")
		default:
			labels[key] = v1alpha1.LabelValue(label)
		}
	}
	return labels
}

// receiver is the URL that kured sends messages to.
func (in *input) receiver(s settings) (value, bool) {
	there := func(v value) bool { return v.text != "" || v.unknown != "" }
	v, _ := s.last(flagNotify)
	hook, _ := s.last(flagSlack)
	switch {
	case there(v) && there(hook):
		in.decide(hook.source, "kured does not use it, because there is --%s: remove one of them", flagNotify)
		return v, true
	case there(v) || !there(hook):
		return v, there(v)
	}
	var ok bool
	if hook.text, ok = slackURL(hook); !ok {
		in.decide(hook.source, "it is not a webhook of Slack, which ends with three parts after /services/, so kured sends nothing: "+
			"write a URL as in docs/notifications.md")
	}
	return hook, ok
}

// notifications go to one receiver, whose URL is in a Secret.
func (in *input) notifications(s settings, spec *v1alpha1.RebootPolicySpec) {
	v, there := in.receiver(s)
	if !there {
		return
	}
	const key = "kured"
	scheme, _, _ := strings.Cut(v.text, ":")
	switch {
	case v.unknown != "":
		in.decide(v.source, "its value is %s: copy it into the Secret %s under the key %s, as docs/notifications.md shows",
			v.unknown, v1alpha1.NotificationsSecret, key)
	case scheme == v.text || scheme == "logger":
		in.decide(v.source, "no messages are sent to it here: write the URL of a receiver as in docs/notifications.md")
		return
	default:
		in.setValue("notifications.urls", map[string]any{key: v.text})
	}
	url := &v1alpha1.NotificationKey{Secret: v1alpha1.NotificationsSecret, Key: key}
	spec.Notifications = []v1alpha1.Notification{{Name: key, URL: url}}
	in.note(v.source, "a rollout is one or two messages here, and each problem is one, rather than three messages for each node")
}

// slackURL of a webhook.
func slackURL(hook value) (string, bool) {
	if hook.unknown != "" {
		return "", true
	}
	parsed, err := url.Parse(hook.text)
	if err != nil {
		return "", false
	}
	parts := strings.Split(strings.TrimPrefix(parsed.Path, "/services/"), "/")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return "", false
	}
	return "slack://hook:" + strings.Join(parts, "-") + "@webhook", true
}

// leftOut says why a flag becomes nothing.
var leftOut = map[string]string{
	"period": "nothing waits for a period here: a node that needs a reboot is seen at once",
	"lock-ttl": "nothing is ever allowed just because time has passed: a node that does not come back holds its slot, and the policy halts " +
		"and says so. failure.maxFailures is how many such nodes it takes",
	"annotation-ttl": "nothing is ever allowed just because time has passed: a node that does not come back holds its slot, and " +
		"the policy halts and says so",
	"annotate-nodes": "the NodeReboot says when a reboot was required and what is under way; no annotations are written on the " +
		"Node",
	"slack-username":            "it is part of the URL of a receiver, and kured itself does not use it",
	"slack-channel":             "it is part of the URL of a receiver, and kured itself does not use it",
	"message-template-drain":    "there is no message for each node; notifications[].templates are templates of events",
	"message-template-reboot":   "there is no message for each node; notifications[].templates are templates of events",
	"message-template-uncordon": "there is no message for each node; notifications[].templates are templates of events",
	"metrics-host":              "metrics are those of the manager, over HTTPS: metrics.port is the port",
	"metrics-port":              "metrics are those of the manager, over HTTPS: metrics.port is the port",
}

// rest are the flags that become no field of a policy.
func (in *input) rest(s settings) {
	for _, flag := range slices.Sorted(maps.Keys(leftOut)) {
		v, set := s.last(flag)
		d, err := time.ParseDuration(v.text)
		if !set || v.usual || v.text == "" || v.text == "false" || err == nil && d == 0 {
			continue
		}
		in.note(v.source, "%s", leftOut[flag])
	}
	if v, set := s.last(flagLogFormat); set && !v.usual {
		format, known := map[string]string{"json": "JSON", "text": "Text"}[v.text]
		if !known {
			format = "Text"
			in.note(v.source, "kured takes %q for text", v.text)
		}
		in.setValue("manager.logFormat", format)
		in.setValue("helper.logFormat", format)
	}
	in.note(Source{File: in.file}, "%s", saferThanKured)
}

// saferThanKured is what the defaults do that kured never did.
var saferThanKured = fmt.Sprintf("some defaults are safer than kured, and are left as they are: zones go one at a time "+
	"(turned off by rollout.zones.strategy: %s), "+
	"control-plane nodes go last, a node is rebooted at most once an hour (rollout.minIntervalSeconds), its workloads must be ready again "+
	"before the next one starts (turned off by recovery.workloads: %s), and one node that does not come back halts the policy "+
	"(failure.maxFailures)", v1alpha1.ZonesAnyOrder, v1alpha1.Ignore)
