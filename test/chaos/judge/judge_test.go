package judge

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const policyName = "p"

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// story writes a history, one revision and one second for each step.
type story struct {
	History
	revision uint64
	nodes    map[string]Node
	reboots  map[string]Reboot
	grants   map[string]Grant
	spec     v1alpha1.RebootPolicySpec
}

func newStory() *story {
	s := &story{nodes: map[string]Node{}, reboots: map[string]Reboot{}, grants: map[string]Grant{}}
	s.Hosts = map[string][]HostEvent{}
	s.policy(func(spec *v1alpha1.RebootPolicySpec) {
		spec.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"pool": "p"}}
		spec.Mode = v1alpha1.ModeEnforce
		spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt(1))
		spec.Failure.MaxFailures = ptr.To(intstr.FromInt(1))
	})
	for _, zone := range []string{"a", "b"} {
		s.node("n"+zone, func(n *Node) {
			n.Zone, n.Ready, n.BootID, n.UID = zone, true, "boot-1-"+zone, "u"+zone
			n.Labels = map[string]string{"pool": "p"}
		})
		s.pod("web-"+zone, "n"+zone, true)
		s.reboot("n"+zone, func(*Reboot) {})
		s.host("n"+zone, HostRequired, "")
		s.node("n"+zone, func(n *Node) { n.Taints, n.Marks = []string{v1alpha1.TaintKey}, []string{"taint"} })
	}
	s.wait(20)
	return s
}

func (s *story) now() time.Time { return begin.Add(time.Duration(s.revision) * time.Second) }

func (s *story) wait(revisions uint64) { s.revision += revisions }

func (s *story) moment() Moment {
	s.revision++
	return Moment{Version: s.revision, At: s.now()}
}

func (s *story) policy(change func(*v1alpha1.RebootPolicySpec)) {
	change(&s.spec)
	s.Policies = append(s.Policies, Policy{Moment: s.moment(), Name: policyName, Spec: *s.spec.DeepCopy()})
}

func (s *story) node(name string, change func(*Node)) {
	node := s.nodes[name]
	node.Name = name
	change(&node)
	node.Moment = s.moment()
	s.nodes[name] = node
	s.Nodes = append(s.Nodes, node)
}

func (s *story) pod(name, node string, ready bool) {
	s.Pods = append(s.Pods, Pod{Moment: s.moment(), App: "ns/web", Name: name, UID: name, Node: node, Ready: ready})
}

func (s *story) host(name string, kind HostEventKind, bootID string) {
	s.Hosts[name] = append(s.Hosts[name], HostEvent{At: s.now(), Kind: kind, BootID: bootID})
}

func (s *story) did(kind DeedKind, node, taint string) {
	s.People = append(s.People, Deed{Moment: Moment{Version: s.revision + 1, At: s.now()}, Kind: kind, Node: node, Taint: taint})
}

func (s *story) reboot(node string, change func(*Reboot)) {
	reboot := s.reboots[node]
	if reboot.Name == "" {
		reboot = Reboot{Name: "r-" + node, UID: "r-" + node, Node: node}
		reboot.Status.Phase, reboot.Status.Reason, reboot.Status.Message = v1alpha1.PhasePending, v1alpha1.ReasonBudgetExhausted, "It waits."
	}
	reboot.Status = *reboot.Status.DeepCopy()
	change(&reboot)
	reboot.Moment = s.moment()
	s.reboots[node] = reboot
	s.Reboots = append(s.Reboots, reboot)
}

func (s *story) grant(nodes ...string) {
	grants := map[string]Grant{}
	for _, node := range nodes {
		number := int32(1)
		if attempt := s.reboots[node].Status.Attempt; attempt != nil {
			number = attempt.Number
		}
		grants[node] = Grant{UID: "r-" + node, Attempt: number}
	}
	s.Slots = append(s.Slots, Slots{Moment: s.moment(), Grants: grants, Entries: len(grants)})
}

func micro(t time.Time) *metav1.MicroTime { return &metav1.MicroTime{Time: t} }

// begins cordons a node that has its slot, and records the attempt.
func (s *story) begins(node string) {
	s.node(node, func(n *Node) { n.Cordoned, n.Ours, n.Marks = true, true, []string{"taint", "cordon"} })
	s.reboot(node, func(r *Reboot) {
		r.Finalizers = []string{v1alpha1.Finalizer}
		r.Status.Phase = v1alpha1.PhaseDraining
		r.Status.Attempt = &v1alpha1.Attempt{Number: 1, PolicyName: policyName, Zone: s.nodes[node].Zone}
		r.Status.Before = &v1alpha1.BootInfo{BootID: s.nodes[node].BootID}
	})
}

// order gives an order.
func (s *story) order(node string, sequence int64, action v1alpha1.OrderAction) {
	s.reboot(node, func(r *Reboot) {
		r.Status.LastSequence = sequence
		r.Status.Order = &v1alpha1.RebootOrder{Sequence: sequence, Action: action, BootID: s.nodes[node].BootID}
		if action == v1alpha1.ActionReboot {
			r.Status.Attempt.RebootOrderedTime = micro(s.now())
		}
	})
}

// goes carries out a reboot.
func (s *story) goes(node string) {
	zone := s.nodes[node].Zone
	s.pod("web-"+zone, node, false)
	s.order(node, 1, v1alpha1.ActionDrain)
	s.order(node, 2, v1alpha1.ActionReboot)
	s.host(node, HostAccepted, s.nodes[node].BootID)
	s.host(node, HostDown, "")
	s.node(node, func(n *Node) { n.Ready = false })
	s.host(node, HostUp, "boot-2-"+zone)
	s.node(node, func(n *Node) { n.Ready, n.BootID = true, "boot-2-"+zone })
	s.reboot(node, func(r *Reboot) {
		r.Status.Report = &v1alpha1.HelperReport{Sequence: 2, BootID: "boot-2-" + zone, Sentinel: v1alpha1.SentinelNotRequired}
	})
}

// clean uncordons a node.
func (s *story) clean(node string) {
	s.node(node, func(n *Node) { n.Cordoned, n.Ours, n.Marks, n.Taints = false, false, nil, nil })
}

// succeeds ends a reboot.
func (s *story) succeeds(node string) {
	s.reboot(node, func(r *Reboot) {
		r.Finalizers = nil
		r.Status.Phase, r.Status.Reason, r.Status.Outcome = v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved, v1alpha1.OutcomeSucceeded
		r.Status.After = &v1alpha1.BootInfo{BootID: s.nodes[node].BootID}
		r.Status.Attempt.EndedTime = micro(s.now())
	})
}

// whole reboots a node as it should be.
func (s *story) whole(node string) {
	s.grant(node)
	s.begins(node)
	s.goes(node)
	s.clean(node)
	s.pod("web-"+s.nodes[node].Zone, node, true)
	s.succeeds(node)
}

func (s *story) quiet() {
	from := s.revision
	s.wait(10)
	s.Quiet = []Span{{From: from, To: s.revision}}
}

func TestAHistoryAsItShouldBeBreaksNothing(t *testing.T) {
	s := newStory()
	s.whole("na")
	s.whole("nb")
	s.grant()
	s.quiet()
	for _, violation := range Judge(&s.History, Rules{}) {
		t.Error(violation)
	}
}

// TestEachViolationIsSeen breaks one promise in each history; the judge has to see that one.
func TestEachViolationIsSeen(t *testing.T) {
	tests := map[string]struct {
		want  Promise
		says  string
		rules Rules
		tell  func(*story)
	}{
		"two slots where one may be":       {Budget, "made 2 nodes", Rules{}, func(s *story) { s.grant("na", "nb") }},
		"a slot beside an attempt without": {Budget, "made 2 nodes", Rules{}, func(s *story) { s.grant("na"); s.begins("na"); s.grant(); s.grant("nb") }},
		"a slot while another node is down": {Budget, "made 2 nodes", Rules{}, func(s *story) {
			s.node("nb", func(n *Node) { n.Ready = false })
			s.wait(5)
			s.grant("na")
		}},
		"a slot while another node is cordoned": {Budget, "made 2 nodes", Rules{}, func(s *story) {
			s.did(PersonCordoned, "nb", "")
			s.node("nb", func(n *Node) { n.Cordoned = true })
			s.wait(5)
			s.grant("na")
		}},
		"a slot where none may be": {Budget, "0 may be", Rules{}, func(s *story) {
			s.policy(func(spec *v1alpha1.RebootPolicySpec) { spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt(0)) })
			s.wait(5)
			s.grant("na")
		}},
		"two slots of one zone": {Budget, "of zone a", Rules{}, func(s *story) {
			s.policy(func(spec *v1alpha1.RebootPolicySpec) {
				spec.Rollout.MaxUnavailable, spec.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.FromInt(2)), ptr.To(intstr.FromInt(1))
			})
			s.node("nb", func(n *Node) { n.Zone = "a" })
			s.grant("na", "nb")
		}},
		"more than the cluster allows": {Budget, "of the cluster", Rules{ClusterLimit: 1}, func(s *story) {
			s.policy(func(spec *v1alpha1.RebootPolicySpec) { spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt(2)) })
			s.grant("na", "nb")
		}},
		"cordoned without a slot": {Budget, "cordoned without a slot", Rules{}, func(s *story) { s.begins("na") }},
		"drained without a slot": {Budget, "without a slot", Rules{}, func(s *story) {
			s.grant("na")
			s.begins("na")
			s.reboot("na", func(r *Reboot) { r.Status.Attempt.EndedTime = micro(s.now()) })
			s.order("na", 1, v1alpha1.ActionDrain)
		}},
		"a relabeled node that no longer counts": {Budget, "made 2 nodes", Rules{}, func(s *story) {
			s.grant("na")
			s.begins("na")
			s.node("na", func(n *Node) { n.Labels = nil })
			s.grant("na", "nb")
		}},
		"two zones at once": {Zones, "a, b are under way", Rules{}, func(s *story) {
			s.policy(func(spec *v1alpha1.RebootPolicySpec) { spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt(2)) })
			s.grant("na", "nb")
		}},
		"two of a quorum": {Quorum, "may run etcd", Rules{}, func(s *story) {
			for _, name := range []string{"na", "nb"} {
				s.node(name, func(n *Node) { n.ControlPlane = true })
			}
			s.grant("na", "nb")
		}},
		"a start beside a member that is down": {Quorum, "may run etcd", Rules{}, func(s *story) {
			for _, name := range []string{"na", "nb"} {
				s.node(name, func(n *Node) { n.ControlPlane = true })
			}
			s.node("nb", func(n *Node) { n.Ready = false })
			s.wait(5)
			s.grant("na")
		}},
		"a start while paused": {Consent, "start of na", Rules{}, func(s *story) {
			s.policy(func(spec *v1alpha1.RebootPolicySpec) { spec.Mode = v1alpha1.ModePaused })
			s.wait(5)
			s.grant("na")
			s.begins("na")
		}},
		"an order while paused": {Consent, "order to Reboot of na", Rules{}, func(s *story) {
			s.grant("na")
			s.begins("na")
			s.policy(func(spec *v1alpha1.RebootPolicySpec) { spec.Mode = v1alpha1.ModePaused })
			s.wait(5)
			s.order("na", 1, v1alpha1.ActionReboot)
		}},
		"an order of a policy that is gone": {Consent, "order to Drain of na", Rules{}, func(s *story) {
			s.grant("na")
			s.begins("na")
			s.Policies = append(s.Policies, Policy{Moment: s.moment(), Name: policyName, Spec: s.spec, Gone: true})
			s.wait(5)
			s.order("na", 1, v1alpha1.ActionDrain)
		}},
		"a start of a node to be skipped": {Consent, "label to be skipped", Rules{}, func(s *story) {
			s.node("na", func(n *Node) { n.Skipped = true })
			s.wait(5)
			s.grant("na")
		}},
		"a start in spite of a node that is lost": {Halt, "did not come back", Rules{}, func(s *story) {
			s.policy(func(spec *v1alpha1.RebootPolicySpec) { spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt(2)) })
			s.grant("na")
			s.begins("na")
			s.order("na", 1, v1alpha1.ActionReboot)
			s.node("na", func(n *Node) { n.Ready = false })
			s.reboot("na", func(r *Reboot) { r.Status.Reason = v1alpha1.ReasonNodeNotBack })
			s.wait(5)
			s.grant("na", "nb")
		}},
		"cordoned before it was tainted": {EarlyTaint, "before it was tainted", Rules{}, func(s *story) {
			s.grant("na")
			s.node("na", func(n *Node) { n.Taints = nil })
			s.begins("na")
		}},
		"the taint of others is gone": {EarlyTaint, "others set", Rules{}, func(s *story) {
			s.did(PersonTainted, "na", "gpu")
			s.node("na", func(n *Node) { n.Taints = []string{v1alpha1.TaintKey, "gpu"} })
			s.node("na", func(n *Node) { n.Taints = []string{v1alpha1.TaintKey} })
		}},
		"the cordon of others is gone": {Cordons, "others had cordoned it", Rules{}, func(s *story) {
			s.did(PersonCordoned, "na", "")
			s.node("na", func(n *Node) { n.Cordoned = true })
			s.node("na", func(n *Node) { n.Cordoned = false })
		}},
		"the cordon of others becomes one of ours": {Cordons, "has the operator's annotation", Rules{}, func(s *story) {
			s.grant("na")
			s.did(PersonCordoned, "na", "")
			s.node("na", func(n *Node) { n.Cordoned = true })
			s.node("na", func(n *Node) { n.Ours = true })
		}},
		"a cordon of nobody": {Cordons, "by nobody", Rules{}, func(s *story) { s.node("na", func(n *Node) { n.Cordoned = true }) }},
		"success without another boot": {Proof, "without two boots", Rules{}, func(s *story) {
			s.grant("na")
			s.begins("na")
			s.succeeds("na")
		}},
		"success by a boot that never was": {Proof, "never ran", Rules{}, func(s *story) {
			s.whole("na")
			s.Hosts["na"] = []HostEvent{{Kind: HostAccepted, BootID: "boot-1-a"}}
		}},
		"success while the sentinel is there": {Proof, "the sentinel is gone", Rules{}, func(s *story) {
			s.grant("na")
			s.begins("na")
			s.goes("na")
			s.reboot("na", func(r *Reboot) { r.Status.Report.Sentinel = v1alpha1.SentinelUnknown })
			s.succeeds("na")
		}},
		"success while the node is down": {Proof, "not Ready", Rules{}, func(s *story) {
			s.grant("na")
			s.begins("na")
			s.goes("na")
			s.node("na", func(n *Node) { n.Ready = false })
			s.wait(5)
			s.succeeds("na")
		}},
		"a slot that is freed while a pod is away": {Recovery, "with 1 ready pods", Rules{}, func(s *story) {
			s.grant("na")
			s.begins("na")
			s.goes("na")
			s.clean("na")
			s.wait(5)
			s.succeeds("na")
		}},
		"a host that rebooted twice for one order": {AtMostOnce, "asked 2 times", Rules{}, func(s *story) {
			s.whole("na")
			s.host("na", HostAccepted, "boot-1-a")
		}},
		"a host that rebooted without an order": {AtMostOnce, "by 0 orders", Rules{}, func(s *story) { s.host("na", HostAccepted, "boot-1-a") }},
		"an order that changes": {AtMostOnce, "became another one", Rules{}, func(s *story) {
			s.grant("na")
			s.begins("na")
			s.order("na", 1, v1alpha1.ActionDrain)
			s.order("na", 1, v1alpha1.ActionReboot)
		}},
		"an order that comes late": {AtMostOnce, "came after order 2", Rules{}, func(s *story) {
			s.grant("na")
			s.begins("na")
			s.order("na", 2, v1alpha1.ActionDrain)
			s.order("na", 1, v1alpha1.ActionDrain)
		}},
		"a report of an order that nobody gave": {AtMostOnce, "is the last that was given", Rules{}, func(s *story) {
			s.reboot("na", func(r *Reboot) { r.Status.Report = &v1alpha1.HelperReport{Sequence: 3} })
		}},
		"an order without an attempt": {AtMostOnce, "belongs to no attempt", Rules{}, func(s *story) {
			s.reboot("na", func(r *Reboot) { r.Status.Order = &v1alpha1.RebootOrder{Sequence: 1} })
		}},
		"no reason":               {Reasons, "the reason", Rules{}, func(s *story) { s.reboot("na", func(r *Reboot) { r.Status.Reason = "" }) }},
		"no message":              {Reasons, "the message", Rules{}, func(s *story) { s.reboot("na", func(r *Reboot) { r.Status.Message = "" }) }},
		"a node left cordoned":    {Cordons, "left cordoned", Rules{}, func(s *story) { s.grant("na"); s.begins("na") }},
		"a node left with a mark": {Cordons, "left with taint", Rules{}, func(*story) {}},
		"a host that still asks":  {Persistence, "na still asks", Rules{}, func(*story) {}},
		"a reboot left open":      {Persistence, "left Pending", Rules{}, func(*story) {}},
		"a slot left":             {NoLock, "1 entries", Rules{}, func(s *story) { s.whole("na") }},
		"a finalizer left": {NoLock, "finalizers", Rules{}, func(s *story) {
			s.whole("na")
			s.reboot("na", func(r *Reboot) { r.Finalizers = []string{v1alpha1.Finalizer} })
		}},
		"a Node written for nothing": {Idle, "Node na", Rules{}, func(s *story) {
			s.quiet()
			s.wait(^uint64(4))
			s.node("na", func(*Node) {})
		}},
		"a NodeReboot written for nothing": {Idle, "NodeReboot r-na", Rules{}, func(s *story) {
			s.quiet()
			s.wait(^uint64(4))
			s.reboot("na", func(*Reboot) {})
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			test.tell(s)
			found := Judge(&s.History, test.rules)
			for _, violation := range found {
				if violation.Promise == test.want && strings.Contains(violation.Message, test.says) {
					return
				}
			}
			t.Errorf("no violation of %q that says %q, but %v", test.want, test.says, found)
		})
	}
}

func TestWhatNobodyCouldKnowYetIsNoViolation(t *testing.T) {
	for name, tell := range map[string]func(*story){
		"a node that went down just now": func(s *story) { s.node("nb", func(n *Node) { n.Ready = false }) },
		"a policy paused just now": func(s *story) {
			s.policy(func(spec *v1alpha1.RebootPolicySpec) { spec.Mode = v1alpha1.ModePaused })
		},
		"a limit lowered just now": func(s *story) {
			s.policy(func(spec *v1alpha1.RebootPolicySpec) { spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt(0)) })
		},
		"a label to skip it just now": func(s *story) { s.node("na", func(n *Node) { n.Skipped = true }) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			tell(s)
			s.grant("na")
			s.begins("na")
			for _, violation := range Judge(&s.History, Rules{Grace: 10 * time.Second, Unfinished: true}) {
				t.Error(violation)
			}
			s.wait(20)
			s.order("na", 1, v1alpha1.ActionDrain)
			if name != "a policy paused just now" && name != "a label to skip it just now" {
				return
			}
			if len(Judge(&s.History, Rules{Grace: 10 * time.Second, Unfinished: true})) == 0 {
				t.Error("later it is one")
			}
		})
	}
}
