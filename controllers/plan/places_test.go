package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// saidPlace finds a place in a message.
var saidPlace = regexp.MustCompile(`The node was (\S+ of \d+.*), as of 2026-03-02 12:00 \+00:00\.$`)

// tellingPlaces has a story say places, as the manager does.
func tellingPlaces(s *story) *story {
	s.TellPlaces = true
	return s
}

// places are those that the messages of all NodeReboots say.
func (s *story) places() map[string]string {
	s.t.Helper()
	places := map[string]string{}
	for _, r := range s.Reboots {
		if found := saidPlace.FindStringSubmatch(r.Status.Message); found != nil {
			places[r.Name] = found[1]
		}
		for _, c := range r.Status.Conditions {
			if (c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionReconciling) && c.Message != r.Status.Message {
				s.t.Errorf("condition %s of %s says %q, and the status %q", c.Type, r.Name, c.Message, r.Status.Message)
			}
		}
	}
	return places
}

func TestWaitingMessagesSayThePlaceInTheQueueOfThePlanner(t *testing.T) {
	inOrder := spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.NodeOrder = v1alpha1.NodeOrderLongestRequired })
	need := func(name, zone string, options ...rebootOption) []any {
		return []any{newNode(name, zone), newReboot("r"+name, name, options...)}
	}
	canaries := func(count int32) policyOption {
		return spec(func(s *v1alpha1.RebootPolicySpec) {
			s.Rollout.Canary = &v1alpha1.CanarySpec{Count: ptr.To(intstr.FromInt32(count)), SoakSeconds: ptr.To[int32](60)}
		})
	}
	controlPlane := func(n *Node) { n.Labels["node-role.kubernetes.io/control-plane"] = "" }
	for name, test := range map[string]struct {
		objects []any
		want    map[string]string
	}{
		"ties are in the order of names": {
			slices.Concat([]any{newPolicy("p", inOrder)}, need("a", "z1"), need("b", "z1"), need("c", "z1"), need("d", "z1")),
			map[string]string{"rb": "1st of 3 in zone z1", "rc": "2nd of 3 in zone z1", "rd": "3rd of 3 in zone z1"},
		},
		"who needed it first is first, and an immediate one before": {
			slices.Concat([]any{newPolicy("p", inOrder, anyOrder())}, need("a", "z1", immediate, requiredFor(3*time.Hour)),
				need("b", "z2"), need("c", "z1", requiredFor(2*time.Hour)), need("d", "z2", immediate)),
			map[string]string{"rd": "1st of 3", "rc": "2nd of 3", "rb": "3rd of 3"},
		},
		"each zone has its own queue": {
			slices.Concat([]any{newPolicy("p", inOrder)}, need("a", "z1"), need("b", "z1"), need("c", "z1"), need("d", "z2"), need("e", "z2"),
				need("f", "z3")),
			map[string]string{
				"rb": "1st of 2 in zone z1", "rc": "2nd of 2 in zone z1", "rd": "1st of 2 in zone z2", "re": "2nd of 2 in zone z2",
			},
		},
		"nodes without a zone have one": {
			slices.Concat([]any{newPolicy("p", inOrder)}, need("a", "z1"), need("b", ""), need("c", "")),
			map[string]string{"rb": "1st of 2 of the nodes without a zone", "rc": "2nd of 2 of the nodes without a zone"},
		},
		"zones in any order are one queue": {
			slices.Concat([]any{newPolicy("p", inOrder, anyOrder())}, need("a", "z1"), need("b", "z2"), need("c", "z1")),
			map[string]string{"rb": "1st of 2", "rc": "2nd of 2"},
		},
		"control-plane nodes come after the others of their zone": {
			slices.Concat([]any{newPolicy("p", inOrder), newNode("cp", "z1", controlPlane), newReboot("rcp", "cp", requiredFor(9*time.Hour))},
				need("a", "z1"), need("b", "z1")),
			map[string]string{"rb": "1st of 2 in zone z1", "rcp": "2nd of 2 in zone z1"},
		},
		"the nodes of a group have the same place": {
			[]any{
				newPolicy("p", inOrder, maxUnavailable("1"), spec(func(s *v1alpha1.RebootPolicySpec) {
					s.Rollout.Group = &v1alpha1.GroupSpec{Label: "rack", MaxSize: 2}
				})),
				newNode("a", "z1"), newReboot("ra", "a", requiredFor(9*time.Hour)),
				newNode("b", "z1", labeled("rack", "r1")), newReboot("rb", "b"),
				newNode("c", "z1"), newReboot("rc", "c"),
				newNode("d", "z1", labeled("rack", "r1")), newReboot("rd", "d"),
				newNode("e", "z1"), newReboot("re", "e"),
			},
			map[string]string{"rb": "1st of 4 in zone z1", "rd": "1st of 4 in zone z1", "rc": "3rd of 4 in zone z1", "re": "4th of 4 in zone z1"},
		},
		"each policy has its own queue": {
			slices.Concat([]any{
				newPolicy("p", inOrder, anyOrder()), newPolicy("q", inOrder, anyOrder(), priority(9), selecting("pool", "blue")),
				newNode("x", "z1", labeled("pool", "blue")), newReboot("rx", "x"), newNode("y", "z1", labeled("pool", "blue")), newReboot("ry", "y"),
				newNode("z", "z1", labeled("pool", "blue")), newReboot("rz", "z"),
			}, need("a", "z1"), need("b", "z1"), need("c", "z1")),
			map[string]string{"rb": "1st of 2", "rc": "2nd of 2", "ry": "1st of 2", "rz": "2nd of 2"},
		},
		"canaries are the first of the queue": {
			slices.Concat([]any{newPolicy("p", inOrder, canaries(3))}, need("a", "z1"), need("b", "z1"), need("c", "z1"), need("d", "z1")),
			map[string]string{"rb": "1st of 3 in zone z1", "rc": "2nd of 3 in zone z1", "rd": "3rd of 3 in zone z1"},
		},
		"who waits for a canary is in no queue yet": {
			slices.Concat([]any{newPolicy("p", inOrder, canaries(1))}, need("a", "z1"), need("b", "z1"), need("c", "z1"), need("d", "z1")),
			map[string]string{},
		},
		"who waits for something of its own is in no queue": {
			slices.Concat([]any{newPolicy("p", inOrder), newNode("s", "z1", skippedNode), newReboot("rs", "s"), newNode("h", "z1", noHelper),
				newReboot("rh", "h")}, need("a", "z1"), need("b", "z1"), need("c", "z1")),
			map[string]string{"rb": "1st of 2 in zone z1", "rc": "2nd of 2 in zone z1"},
		},
		"one alone is no queue": {
			slices.Concat([]any{newPolicy("p", inOrder)}, need("a", "z1"), need("b", "z1")), map[string]string{},
		},
		"a policy that only observes shows the queue": {
			slices.Concat([]any{newPolicy("p", inOrder, mode(v1alpha1.ModeObserve))}, need("a", "z1"), need("b", "z1"), need("c", "z1")),
			map[string]string{"rb": "1st of 2 in zone z1", "rc": "2nd of 2 in zone z1"},
		},
		"a paused one has none": {
			slices.Concat([]any{newPolicy("p", inOrder, mode(v1alpha1.ModePaused))}, need("a", "z1"), need("b", "z1"), need("c", "z1")),
			map[string]string{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := tellingPlaces(newStory(t, test.objects...))
			s.settle()
			if diff := cmp.Diff(test.want, s.places()); diff != "" {
				t.Errorf("the places (-want +got):\n%s", diff)
				for _, r := range s.Reboots {
					t.Logf("%s: %s %s", r.Name, r.Status.Reason, r.Status.Message)
				}
			}
			s.settle()
		})
	}
}

// queueOf is a story of as many nodes that go one after the other.
func queueOf(t *testing.T, count int) *story {
	objects := []any{newPolicy("p", anyOrder(), maxUnavailable("1"))}
	for i := range count {
		name := fmt.Sprintf("n%02d", i)
		objects = append(objects, newNode(name, "z1"), newReboot("r"+name, name))
	}
	return deferring(newStory(t, objects...))
}

// waitingWrites lets a queue go by, and counts how often the status of a node was written that waits afterwards.
func (s *story) waitingWrites(done int) int {
	s.t.Helper()
	writes := 0
	look := func(d time.Duration) {
		for end := s.now.Add(d); ; {
			p := s.pass()
			s.Deferred = map[string]time.Time{}
			for key, since := range p.Deferred {
				s.Deferred[key] = since
			}
			for _, work := range p.Work {
				for _, change := range work.Reboots {
					if change.StatusChanged && change.Status.Phase == v1alpha1.PhasePending {
						writes++
					}
				}
			}
			if s.wake.IsZero() || s.wake.After(end) {
				s.now = end
				return
			}
			s.now = s.wake
		}
	}
	look(time.Minute)
	for i := range done {
		name := fmt.Sprintf("n%02d", i)
		s.answer("r"+name, v1alpha1.OrderDone, "")
		look(time.Minute)
		s.boot(name, 2)
		s.comeBack("r"+name, v1alpha1.SentinelNotRequired)
		look(5 * time.Minute)
		if got := s.reboot("r" + name).Status.Phase; got != v1alpha1.PhaseSucceeded {
			s.t.Fatalf("phase %s of node %s", got, name)
		}
	}
	return writes
}

func TestAQueueThatMovesWritesNoMoreThanOneWhoseMessagesSayNoPlace(t *testing.T) {
	const nodes, done = 50, 20
	without := queueOf(t, nodes).waitingWrites(done)
	s := tellingPlaces(queueOf(t, nodes))
	with := s.waitingWrites(done)
	if with > without {
		t.Errorf("while %d of %d nodes went, the statuses of those that wait were written %d times, and without places %d times",
			done, nodes, with, without)
	}
	last := s.reboot("rn49").Status.Message
	if !strings.Contains(last, " of 49, as of 2026-03-02 12:00") {
		t.Errorf("the last one says %q", last)
	}
}

func TestAPlaceIsWrittenAgainWhenTheMessageIs(t *testing.T) {
	s := tellingPlaces(queueOf(t, 5))
	s.waitingWrites(2)
	before := s.reboot("rn04").Status.Message
	if !strings.Contains(before, "4th of 4, as of 2026-03-02 12:00 +00:00.") {
		t.Errorf("it says %q", before)
	}
	s.editPolicy("p", spec(func(spec *v1alpha1.RebootPolicySpec) { spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt32(0)) }))
	s.waitingWrites(0)
	after := s.reboot("rn04").Status.Message
	if !strings.Contains(after, "2nd of 2, as of 2026-03-02 12:") || model.WithoutPlace(before) == model.WithoutPlace(after) {
		t.Errorf("first it says %q, and then %q", before, after)
	}
}
