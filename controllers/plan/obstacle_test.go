package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func says(change func(*v1alpha1.HelperReport)) rebootOption {
	return func(r *v1alpha1.NodeReboot) { change(r.Status.Report) }
}

func method(method v1alpha1.RebootMethod) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.Method = method })
}

func TestANodeIsNotDrainedWhoseHostCannotReboot(t *testing.T) {
	const noBus = "connect to the system bus: dial unix /run/dbus/system_bus_socket: connect: no such file or directory"
	several := func(r *v1alpha1.HelperReport) {
		r.Methods = []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind, Obstacle: noBus}, {Name: v1alpha1.RebootSignal}}
	}
	unable := func(r *v1alpha1.HelperReport) { r.Methods = byLogind(noBus) }
	cases := map[string]struct {
		policy      policyOption
		node        nodeOption
		says        func(*v1alpha1.HelperReport)
		options     []rebootOption
		want        string
		wantMessage string
	}{
		"nothing is in the way": {want: v1alpha1.ReasonDraining},
		"the host has no bus": {
			says: unable, want: v1alpha1.ReasonHostCannotReboot, wantMessage: "The host of node a cannot reboot: " + noBus + ".",
		},
		"the host has no bus, and urgency does not help": {
			says: unable, options: []rebootOption{immediate, manual}, want: v1alpha1.ReasonHostCannotReboot,
		},
		"the helper is away as well": {says: unable, node: noHelper, want: v1alpha1.ReasonHostCannotReboot},
		"the rebooter does not answer": {
			says: func(r *v1alpha1.HelperReport) {
				r.Methods = []v1alpha1.MethodReport{{Name: v1alpha1.RebootInstalled, Obstacle: "the rebooter does not answer."}}
			},
			policy: method(v1alpha1.RebootSignal), want: v1alpha1.ReasonHostCannotReboot,
			wantMessage: "The host of node a cannot reboot: the rebooter does not answer.",
		},
		"another method would work":                         {says: several, want: v1alpha1.ReasonHostCannotReboot},
		"the method of the policy works":                    {says: several, policy: method(v1alpha1.RebootSignal), want: v1alpha1.ReasonDraining},
		"the method of the policy is the one that does not": {says: several, policy: method(v1alpha1.RebootLogind), want: v1alpha1.ReasonHostCannotReboot},
		"a program holds an inhibitor lock": {
			says: func(r *v1alpha1.HelperReport) { r.Methods = inhibited("apt (uid 0): upgrade") }, want: v1alpha1.ReasonRebootInhibited,
			wantMessage: "An inhibitor lock keeps the host of node a from rebooting: apt (uid 0): upgrade.",
		},
		"a host of this kind cannot be rebooted": {
			says: func(r *v1alpha1.HelperReport) {
				r.Methods, r.HostOS = byLogind("it has no systemd"), "Alpine Linux v3.22"
				r.Methods[0].Kind = v1alpha1.ObstacleUnsupported
			},
			want:        v1alpha1.ReasonHostUnsupported,
			wantMessage: "The host of node a (Alpine Linux v3.22) cannot be rebooted by Logind: it has no systemd.",
		},
		"an obstacle of a kind that a newer helper knows": {
			says: func(r *v1alpha1.HelperReport) {
				r.Methods = byLogind("the battery is low")
				r.Methods[0].Kind = "BatteryLow"
			},
			want: v1alpha1.ReasonHostCannotReboot, wantMessage: "the battery is low",
		},
		"a kind without an obstacle": {
			says: func(r *v1alpha1.HelperReport) { r.Methods = inhibited("") }, want: v1alpha1.ReasonDraining,
		},
		"the helper may not evict": {
			says: func(r *v1alpha1.HelperReport) { r.EvictionObstacle = "pods is forbidden" },
			want: v1alpha1.ReasonEvictionForbidden, wantMessage: "The helper of node a may not evict its pods: pods is forbidden.",
		},
		"kexec, and the helper is too old for it": {
			says:   func(r *v1alpha1.HelperReport) { r.Protocol = 1 },
			policy: spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.Via = v1alpha1.RebootViaKexec }),
			want:   v1alpha1.ReasonHelperTooOld, wantMessage: "reboot.via of RebootPolicy p needs protocol 2",
		},
		"no kexec, and the helper is too old for it": {
			says: func(r *v1alpha1.HelperReport) { r.Protocol = 1 }, want: v1alpha1.ReasonDraining,
		},
		"kexec": {
			policy: spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.Via = v1alpha1.RebootViaKexec }), want: v1alpha1.ReasonDraining,
		},
		"kexec, and a command reboots the host": {
			says:   func(r *v1alpha1.HelperReport) { r.Methods = []v1alpha1.MethodReport{{Name: v1alpha1.RebootCommand}} },
			policy: spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.Via = v1alpha1.RebootViaKexec }),
			want:   v1alpha1.ReasonHostCannotReboot, wantMessage: "remove reboot.via, or install the method Logind",
		},
		"the method of the policy was not installed": {
			says: several, policy: method(v1alpha1.RebootCommand), want: v1alpha1.ReasonHostCannotReboot,
			wantMessage: "its helper was not installed with the method Command of the policy, but with Logind, Signal.",
		},
		"the sentinel cannot be read": {
			says: func(r *v1alpha1.HelperReport) {
				r.Sentinel, r.Message = v1alpha1.SentinelUnknown, "sentinel unknown: /run/x is not a regular file but d---------"
			},
			want: v1alpha1.ReasonSentinelCheckFails, wantMessage: "so a reboot could not be proved. sentinel unknown: /run/x is not a regular file",
		},
		"the sentinel cannot be read, and a person asks": {
			says: func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelUnknown }, options: []rebootOption{
				func(r *v1alpha1.NodeReboot) { r.Spec.Trigger = v1alpha1.TriggerManual },
			},
			want: v1alpha1.ReasonSentinelCheckFails,
		},
		"the helper said nothing": {
			options: []rebootOption{noReport}, want: v1alpha1.ReasonHelperNotReady,
			wantMessage: "The helper of node a has not reported since the node's boot whether the host can reboot.",
		},
		"the helper has not said anything yet": {
			options: []rebootOption{noReport, requiredFor(time.Second)}, want: v1alpha1.ReasonStarting,
			wantMessage: "The helper of node a is asked whether its host can reboot.",
		},
		"the helper is of a version that does not say it": {
			says: func(r *v1alpha1.HelperReport) { r.Methods = nil }, want: v1alpha1.ReasonHelperNotReady, wantMessage: "has not reported since",
		},
		"it was said of another boot": {
			says: func(r *v1alpha1.HelperReport) { r.BootID = "another" },
			want: v1alpha1.ReasonHelperNotReady, wantMessage: "has not reported since",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			policy, node := newPolicy("p"), newNode("a", "z1")
			if tc.policy != nil {
				tc.policy(policy)
			}
			if tc.node != nil {
				tc.node(node)
			}
			if tc.says != nil {
				tc.options = append([]rebootOption{says(tc.says)}, tc.options...)
			}
			s := newStory(t, policy, node, newReboot("ra", "a", tc.options...))
			s.settle()
			status := s.reboot("ra").Status
			if status.Reason != tc.want || !strings.Contains(status.Message, tc.wantMessage) {
				t.Errorf("%s %q, want %s %q", status.Reason, status.Message, tc.want, tc.wantMessage)
			}
			if drains := status.Order != nil; drains != (tc.want == v1alpha1.ReasonDraining) || s.node("a").Unschedulable != drains {
				t.Errorf("drained is %t with the reason %s; cordoned is %t", drains, status.Reason, s.node("a").Unschedulable)
			}
		})
	}
}

func TestANodeGoesWhenItsHostCanRebootAgain(t *testing.T) {
	inhibited := says(func(r *v1alpha1.HelperReport) { r.Methods = byLogind("inhibited") })
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a", inhibited))
	s.settle()
	s.report("ra", func(r *v1alpha1.HelperReport) { r.Methods = byLogind("") })
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonDraining {
		t.Errorf("reason %s", got)
	}
}

// A NodeReboot that is new waits for its turn while its helper has not said anything, but not for long.
func TestAHelperThatSaysNothingDoesNotHoldUpOthers(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newNode("b", "z1"),
		newReboot("ra", "a", noReport, immediate, requiredFor(0)), newReboot("rb", "b", requiredFor(0)))
	s.settle()
	want := map[string]string{"ra": v1alpha1.ReasonStarting, "rb": v1alpha1.ReasonBudgetExhausted}
	if diff := cmp.Diff(want, s.reasons()); diff != "" {
		t.Errorf("reasons at first (-want +got):\n%s", diff)
	}
	s.advance(reportGrace)
	want = map[string]string{"ra": v1alpha1.ReasonHelperNotReady, "rb": v1alpha1.ReasonDraining}
	if diff := cmp.Diff(want, s.reasons()); diff != "" {
		t.Errorf("reasons later (-want +got):\n%s", diff)
	}
}

func TestWhyAHelperIsNotReadyIsTold(t *testing.T) {
	crashing := func(n *Node) {
		n.HelperReady, n.HelperProblem, n.HelperSince = false, "container helper: exec format error", start.Add(-2*time.Minute)
	}
	s := newStory(t, newPolicy("p"), newNode("a", "z1", crashing), newReboot("ra", "a"))
	s.settle()
	want := "No helper pod on node a is Ready, so it cannot be drained or rebooted: container helper: exec format error."
	if got := s.reboot("ra").Status.Message; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

func TestAPolicyTellsOfHelpersThatAreAwayForLong(t *testing.T) {
	lost := func(since time.Duration) nodeOption {
		return func(n *Node) {
			n.HelperReady, n.HelperProblem, n.HelperSince = false, "ImagePullBackOff", start.Add(since)
		}
	}
	s := newStory(t, newPolicy("p"), newNode("a", "z1", lost(-4*time.Minute)), newNode("b", "z1", lost(-3*time.Minute)),
		newNode("down", "z1", lost(-time.Hour), notReady), newNode("never had one", "z1", noHelper), newNode("well", "z1"))
	condition := func() string {
		c := meta.FindStatusCondition(s.policy("p").Status.Conditions, v1alpha1.ConditionHelpersNotReady)
		if c == nil {
			return ""
		}
		return c.Reason + ": " + c.Message
	}
	s.settle()
	if got := condition(); got != "" {
		t.Errorf("told within the grace: %s", got)
	}
	s.advance(2 * time.Minute)
	want := "HelpersNotReady: The helper of node a has not been Ready since 2026-03-02 11:56 +00:00, " +
		"so reboots there are neither detected nor carried out: ImagePullBackOff. The same is true for 1 more."
	if got := condition(); got != want {
		t.Errorf("condition %q, want %q", got, want)
	}
	for _, name := range []string{"a", "b"} {
		s.node(name).HelperReady = true
	}
	s.settle()
	if got := condition(); got != "" {
		t.Errorf("told when all are back: %s", got)
	}
}

// Nodes that are under way lose their helper with their host.
func TestAHelperThatRebootsWithItsHostIsNotTold(t *testing.T) {
	s := attemptIn(t, stageRebooting)
	n := s.node("a")
	n.HelperReady, n.HelperSince = false, s.now
	s.settle()
	s.advance(10 * time.Minute)
	if c := meta.FindStatusCondition(s.policy("p").Status.Conditions, v1alpha1.ConditionHelpersNotReady); c != nil {
		t.Errorf("condition %+v", c)
	}
}
