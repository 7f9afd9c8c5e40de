package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// squat gives NodeReboots of another node names of the node.
func squat(s *Snapshot, node string, names int) {
	for _, name := range v1alpha1.SentinelRebootNames(node, "")[:names] {
		s.Reboots = append(s.Reboots, newReboot(name, "elsewhere", manual))
	}
}

// flooded has a node whose helper made a NodeReboot of each name at once, for boots that may not be.
func flooded(t *testing.T, bootID func(i int) string) *story {
	t.Helper()
	s := newStory(t, newPolicy("p", isPaused), newNode("a", "z1"))
	for i, name := range v1alpha1.SentinelRebootNames("a", "") {
		s.Reboots = append(s.Reboots, newReboot(name, "a", requiredFor(time.Duration(i)*time.Second), func(r *v1alpha1.NodeReboot) {
			r.Spec.BootID = bootID(i)
		}))
	}
	return s
}

func isPaused(p *v1alpha1.RebootPolicy) { p.Spec.Mode = v1alpha1.ModePaused }

func outcomes(s *story) map[string]int {
	count := map[string]int{}
	for _, r := range s.Reboots {
		count[r.Status.Reason]++
	}
	return count
}

func TestTheSentinelOfANodeHasOneNodeReboot(t *testing.T) {
	s := flooded(t, func(int) string { return bootOf("a", 1) })
	s.settle()
	want := map[string]int{v1alpha1.ReasonPaused: 1, v1alpha1.ReasonSuperseded: 15}
	if diff := cmp.Diff(want, outcomes(s)); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	names := v1alpha1.SentinelRebootNames("a", "")
	if got := s.summary(names[15]); got.Phase != v1alpha1.PhasePending {
		t.Errorf("%s, required for longest, is %v", names[15], got)
	}
	want1 := fmt.Sprintf("NodeReboot %s of the same node asks for the same reboot.", names[15])
	if got := s.reboot(names[0]).Status.Message; got != want1 {
		t.Errorf("message %q, want %q", got, want1)
	}
}

// Their names are not free at once, so no helper can make the manager write, and delete, as fast as it can ask.
func TestSurplusNodeRebootsKeepTheirNamesForAWhileAndThenGo(t *testing.T) {
	s := flooded(t, func(i int) string { return fmt.Sprintf("made-up-%d", i) })
	s.settle()
	s.advance(9 * time.Minute)
	if len(s.Reboots) != 16 {
		t.Errorf("%d NodeReboots after 9 minutes, want all 16", len(s.Reboots))
	}
	s.advance(time.Minute)
	if got := len(s.Reboots); got != 1+defaultCancelled {
		t.Errorf("%d NodeReboots after 10 minutes, want the one that waits and %d that are kept", got, defaultCancelled)
	}
}

// A helper that says that there is no need has made up the boots that asked.
func TestNeedsOfBootsThatDoNotRunAreNotRemembered(t *testing.T) {
	for name, test := range map[string]struct {
		bootID func(int) string
		want   int
	}{
		"boots that do not run": {func(i int) string { return fmt.Sprintf("made-up-%d", i) }, defaultCancelled},
		"the boot that runs":    {func(int) string { return bootOf("a", 1) }, defaultCancelled + 1}, // it may be opened again
	} {
		t.Run(name, func(t *testing.T) {
			s := flooded(t, test.bootID)
			s.settle()
			for _, r := range slices.Clone(s.Reboots) {
				s.report(r.Name, func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelNotRequired })
			}
			s.settle()
			s.advance(time.Hour)
			if got := len(s.Reboots); got > test.want {
				t.Errorf("%d NodeReboots are left, want up to %d", got, test.want)
			}
		})
	}
}

func TestTheOneUnderWayIsKept(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
	s.settle()
	s.Reboots = append(s.Reboots, newReboot("a-0", "a", immediate, requiredFor(2*time.Hour)), newReboot("by-hand", "a", manual))
	s.settle()
	want := map[string]int{v1alpha1.ReasonDraining: 1, v1alpha1.ReasonSuperseded: 1, v1alpha1.ReasonSameNode: 1}
	if diff := cmp.Diff(want, outcomes(s)); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestANodeRebootWithTheNameOfAnotherNodeSaysSo(t *testing.T) {
	const want = "Names such as this one are for the helper of node a, which uses another name while one is free: " +
		"delete this NodeReboot and create it with a name that does not end in a dash and one hexadecimal digit."
	for name, test := range map[string]struct {
		reboot, node, want string
	}{
		"of another node":          {"a-0", "b", want},
		"of a node that is not":    {"a-0", "gone", want},
		"of the node itself":       {"a-0", "a", ""},
		"no name of a helper":      {"a-10", "b", ""},
		"the name of no node":      {"c-1", "b", ""},
		"a node called like a":     {"a-b-0", "a-b", ""},
		"called like its own node": {"a-b", "a-b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p"), newNode("a", "z1"), newNode("b", "z1"), newNode("a-b", "z1"), newReboot(test.reboot, test.node, manual))
			p := s.pass()
			var events []string
			for _, work := range p.Work {
				for _, change := range work.Reboots {
					for _, event := range change.Events {
						if event.Reason == v1alpha1.ReasonNameOfOtherNode {
							events = append(events, event.Message)
						}
					}
				}
			}
			if got := trueCondition(s.reboot(test.reboot).Status.Conditions, v1alpha1.ConditionNameOfOtherNode); got != test.want {
				t.Errorf("the condition says %q, want %q", got, test.want)
			}
			if (test.want != "") != slices.Equal(events, []string{want}) {
				t.Errorf("events are %q", events)
			}
			for _, work := range s.pass().Work {
				for _, change := range work.Reboots {
					if slices.ContainsFunc(change.Events, func(e Event) bool { return e.Reason == v1alpha1.ReasonNameOfOtherNode }) {
						t.Errorf("the event comes again")
					}
				}
			}
		})
	}
}

func TestAPolicySaysWhenAHelperHasNoNameLeft(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newNode("b", "z1"))
	squat(s.Snapshot, "a", 15)
	s.settle()
	if got := trueCondition(s.policy("p").Status.Conditions, v1alpha1.ConditionNamesTaken); got != "" {
		t.Errorf("with one name left the policy says %q", got)
	}
	s.Reboots = nil
	squat(s.Snapshot, "a", 16)
	squat(s.Snapshot, "b", 16)
	slices.Reverse(s.Reboots)
	s.settle()
	const want = "The helper of node a cannot ask for a reboot: NodeReboots of other nodes have taken the 16 names that it can use. " +
		"Delete a-0, or another of them. The same is true for 1 more."
	if got := trueCondition(s.policy("p").Status.Conditions, v1alpha1.ConditionNamesTaken); got != want {
		t.Errorf("the policy says %q, want %q", got, want)
	}
}
