package why

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

var now = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func node(name string, labels map[string]string) corev1.Node {
	return corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func policy(name string, selector map[string]v1alpha1.LabelValue) v1alpha1.RebootPolicy {
	p := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Mode, p.Spec.Nodes = v1alpha1.ModeEnforce, v1alpha1.NodesSelected
	p.Spec.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: selector}
	return p
}

// helperPod of a node, Ready or with a container that waits.
func helperPod(nodeName string, ready bool) corev1.Pod {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: install.DefaultNamespace, Name: "helper-" + nodeName}}
	pod.Spec.NodeName = nodeName
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
	if ready {
		pod.Status.Conditions[0].Status = corev1.ConditionTrue
		return pod
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "helper", Image: "example.com/op:1", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"},
	}}}
	return pod
}

// world is a healthy cluster: a node that a policy selects, with a helper that is Ready.
func world() *Facts {
	f := &Facts{
		Now: now, Zone: time.FixedZone("CET", 3600), Installed: running(now),
		Nodes:    []corev1.Node{node("worker-7", map[string]string{"pool": "blue"})},
		Policies: []v1alpha1.RebootPolicy{policy("blue", map[string]v1alpha1.LabelValue{"pool": "blue"})},
	}
	f.Installed.HelperPods = []corev1.Pod{helperPod("worker-7", true)}
	set := &f.Installed.HelperSets[0]
	set.Namespace = install.DefaultNamespace
	set.Spec.Template.Spec.Containers = []corev1.Container{{
		Name: "rebooter", Args: []string{"--sentinel=/run/reboot-required", "--sentinel=/run/reboot-needed"},
	}}
	return f
}

func finished(outcome v1alpha1.Outcome, phase v1alpha1.Phase, reason string) v1alpha1.NodeReboot {
	r := v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "worker-7-3"}}
	r.Spec.NodeName = "worker-7"
	r.Status.Outcome, r.Status.Phase, r.Status.Reason, r.Status.PolicyName = outcome, phase, reason, "blue"
	r.Status.CompletionTime = &metav1.MicroTime{Time: now.Add(-time.Hour)}
	r.Status.Before = &v1alpha1.BootInfo{BootID: "boot-1", KernelVersion: "6.1.0"}
	r.Status.After = &v1alpha1.BootInfo{BootID: "boot-2", KernelVersion: "6.1.1"}
	return r
}

func TestANodeWithoutANodeRebootIsExplained(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Facts)
		asked  string
		reason string
		says   []string
		types  string
	}{
		"nothing is to be done": {
			reason: ReasonNoNeed, says: []string{"no one has asked", "RebootPolicy blue", "helper-worker-7", "has seen no sentinel",
				"the file /run/reboot-required"},
			types: "kubectl reboots now worker-7 --reason=",
		},
		"there is no such node": {
			asked: "worker-71", reason: ReasonNoSuchObject, says: []string{"There is no Node worker-71.", "Did you mean worker-7?"},
			types: "kubectl reboots why worker-7",
		},
		"there is no such node, and none like it": {
			asked: "db", reason: ReasonNoSuchObject, says: []string{"There is no Node db."}, types: "kubectl get nodes",
		},
		"there is no such NodeReboot": {asked: "nodereboot/x", reason: ReasonNoSuchObject, says: []string{"There is no NodeReboot x."},
			types: "kubectl get nodereboots"},
		"there is no such kind": {asked: "pod/x", reason: ReasonNoSuchObject, says: []string{"nodereboot/NAME"}},
		"no helper, and no DaemonSet": {
			change: func(f *Facts) { f.Installed.HelperPods, f.Installed.HelperSets = nil, nil },
			reason: ReasonNoHelper, says: []string{"there is no DaemonSet of helpers in namespace reboot-operator-system"},
			types: "kubectl reboots check",
		},
		"a taint keeps the helper away": {
			change: func(f *Facts) {
				f.Installed.HelperPods = nil
				f.Nodes[0].Spec.Taints = []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
			},
			reason: ReasonNoHelper, says: []string{"does not tolerate the taint gpu:NoSchedule"}, types: "describe daemonset reboot-operator-helper",
		},
		"no helper is meant to be there": {
			change: func(f *Facts) {
				f.Installed.HelperPods = nil
				f.Installed.HelperSets[0].Spec.Template.Spec.NodeSelector = map[string]string{"kubernetes.io/os": "linux"}
			},
			reason: ReasonNoHelper, says: []string{"No helper is meant to run there"},
		},
		"the helper is not Ready": {
			change: func(f *Facts) { f.Installed.HelperPods[0] = helperPod("worker-7", false) },
			reason: v1alpha1.ReasonHelperNotReady, says: []string{"pod helper-worker-7: container helper has no image: example.com/op:1 cannot " +
				"be pulled"},
			types: "kubectl -n reboot-operator-system describe pod helper-worker-7",
		},
		"pods may not be listed": {
			change: func(f *Facts) { f.Installed.Unknown = map[install.Part]error{install.Pods: errForbidden} },
			reason: ReasonNoNeed, says: []string{"is not known, because you may not list pods", "forbidden"}, types: "kubectl auth can-i list pods",
		},
		"the host makes no file that is looked for": {
			change: func(f *Facts) { f.Nodes[0].Status.NodeInfo.OSImage = "Fedora Linux 41 (Server Edition)" },
			reason: v1alpha1.ReasonNoDetector, says: []string{"no program of this host", "--sentinel-preset=dnf5"},
			types: "edit daemonset reboot-operator-helper",
		},
		"no policy selects it": {
			change: func(f *Facts) { f.Nodes[0].Labels["pool"] = "green" },
			reason: v1alpha1.ReasonNoPolicy, says: []string{"The nearest is blue, which requires pool=blue (the node has pool=green)"},
			types: "kubectl label node worker-7 pool=blue",
		},
		"no policy selects it, and it has no such label": {
			change: func(f *Facts) { f.Nodes[0].Labels = nil },
			reason: v1alpha1.ReasonNoPolicy, says: []string{"requires pool=blue (the node has no such label)"},
			types: "kubectl label node worker-7 pool=blue",
		},
		"there is no policy": {
			change: func(f *Facts) { f.Policies = nil },
			reason: v1alpha1.ReasonNoPolicy, says: []string{"There is no RebootPolicy with a selector"}, types: "kubectl get rebootpolicies",
		},
		"the skip label": {
			change: func(f *Facts) { f.Nodes[0].Labels[v1alpha1.SkipLabel] = "" },
			reason: v1alpha1.ReasonSkipped, says: []string{"label reboot-operator.io/skip"}, types: "kubectl reboots unskip worker-7",
		},
		"a policy that is paused": {
			change: func(f *Facts) { f.Policies[0].Spec.Mode = v1alpha1.ModePaused },
			reason: ReasonNoNeed, says: []string{"blue, which is paused"}, types: "kubectl reboots resume blue",
		},
		"a policy that observes": {
			change: func(f *Facts) { f.Policies[0].Spec.Mode = v1alpha1.ModeObserve },
			reason: ReasonNoNeed, says: []string{"only observes"}, types: `"mode":"Enforce"`,
		},
		"another policy takes it": {
			change: func(f *Facts) {
				other := policy("first", map[string]v1alpha1.LabelValue{"pool": "blue"})
				other.Spec.Priority = 10
				f.Policies = append(f.Policies, other)
			},
			reason: ReasonNoNeed, says: []string{"RebootPolicy first (priority 10), which takes precedence over blue (priority 0)"},
		},
		"it was proved lately": {
			change: func(f *Facts) {
				f.Reboots = append(f.Reboots, finished(v1alpha1.OutcomeSucceeded, v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved))
			},
			reason: v1alpha1.ReasonProved,
			says: []string{"2026-03-02 12:00 CET (60m ago)", "Boot boot-2 replaced boot boot-1, and kernel 6.1.1 replaced kernel 6.1.0",
				"no sentinel since"},
			types: "kubectl reboots timeline worker-7",
		},
		"it was given up": {
			change: func(f *Facts) {
				f.Reboots = append(f.Reboots, finished(v1alpha1.OutcomeFailed, v1alpha1.PhaseFailed, v1alpha1.ReasonRebootNotObserved))
			},
			reason: v1alpha1.ReasonRebootNotObserved, says: []string{"It was given up"}, types: "kubectl reboots retry worker-7",
		},
		"no manager is at work": {
			change: func(f *Facts) { f.Installed.Lease.Spec.RenewTime = &metav1.MicroTime{Time: now.Add(-time.Hour)} },
			reason: ReasonNoNeed, says: []string{"No manager has been running since 2026-03-02 12:00 CET (60m ago)"},
			types: "kubectl -n reboot-operator-system get pods -l app.kubernetes.io/component=manager",
		},
		"no manager was ever at work": {
			change: func(f *Facts) { f.Installed.Lease = nil },
			reason: ReasonNoNeed, says: []string{"No manager is running in namespace reboot-operator-system"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := world()
			if test.change != nil {
				test.change(f)
			}
			if test.asked == "" {
				test.asked = "worker-7"
			}
			requireAnswer(t, Explain(f, test.asked), test.reason, test.says, test.types)
		})
	}
}

type textError string

func (e textError) Error() string { return string(e) }

const errForbidden = textError("forbidden")

func requireAnswer(t *testing.T, answer Answer, reason string, says []string, types string) {
	t.Helper()
	if answer.Reason != reason {
		t.Errorf("the reason is %q, want %q", answer.Reason, reason)
	}
	for _, words := range says {
		if !strings.Contains(answer.Explanation, words) {
			t.Errorf("it does not say %q: %s", words, answer.Explanation)
		}
	}
	if !strings.Contains(strings.Join(answer.Type, "\n"), types) {
		t.Errorf("it does not have one type %q: %q", types, answer.Type)
	}
}

func TestANodeRebootThatCannotBeReadIsExplained(t *testing.T) {
	t.Parallel()
	f := world()
	var r v1alpha1.NodeReboot
	if err := json.Unmarshal([]byte(`{"metadata":{"name":"bad"},"spec":{"nodeName":"worker-7"},"status":{"requiredSince":"soon"}}`),
		&r); err != nil {
		t.Fatal(err)
	}
	f.Reboots = append(f.Reboots, r)
	requireAnswer(t, Explain(f, "worker-7"), v1alpha1.ReasonUnreadable, []string{"NodeReboot bad", "status.requiredSince"},
		"kubectl edit nodereboot bad")
}

func TestTheNodeRebootThatSaysMostIsExplained(t *testing.T) {
	t.Parallel()
	f := world()
	waits := finished("", v1alpha1.PhasePending, v1alpha1.ReasonSameNode)
	waits.Name, waits.Status.CompletionTime = "waits", nil
	drains := finished("", v1alpha1.PhaseDraining, v1alpha1.ReasonDraining)
	drains.Name, drains.Status.CompletionTime = "drains", nil
	old := finished(v1alpha1.OutcomeSucceeded, v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved)
	f.Reboots = []v1alpha1.NodeReboot{old, waits, drains}
	if got := Explain(f, "worker-7").NodeReboot; got != "drains" {
		t.Errorf("NodeReboot %s is explained", got)
	}
	for _, asked := range []string{"nodereboot/waits", "nrb/waits", "waits"} {
		if got := Explain(f, asked).NodeReboot; got != "waits" {
			t.Errorf("%s: NodeReboot %q is explained", asked, got)
		}
	}
}

func TestTimesAreThoseOfTheReader(t *testing.T) {
	t.Parallel()
	f := world()
	got := f.localize("It opens at 2026-03-02 13:00 +00:00 (in 60m, as of 12:00), and closed at 2026-03-02 10:00:05 -01:00.")
	if want := "It opens at 2026-03-02 14:00 CET (in 60m), and closed at 2026-03-02 12:00:05 CET (59m ago)."; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

func TestANodeRebootThatNobodyHasLookedAtIsExplained(t *testing.T) {
	t.Parallel()
	f := world()
	r := v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "new"}}
	r.Spec.NodeName = "worker-7"
	f.Reboots = append(f.Reboots, r)
	f.Installed.Lease.Spec.RenewTime = ptr.To(metav1.NewMicroTime(now.Add(-time.Hour)))
	f.Installed.Managers = []appsv1.Deployment{}
	requireAnswer(t, Explain(f, "worker-7"), ReasonNotLookedAt, []string{"has not seen NodeReboot new",
		"No manager has been running since"},
		"app.kubernetes.io/component=manager")
}
