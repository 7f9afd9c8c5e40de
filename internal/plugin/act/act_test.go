package act_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

func micro(minutes int) *metav1.MicroTime {
	at := metav1.NewMicroTime(plugintest.Now.Add(time.Duration(minutes) * time.Minute))
	return &at
}

func node(name string, change ...func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid", Labels: map[string]string{"pool": "blue"}}}
	n.Status.NodeInfo.BootID = "boot"
	for _, one := range change {
		one(n)
	}
	return n
}

func policy(name string, change ...func(*v1alpha1.RebootPolicy)) *v1alpha1.RebootPolicy {
	p := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.RebootPolicySpec{
		Mode: v1alpha1.ModeEnforce, Nodes: v1alpha1.NodesAll, Approval: v1alpha1.Ignore, SelfApproval: v1alpha1.SelfApprovalRefuse,
	}}
	for _, one := range change {
		one(p)
	}
	return p
}

func requires(p *v1alpha1.RebootPolicy) { p.Spec.Approval = v1alpha1.Require }

func reboot(name, of string, change ...func(*v1alpha1.NodeReboot)) *v1alpha1.NodeReboot {
	r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: name}}
	r.Spec = v1alpha1.NodeRebootSpec{
		NodeName: of, Trigger: v1alpha1.TriggerManual, Urgency: v1alpha1.UrgencyNormal, Approval: v1alpha1.ApprovalNotGiven, RequestedBy: "bob",
	}
	r.Status.PolicyName, r.Status.Phase = "workers", v1alpha1.PhasePending
	r.Status.Reason, r.Status.Message = "WindowClosed", "The window is closed."
	for _, one := range change {
		one(r)
	}
	return r
}

func sentinel(r *v1alpha1.NodeReboot) {
	r.Spec.Trigger, r.Spec.RequestedBy = v1alpha1.TriggerSentinel, ""
}

func draining(r *v1alpha1.NodeReboot) {
	r.Status.Phase = v1alpha1.PhaseDraining
	r.Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *micro(-10)}
}

func orderedToReboot(r *v1alpha1.NodeReboot) {
	draining(r)
	r.Status.Phase, r.Status.Attempt.RebootOrderedTime = v1alpha1.PhaseRebooting, micro(-2)
}

func given(by string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) { r.Spec.Approval, r.Spec.ApprovedBy = v1alpha1.ApprovalGiven, by }
}

func ended(outcome v1alpha1.Outcome, reason string, minutes int) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		r.Status.Outcome, r.Status.OutcomeReason, r.Status.CompletionTime, r.Status.Reason = outcome, reason, micro(minutes), reason
	}
}

func backingOff(r *v1alpha1.NodeReboot) {
	r.Status.Reason = v1alpha1.ReasonBackingOff
	r.Status.Failures = &v1alpha1.Failures{Count: 2, LastTime: *micro(-5), LastReason: v1alpha1.ReasonDrainTimedOut}
}

// cluster is one in which alice uses the plugin.
func cluster(t *testing.T, objects ...client.Object) *plugintest.Terminal {
	t.Helper()
	terminal := plugintest.New(t, 0, objects...)
	create := func(ctx context.Context, c client.WithWatch, o client.Object, of ...client.CreateOption) error {
		if review, is := o.(*authenticationv1.SelfSubjectReview); is {
			review.Status.UserInfo.Username = "alice"
			return nil
		}
		return c.Create(ctx, o, of...)
	}
	intercept(terminal, interceptor.Funcs{Create: create})
	return terminal
}

func intercept(t *plugintest.Terminal, funcs interceptor.Funcs) {
	inner, _ := t.Connect()
	t.Connect = func() (client.WithWatch, error) { return interceptor.NewClient(inner, funcs), nil }
}

func run(t *plugintest.Terminal, line string) (code int, out, errOut string) {
	return t.Run(plugin.Run, append(strings.Fields(line), "--answer-timeout=0s")...)
}

func TestEachActionSaysWhatItDidAndWhatHappensNext(t *testing.T) {
	t.Parallel()
	skipped := func(n *corev1.Node) { n.Labels[v1alpha1.SkipLabel] = "disk" }
	const cancelled = "NodeReboot w1-a of node w1 is cancelled.\n"
	for name, test := range map[string]struct {
		line    string
		objects []client.Object
		code    int
		out     string
		errOut  string
	}{
		"now": {"now w1 --reason firmware", []client.Object{node("w1")}, 0,
			"NodeReboot w1-now-95ed3cae of node w1 is created.\n" +
				"  The manager has not seen it yet. To see what it says: kubectl reboots why w1\n", ""},
		"now, there is one": {"now w1 --reason firmware", []client.Object{node("w1"), reboot("w1-7", "w1")}, 0,
			"NodeReboot w1-7 of node w1 already exists: no other one is created.\n  It waits. WindowClosed: The window is closed.\n" +
				"  More: kubectl reboots why w1\n", ""},
		"now, urgent": {"now w1 --reason firmware --immediate", []client.Object{node("w1"), reboot("w1-7", "w1")}, 0,
			"NodeReboot w1-7 of node w1 already exists; it is urgent now.\n" +
				"  The manager has not seen it yet. To see what it says: kubectl reboots why w1\n", ""},
		"now, under way": {"now w1 --reason firmware --immediate", []client.Object{node("w1"), reboot("w1-7", "w1", draining)}, 0,
			"NodeReboot w1-7 of node w1 already exists: no other one is created.\n  WindowClosed: The window is closed.\n" +
				"  More: kubectl reboots why w1\n", ""},
		"now, no such node": {"now w2 w1 --reason x --dry-run=server", []client.Object{node("w1")}, 1,
			"NodeReboot w1-now-95ed3cae of node w1 is created (server dry run).\n", "error: node w2: there is no node of this name\n"},
		"cancel": {"cancel w1", []client.Object{reboot("w1-a", "w1")}, 0,
			cancelled + "  Nothing was done to the node. Its taint goes unless something else requires a reboot.\n", ""},
		"cancel by name": {"cancel nodereboot.reboot-operator.io/w1-a", []client.Object{reboot("w1-a", "w1"), reboot("w1-b", "w1")}, 0,
			cancelled + "  Nothing was done to the node. Its taint goes unless something else requires a reboot.\n", ""},
		"cancel what comes back": {"cancel w1", []client.Object{reboot("w1-a", "w1", sentinel)}, 0,
			cancelled + "  Nothing was done to the node. Its taint goes unless something else requires a reboot.\n" +
				"  While the host asks for a reboot, its helper creates another NodeReboot at once, without the failures of this one.\n" +
				"  To skip the node: kubectl reboots skip w1\n", ""},
		"cancel a drain": {"cancel w1", []client.Object{reboot("w1-a", "w1", draining)}, 0,
			cancelled + "  The attempt is rolled back: the drain ends, and it is uncordoned. Evicted pods stay where they are. The NodeReboot is " +
				"removed when the evicted workloads are as ready as before.\n", ""},
		"cancel too late": {"cancel w1", []client.Object{reboot("w1-a", "w1", orderedToReboot)}, 0,
			cancelled + "  The host was ordered to reboot at 11:58 UTC and cannot be stopped. The operator waits until the node is back and " +
				"proved, and it is uncordoned; then the NodeReboot is removed.\n", ""},
		"cancel nothing": {"cancel w1", []client.Object{node("w1"), reboot("w1-a", "w1", ended(v1alpha1.OutcomeSucceeded, "Proved", -5))}, 0,
			"Node w1 has no reboot that has not ended: nothing to cancel.\n", ""},
		"cancel what is unknown": {"cancel w1", nil, 1, "", "error: w1: there is no node and no NodeReboot of this name\n"},
		"approve": {"approve w1", []client.Object{policy("workers", requires), reboot("w1-a", "w1")}, 0,
			"NodeReboot w1-a of node w1 is approved by alice.\n" +
				"  The manager has not seen it yet. To see what it says: kubectl reboots why w1\n", ""},
		"approve again": {"approve w1", []client.Object{policy("workers", requires), reboot("w1-a", "w1", given("carol"))}, 0,
			"NodeReboot w1-a of node w1 is already approved, by carol.\n", ""},
		"approve one's own": {"approve w1", []client.Object{policy("workers", requires), reboot("w1-a", "w1",
			func(r *v1alpha1.NodeReboot) { r.Spec.RequestedBy = "alice" })}, 1, "",
			"error: NodeReboot w1-a of node w1: you (alice) asked for the reboot, and RebootPolicy workers has selfApproval: Refuse, so your " +
				"approval would not count. Ask someone else to type: kubectl reboots approve nodereboot/w1-a\n"},
		"approve what needs none": {"approve w1", []client.Object{policy("workers"), reboot("w1-a", "w1")}, 0,
			"NodeReboot w1-a of node w1 needs no approval by RebootPolicy workers: nothing to approve.\n" +
				"  It waits. WindowClosed: The window is closed.\n", ""},
		"deny": {"deny w1", []client.Object{policy("workers", requires), reboot("w1-a", "w1", given("carol"), draining)}, 0,
			"The approval of NodeReboot w1-a of node w1 by carol is withdrawn.\n" +
				"  Its attempt is rolled back: the drain ends, and it is uncordoned.\n" +
				"  The manager has not seen it yet. To see what it says: kubectl reboots why w1\n", ""},
		"deny too late": {"deny w1", []client.Object{policy("workers", requires), reboot("w1-a", "w1", given("carol"), orderedToReboot)}, 1, "",
			"error: NodeReboot w1-a of node w1: the host was ordered to reboot at 11:58 UTC and cannot be stopped\n"},
		"deny what needs none": {"deny w1", []client.Object{policy("workers"), reboot("w1-a", "w1")}, 1, "",
			"error: NodeReboot w1-a of node w1: RebootPolicy workers requires no approval, so denying stops nothing. To stop the reboot: " +
				"kubectl reboots cancel nodereboot/w1-a, kubectl reboots skip w1, or kubectl reboots pause workers\n"},
		"pause": {"pause workers", []client.Object{policy("workers"), reboot("a", "w1", draining), reboot("b", "w2", orderedToReboot),
			reboot("c", "w3")}, 0, "RebootPolicy workers is paused; its mode was Enforce.\n" +
			"  Rolled back: w1. Their drains end, and they are uncordoned unless someone else had cordoned them.\n" +
			"  Followed to the end: w2.\n  Waiting: 1. They stay tainted, and keep their places in the queue.\n" +
			"  To continue: kubectl reboots resume workers\n", ""},
		"resume what was not paused": {"resume workers", []client.Object{policy("workers")}, 0,
			"RebootPolicy workers is not paused: its mode is Enforce.\n", ""},
		"resume what someone else paused": {"resume workers", []client.Object{policy("workers",
			func(p *v1alpha1.RebootPolicy) { p.Spec.Mode = v1alpha1.ModePaused })}, 1, "",
			"error: RebootPolicy workers: it was not paused by kubectl reboots, so its previous mode is not known; write which mode to resume " +
				"with: kubectl reboots resume workers --mode Enforce|Observe\n"},
		"skip": {"skip w1 --reason disk", []client.Object{node("w1"), reboot("w1-a", "w1", draining)}, 0, "Node w1 is skipped: disk.\n" +
			"  The attempt of NodeReboot w1-a of node w1 is rolled back: the drain ends, and it is uncordoned.\n" +
			"  To end it: kubectl reboots unskip w1\n", ""},
		"skip again": {"skip w1", []client.Object{node("w1", skipped)}, 0, "Node w1 is already skipped: disk.\n", ""},
		"unskip": {"unskip w1", []client.Object{node("w1", skipped), reboot("w1-a", "w1")}, 0, "Node w1 is no longer skipped.\n" +
			"  Its NodeReboot w1-a has kept its place in the queue.\n  To see what it waits for: kubectl reboots why w1\n", ""},
		"unskip nothing": {"unskip w1", []client.Object{node("w1")}, 0, "Node w1 is not skipped: nothing to do.\n", ""},
		"retry, a sentinel's": {"retry w1", []client.Object{node("w1"),
			reboot("w1-a", "w1", sentinel, ended(v1alpha1.OutcomeFailed, "RebootNotObserved", -5))}, 0,
			"NodeReboot w1-a of node w1, which was given up (RebootNotObserved), is deleted.\n" +
				"  The helper of the node creates another one if the host still asks. If none comes: kubectl reboots why w1\n", ""},
		"retry, a person's": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", backingOff)}, 0,
			"NodeReboot w1-a of node w1, which waited after 2 failed attempts (DrainTimedOut), is deleted.\n" +
				"  NodeReboot w1-now-95ed3cae takes its place.\n" +
				"  The manager has not seen it yet. To see what it says: kubectl reboots why w1\n", ""},
		"retry what succeeded since": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", ended(v1alpha1.OutcomeFailed, "x", -5)),
			reboot("w1-b", "w1", ended(v1alpha1.OutcomeSucceeded, "Proved", -1))}, 0,
			"Node w1 has no failed reboot: nothing to try again.\n", ""},
		"retry a node that is down": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", orderedToReboot,
			func(r *v1alpha1.NodeReboot) { r.Status.Attempt.StalledTime, r.Status.Reason = micro(-1), "NodeNotBack" })}, 1, "",
			"error: NodeReboot w1-a of node w1: its attempt has not ended (NodeNotBack): it continues when the node and its workloads are " +
				"back. The window is closed. To give the node up: kubectl reboots cancel nodereboot/w1-a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := run(cluster(t, test.objects...), test.line)
			if diff := cmp.Diff([]any{test.code, test.out, test.errOut}, []any{code, out, errOut}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNothingIsDoneTwice(t *testing.T) {
	t.Parallel()
	for first, second := range map[string]string{
		"now w1 --reason x":         "NodeReboot w1-now-95ed3cae of node w1 already exists: no other one is created.\n",
		"skip w1 --reason much-ado": "Node w1 is already skipped: much-ado.\n",
		"pause workers":             "RebootPolicy workers is already paused.\n",
		"approve w2":                "NodeReboot w2-a of node w2 is already approved, by alice.\n",
		"cancel w2":                 "Node w2 has no reboot that has not ended: nothing to cancel.\n",
	} {
		terminal := cluster(t, node("w1"), node("w2"), policy("workers", requires), reboot("w2-a", "w2"))
		if code, _, errOut := run(terminal, first); code != app.ExitOK {
			t.Errorf("%s: %s", first, errOut)
		}
		if code, out, errOut := run(terminal, first); code != app.ExitOK || out != second {
			t.Errorf("%s ended with %d: %s %s", first, code, out, errOut)
		}
	}
}

func TestOnlyASelectionThatIsWrittenIsActedOn(t *testing.T) {
	t.Parallel()
	red := func(n *corev1.Node) { n.Labels["pool"] = "red" }
	other := func(r *v1alpha1.NodeReboot) { r.Status.PolicyName = "other" }
	objects := []client.Object{
		node("w1"), node("w2", red), policy("workers", requires), policy("other", requires),
		reboot("w1-a", "w1"), reboot("w2-a", "w2", other), reboot("w1-b", "w1", ended(v1alpha1.OutcomeFailed, "x", -5)),
	}
	for line, want := range map[string]string{
		"cancel -l pool=blue -o name":          "nodereboot.reboot-operator.io/w1-a\n",
		"cancel --policy other -o name":        "nodereboot.reboot-operator.io/w2-a\n",
		"cancel --all -o name":                 "nodereboot.reboot-operator.io/w1-a\nnodereboot.reboot-operator.io/w2-a\n",
		"cancel -l pool=green":                 "Nothing to cancel.\n",
		"approve --all -o name":                "nodereboot.reboot-operator.io/w1-a\nnodereboot.reboot-operator.io/w2-a\n",
		"deny --all":                           "Nothing to deny.\n",
		"skip -l pool=red -o name":             "node/w2\n",
		"skip --policy other -o name":          "node/w1\nnode/w2\n", // The first of two policies by name owns all nodes.
		"skip --policy workers":                "No nodes.\n",
		"pause --all -o name":                  "rebootpolicy.reboot-operator.io/other\nrebootpolicy.reboot-operator.io/workers\n",
		"retry --all":                          "Nothing to try again.\n", // A person asked for what failed.
		"now --all --reason x -o name":         "nodereboot.reboot-operator.io/w1-a\nnodereboot.reboot-operator.io/w2-a\n",
		"unskip node/w1 w1 nodes/w1":           "Node w1 is not skipped: nothing to do.\n",
		"cancel -l pool=blue --policy other":   "Nothing to cancel.\n",
		"pause -l pool=green":                  "No policies.\n",
		"now w1 w1 node/w1 --reason x -o name": "nodereboot.reboot-operator.io/w1-a\n",
		"cancel w1 --dry-run=client": "NodeReboot w1-a of node w1 is cancelled (dry run).\n" +
			"  Nothing was done to the node. Its taint goes unless something else requires a reboot.\n",
		"approve w1 --dry-run -o=name":   "nodereboot.reboot-operator.io/w1-a\n",
		"now w1 --reason x --dry-run -o": "",
	} {
		code, out, errOut := run(cluster(t, objects...), line)
		if strings.HasSuffix(line, "-o") {
			if code != app.ExitUsage {
				t.Errorf("%s ended with %d", line, code)
			}
			continue
		}
		if code != app.ExitOK || out != want {
			t.Errorf("%s ended with %d: %s%s", line, code, out, errOut)
		}
	}
	for _, line := range []string{
		"cancel", "cancel w1 --all", "cancel -l pool=blue --all", "cancel -l pool=!", "cancel w1 --dry-run=some", "now w1", "pause",
		"cancel w1 -o svg", "cancel policy/workers", "approve rebootpolicy/w1", "deny pod/w1", "retry rbp/w1", "now nodereboot/w1-a --reason x",
		"skip policy/w1", "pause node/workers", "cancel node/", "cancel --policy node/workers", "cancel pod.v1/w1",
		"resume workers --mode Paused", "pause workers --policy other", "pause --policy other", "cancel w1 -l pool=blue",
		"cancel w1 --policy other", "cancel --all --policy other", "now w1 --reason= ",
	} {
		if code, _, _ := run(cluster(t, objects...), line); code != app.ExitUsage {
			t.Errorf("%s ended with %d", line, code)
		}
	}
	code, _, errOut := run(cluster(t), "cancel --policy none")
	if code != app.ExitFailed || !strings.Contains(errOut, "no RebootPolicy none") {
		t.Errorf("it says %s", errOut)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"now w1 --reason x", "cancel w2", "approve w2", "deny w3", "pause workers", "skip w1", "retry w4", "now w2 --reason x --immediate",
		"approve w5",
	} {
		terminal := cluster(t, node("w1"), node("w2"), node("w4"), policy("workers", requires),
			reboot("w2-a", "w2"), reboot("w3-a", "w3", given("carol")),
			reboot("w4-a", "w4", backingOff), reboot("w5-a", "w5", requestedBy("bob"), expiredOf("")))
		refuse := errors.New("written")
		intercept(terminal, interceptor.Funcs{
			Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
				return refuse
			},
			Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return refuse },
			Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
				if _, is := o.(*authenticationv1.SelfSubjectReview); is {
					return nil
				}
				return refuse
			},
		})
		if code, out, errOut := run(terminal, line+" --dry-run=client"); code != app.ExitOK || !strings.Contains(out, "(dry run)") {
			t.Errorf("%s: %s%s", line, out, errOut)
		}
		if code, _, errOut := run(terminal, line); code != app.ExitFailed || !strings.Contains(errOut, "written") {
			t.Errorf("%s writes nothing without --dry-run: %s", line, errOut)
		}
	}
}

func TestTimesAreThoseOfWhoReads(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		until *metav1.MicroTime
		want  string
	}{
		"today": {micro(60), "until 22:00 JST."}, "tomorrow": {micro(24 * 60), "until Tue 21:00 JST."},
		"far away": {micro(30 * 24 * 60), "until Wed Apr 1 2026 21:00 JST."}, "over": {micro(-1), ""},
		"less than six days": {micro(6*24*60 - 1), "until Sun 20:59 JST."}, "six days": {micro(6 * 24 * 60), "until Sun Mar 8 2026 21:00 JST."},
	} {
		terminal := cluster(t, node("w1"), reboot("w1-a", "w1", func(r *v1alpha1.NodeReboot) { r.Status.UntilTime = test.until }))
		terminal.Zone = time.FixedZone("JST", 9*60*60)
		_, out, _ := run(terminal, "now w1 --reason x")
		if !strings.Contains(out, test.want) || (test.want == "") == strings.Contains(out, "In your time zone, that is ") {
			t.Errorf("%s: it says %s", name, out)
		}
	}
}

func TestWhoManagesAPolicySetsItsModeBack(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*v1alpha1.RebootPolicy){
		"flux suspend kustomization apps -n flux-system": func(p *v1alpha1.RebootPolicy) {
			p.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
		},
		"flux suspend helmrelease ro -n ops": func(p *v1alpha1.RebootPolicy) {
			p.Labels = map[string]string{"helm.toolkit.fluxcd.io/name": "ro", "helm.toolkit.fluxcd.io/namespace": "ops"}
		},
		"Argo CD manages this policy (application nodes)": func(p *v1alpha1.RebootPolicy) {
			p.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "nodes:reboot-operator.io/RebootPolicy:/workers"}
		},
		"Helm manages this policy (release ops/ro)": func(p *v1alpha1.RebootPolicy) {
			p.Labels = map[string]string{"app.kubernetes.io/managed-by": "Helm"}
			p.Annotations = map[string]string{"meta.helm.sh/release-name": "ro", "meta.helm.sh/release-namespace": "ops"}
		},
	} {
		if _, out, _ := run(cluster(t, policy("workers", change)), "pause workers"); !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if _, out, _ := run(cluster(t, policy("workers")), "pause workers"); strings.Contains(out, "manages") {
		t.Errorf("nobody manages it, and it says\n%s", out)
	}
}

func TestAnApprovalThatExpiredIsGivenAgain(t *testing.T) {
	t.Parallel()
	expired := func(r *v1alpha1.NodeReboot) {
		given("alice")(r)
		r.Status.Reason, r.Status.ApprovedTime = v1alpha1.ReasonAwaitingApproval, micro(-600)
	}
	for _, by := range []string{"alice", "carol"} {
		of := func(r *v1alpha1.NodeReboot) { r.Spec.ApprovedBy = by }
		terminal := cluster(t, policy("workers", requires), reboot("w1-a", "w1", expired, of))
		var values []string
		intercept(terminal, interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
				err := c.Patch(ctx, o, p, options...)
				r := o.(*v1alpha1.NodeReboot)
				values = append(values, string(r.Spec.Approval))
				if r.Spec.Approval == v1alpha1.ApprovalNotGiven { // The manager sees it at once.
					seen := r.DeepCopy()
					seen.Status.ApprovedTime = nil
					return errors.Join(err, c.Status().Update(ctx, seen))
				}
				return err
			},
		})
		code, out, errOut := run(terminal, "approve w1")
		want := []string{"NotGiven", "Given"}
		if by != "alice" {
			want = want[1:] // One by someone else is another one.
		}
		if diff := cmp.Diff(want, values); code != app.ExitOK || diff != "" || !strings.Contains(out, "is approved by alice.") {
			t.Errorf("of %s: it ended with %d: %s%s %s", by, code, out, errOut, diff)
		}
	}
}

func TestADryRunShowsTheObjectAsItWouldBe(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, policy("workers"), node("w1", func(n *corev1.Node) { n.Labels[v1alpha1.SkipLabel] = "" }))
	for line, want := range map[string]string{
		"pause workers": "mode: Paused", "skip w1 --reason disk": "reboot-operator.io/skip: disk",
	} {
		if _, out, _ := run(terminal, line+" --dry-run=client -o yaml"); !strings.Contains(out, want) {
			t.Errorf("%s\n%s", line, out)
		}
	}
	denied := cluster(t, policy("workers", requires), reboot("w1-a", "w1", given("carol")))
	if _, out, _ := run(denied, "deny w1 --dry-run=client -o yaml"); strings.Contains(out, "approvedBy") {
		t.Errorf("deny\n%s", out)
	}
	_, out, _ := run(terminal, "unskip w1 --dry-run=client -o yaml")
	if strings.Contains(out, "skip") || !strings.Contains(out, "pool: blue") {
		t.Errorf("unskip\n%s", out)
	}
}

func TestAChangeBySomeoneElseIsNotOverwritten(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, policy("workers", requires), reboot("w1-a", "w1"))
	raced := false
	intercept(terminal, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
			if !raced {
				raced = true
				theirs := reboot("w1-a", "w1")
				if err := c.Get(ctx, client.ObjectKeyFromObject(theirs), theirs); err != nil {
					return err
				}
				given("carol")(theirs)
				if err := c.Update(ctx, theirs); err != nil {
					return err
				}
			}
			return c.Patch(ctx, o, p, options...)
		},
	})
	if _, out, errOut := run(terminal, "approve w1"); out != "NodeReboot w1-a of node w1 is already approved, by carol.\n" {
		t.Errorf("it says %s%s", out, errOut)
	}
}

func TestEveryObjectIsTriedAndEachFailureIsOneLine(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, node("w1"), node("w2"), node("w3"))
	intercept(terminal, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
			if o.GetName() == "w2" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "w2", errors.New("no\nmeans no"))
			}
			return c.Patch(ctx, o, p, options...)
		},
	})
	code, out, errOut := run(terminal, "skip w1 w2 w4 w3 -o name")
	lines, errs := strings.Count(errOut, "\n"), strings.Count(errOut, "error: node ")
	if code != app.ExitFailed || out != "node/w1\nnode/w3\n" || lines != 2 || errs != 2 {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
}

func TestAReasonThatIsNoValueOfALabelIsAnAnnotation(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, node("w1"))
	check := func(label, annotation string) {
		t.Helper()
		n := &corev1.Node{}
		if err := terminal.Client.Get(t.Context(), client.ObjectKey{Name: "w1"}, n); err != nil {
			t.Fatal(err)
		}
		if value, found := n.Labels[v1alpha1.SkipLabel]; !found || value != label || n.Annotations[v1alpha1.SkipReasonAnnotation] != annotation {
			t.Errorf("labels %v, annotations %v", n.Labels, n.Annotations)
		}
	}
	for _, test := range [][]string{{"disk is replaced", "", "disk is replaced"}, {"disk", "disk", ""}} {
		if code, _, errOut := terminal.Run(plugin.Run, "skip", "w1", "--reason", test[0]); code != app.ExitOK {
			t.Fatal(errOut)
		}
		check(test[1], test[2])
	}
}
