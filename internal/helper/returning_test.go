package helper

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

// terminateIn is how long a pod takes to end in the tests of this file.
const terminateIn = 4 * time.Second

// gaveUp is how many pods of one prefix there may be: a drain that evicts in a tight loop would never let a bubble's clock run.
const gaveUp = 30

// stubborn puts every pod back that is evicted, as soon as it begins to end, under another name. It notes when each was evicted.
type stubborn struct {
	pods  *fakePods
	began time.Time
	mu    sync.Mutex
	made  map[string]int
	times map[string][]time.Duration
}

// newStubborn makes a node with the first pods of some owners, named <owner>-0 and so on.
func newStubborn(replicas int, owners ...podOption) *stubborn {
	s := &stubborn{pods: newFakePods(), began: time.Now(), made: map[string]int{}, times: map[string][]time.Duration{}}
	for i, owner := range owners {
		for range replicas {
			s.put(fmt.Sprint("owner", i), owner)
		}
	}
	s.pods.keep.Store(true)
	s.pods.onEvict.set(s.evicted)
	return s
}

func (s *stubborn) put(prefix string, owner podOption) {
	name := fmt.Sprint(prefix, "-", s.made[prefix])
	s.made[prefix]++
	s.pods.put(newPod(name, owner))
}

func (s *stubborn) evicted(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	prefix, _, _ := strings.Cut(pod.Name, "-")
	s.times[prefix] = append(s.times[prefix], time.Since(s.began))
	s.pods.putLater(pod, terminateIn)
	if len(pod.OwnerReferences) == 0 && pod.GenerateName == "" || s.made[prefix] == gaveUp {
		return
	}
	s.put(prefix, func(p *corev1.Pod) {
		p.OwnerReferences, p.Labels, p.GenerateName = pod.OwnerReferences, pod.Labels, pod.GenerateName
	})
}

func (s *stubborn) wantTimes(t *testing.T, want map[string][]time.Duration) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(want, s.times); diff != "" {
		t.Errorf("times of evictions (-want +got):\n%s", diff)
	}
}

// putLater marks a pod as terminating, and removes it after d.
func (f *fakePods) putLater(pod *corev1.Pod, d time.Duration) {
	pod = pod.DeepCopy()
	pod.DeletionTimestamp = &metav1.Time{Time: time.Now().Add(d)}
	f.put(pod)
	time.AfterFunc(d, func() { f.remove(pod.Name) })
}

// controlledBy makes a pod of an owner of any API group.
func controlledBy(apiVersion, kind, name string) podOption {
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: apiVersion, Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: ptr.To(true),
		}}
	}
}

// replicaOf makes a pod of a Deployment's ReplicaSet.
func replicaOf(deployment, hash string) podOption {
	return func(p *corev1.Pod) {
		controlledBy("apps/v1", "ReplicaSet", deployment+"-"+hash)(p)
		p.Labels = map[string]string{"pod-template-hash": hash}
	}
}

var kruise = controlledBy("apps.kruise.io/v1alpha1", "DaemonSet", "agent")

const second = time.Second

func TestAPodThatItsOwnerPutsBackIsEvictedThreeTimesAndThenIgnored(t *testing.T) {
	for name, test := range map[string]struct {
		owner podOption
		want  string
	}{
		"a DaemonSet of another group":           {kruise, "DaemonSet apps.kruise.io agent"},
		"a Deployment that tolerates everything": {replicaOf("web", "6d4f"), "Deployment apps web"},
		"a StatefulSet":                          {controlledBy("apps/v1", "StatefulSet", "db"), "StatefulSet apps db"},
		"a core kind":                            {controlledBy("v1", "ReplicationController", "rc"), "ReplicationController rc"},
		"an owner that is no controller": {func(p *corev1.Pod) {
			controlledBy("longhorn.io/v1beta2", "InstanceManager", "im")(p)
			p.OwnerReferences[0].Controller = nil
		}, "InstanceManager longhorn.io im"},
		"something that names no owner": {func(p *corev1.Pod) { p.GenerateName = "runner-" }, "whatever creates Pod runner-"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStubborn(1, test.owner)
				run := startDrain(t, s.pods, v1alpha1.DrainOrder{ReturningPods: v1alpha1.ReturningPodsIgnore})
				pass(11*second - 1)
				run.want(t, false, v1alpha1.DrainProgress{Total: 4, Remaining: 1, Activity: v1alpha1.DrainProgressing, Returned: []v1alpha1.ReturnedPod{
					{Namespace: "default", Name: "owner0-3", Owner: test.want, Evictions: 3},
					{Namespace: "default", Name: "owner0-4", Owner: test.want, Evictions: 3},
				}})
				pass(1)
				run.want(t, true, v1alpha1.DrainProgress{Total: 4, Activity: v1alpha1.DrainProgressing, Returned: []v1alpha1.ReturnedPod{
					{Namespace: "default", Name: "owner0-4", Owner: test.want, Evictions: 3},
				}})
				s.wantTimes(t, map[string][]time.Duration{"owner0": {0, second, 3 * second, 7 * second}})
				if err := run.state.get().err; err != nil {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

func TestWithRefuseAPodThatReturnsHoldsUpTheDrainAndIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(1, kruise)
		run := startDrain(t, s.pods, v1alpha1.DrainOrder{ReturningPods: v1alpha1.ReturningPodsRefuse})
		pass(drainTimeout)
		run.want(t, true, v1alpha1.DrainProgress{Total: 5, Remaining: 1, Activity: v1alpha1.DrainStuck, Returned: []v1alpha1.ReturnedPod{
			{Namespace: "default", Name: "owner0-4", Owner: "DaemonSet apps.kruise.io agent", Evictions: 3},
		}})
		s.wantTimes(t, map[string][]time.Duration{"owner0": {0, second, 3 * second, 7 * second}})
		const want = "1 pod left: default/owner0-4 (DaemonSet apps.kruise.io agent puts it back)"
		if err := run.state.get().err; err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	})
}

func TestReplicasThatAllReturnAreEvictedOneASecondAndThreeTimesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(5, kruise)
		run := startDrain(t, s.pods, v1alpha1.DrainOrder{})
		pass(time.Minute)
		s.wantTimes(t, map[string][]time.Duration{"owner0": {0, 0, 0, 0, 0, second, 3 * second, 7 * second}})
		got := run.state.get()
		if !got.done || got.err != nil || got.progress.Total != 8 || got.progress.Remaining != 0 || len(got.progress.Returned) != 5 {
			t.Errorf("%+v", got)
		}
	})
}

func TestOwnersThatPutPodsBackAreCountedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(1, kruise, controlledBy("apps.kruise.io/v1alpha1", "DaemonSet", "other"))
		run := startDrain(t, s.pods, v1alpha1.DrainOrder{})
		pass(time.Minute)
		times := []time.Duration{0, second, 3 * second, 7 * second}
		s.wantTimes(t, map[string][]time.Duration{"owner0": times, "owner1": times})
		if got := run.state.get(); !got.done || got.err != nil {
			t.Errorf("done %v, error %v", got.done, got.err)
		}
	})
}

// What names no owner may be created again by a program, under the same name.
func TestAPodOfNoOwnerThatComesBackUnderItsNameIsEvictedThreeTimesAndThenIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("agent"))
		pods.keep.Store(true)
		var evictions atomic.Int32
		pods.onEvict.set(func(*corev1.Pod) {
			n := evictions.Add(1)
			if n == gaveUp {
				pods.remove("agent")
				return
			}
			pods.replace(newPod("agent", func(p *corev1.Pod) { p.UID = types.UID(fmt.Sprint("agent-", n)) }))
		})
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(time.Minute)
		run.want(t, true, v1alpha1.DrainProgress{Total: 4, Activity: v1alpha1.DrainProgressing, Returned: []v1alpha1.ReturnedPod{
			{Namespace: "default", Name: "agent", Owner: "whatever creates Pod agent", Evictions: 3},
		}})
		if n := evictions.Load(); n != 4 {
			t.Errorf("%d evictions, want one and three more", n)
		}
	})
}

func TestADeploymentThatIsRolledOutMeanwhileIsTheSameOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(1, replicaOf("web", "old"))
		run := startDrain(t, s.pods, v1alpha1.DrainOrder{})
		pods := s.pods
		pass(2 * second)
		pods.onEvict.set(func(pod *corev1.Pod) {
			pods.putLater(pod, terminateIn)
			pods.put(newPod("new-"+pod.Name, replicaOf("web", "new"+pod.Name)))
		})
		pass(time.Minute)
		got := run.state.get()
		if !got.done || got.err != nil || len(got.progress.Returned) != 1 || got.progress.Returned[0].Evictions != 3 {
			t.Errorf("done %v, error %v, returned %v", got.done, got.err, got.progress.Returned)
		}
	})
}

// What the scheduler places on the node since has to go; it returns only when its owner has lost a pod before.
func TestAPodThatArrivesForTheFirstTimeIsEvictedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(0)
		s.pods.put(newPod("another-0"))
		startDrain(t, s.pods, v1alpha1.DrainOrder{})
		pass(2 * second)
		s.put("late", kruise)
		pass(0)
		s.put("late", controlledBy("apps/v1", "StatefulSet", "db"))
		pass(time.Minute)
		s.mu.Lock()
		defer s.mu.Unlock()
		// Each is evicted once at first, and three times after that.
		if got := len(s.times["late"]); got != 8 || s.times["late"][0] != 2*second || s.times["late"][1] != 2*second {
			t.Errorf("evicted at %s", s.times["late"])
		}
	})
}

// If two arrive together, the owner loses the first one.
func TestThePodThatAnOwnerLosesDoesNotReturnHoweverLateItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("other"))
		pods.keep.Store(true)
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pods.put(newPod("a", kruise))
		pass(0)
		pods.put(newPod("b", kruise))
		want := []v1alpha1.ReturnedPod{{Namespace: "default", Name: "b", Owner: "DaemonSet apps.kruise.io agent", Evictions: 1}}
		pass(5 * second)
		if diff := cmp.Diff(want, run.state.get().progress.Returned); diff != "" {
			t.Errorf("returned (-want +got):\n%s", diff)
		}
		run.amend(amendment{order: v1alpha1.DrainOrder{GracePeriodSeconds: ptr.To[int32](1)}, deadline: run.began.Add(drainTimeout)})
		pass(5 * second)
		if diff := cmp.Diff(want, run.state.get().progress.Returned); diff != "" {
			t.Errorf("returned, evicted again with another grace period (-want +got):\n%s", diff)
		}
	})
}

func TestPodsWithoutAnOwnerNeverReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.keep.Store(true)
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		for i := range 9 {
			pods.put(newPod(fmt.Sprint("b", i)))
			pass(0)
		}
		if asked := pods.takeAsked(); len(asked) != 10 {
			t.Errorf("evictions of %s were asked for at once, want all ten", asked)
		}
		pass(second)
		run.want(t, false, v1alpha1.DrainProgress{Total: 10, Remaining: 10, Activity: v1alpha1.DrainProgressing})
	})
}

// The pod that takes the place of another may be seen before the answer to the eviction of that one.
func TestAPodThatIsBackBeforeTheEvictionIsAnsweredReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(1, kruise)
		s.pods.onEvict.set(func(pod *corev1.Pod) {
			s.evicted(pod)
			time.Sleep(100 * time.Millisecond)
		})
		run := startDrain(t, s.pods, v1alpha1.DrainOrder{})
		pass(time.Minute)
		s.mu.Lock()
		defer s.mu.Unlock()
		const ms = time.Millisecond
		want := []time.Duration{0, 1100 * ms, 3200 * ms, 7300 * ms}
		if diff := cmp.Diff(want, s.times["owner0"]); diff != "" {
			t.Errorf("times of evictions (-want +got):\n%s", diff)
		}
		if got := run.state.get(); !got.done || got.err != nil {
			t.Errorf("done %v, error %v", got.done, got.err)
		}
	})
}

func TestARefusedEvictionOfAReturningPodIsNotCountedAndTriedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(3, kruise)
		for i := 3; i < 6; i++ {
			s.pods.refuse[fmt.Sprint("owner0-", i)] = budgetRefusal("agent")
		}
		run := startDrain(t, s.pods, v1alpha1.DrainOrder{})
		s.pods.takeAsked()
		pass(1900 * time.Millisecond)
		wantAsked(t, s.pods, "owner0-3") // Only one a second, although all three are there.
		pass(5 * time.Minute)
		// With pauses of half a minute to a minute each of the three is asked for about 5 times.
		if asked := len(s.pods.takeAsked()); asked < 12 || asked > 20 {
			t.Errorf("asked %d times in five minutes", asked)
		}
		got := run.state.get()
		if got.done || got.progress.Remaining != 3 || len(got.progress.Refused) != 3 || got.progress.Returned[0].Evictions != 0 {
			t.Errorf("done %v, progress %+v", got.done, got.progress)
		}
		for i := 3; i < 6; i++ {
			s.pods.allow(fmt.Sprint("owner0-", i))
		}
		pass(90 * time.Second) // the pause is 72 seconds at most
		if got := run.state.get(); !got.done || got.err != nil {
			t.Errorf("done %v, error %v", got.done, got.err)
		}
	})
}

func TestADrainThatIsContinuedCountsFromTheStartAndStillEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(1, kruise)
		run := startDrain(t, s.pods, v1alpha1.DrainOrder{})
		pass(4 * second)
		run.cancel()
		run = startDrain(t, s.pods, v1alpha1.DrainOrder{})
		pass(time.Minute)
		s.wantTimes(t, map[string][]time.Duration{"owner0": {0, second, 3 * second, 4 * second, 5 * second, 7 * second, 11 * second}})
		if got := run.state.get(); !got.done || got.err != nil {
			t.Errorf("done %v, error %v", got.done, got.err)
		}
	})
}

func TestAPodThatIsIgnoredHoldsUpNoStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(1, func(p *corev1.Pod) {
			kruise(p)
			p.Labels = map[string]string{"tier": "first"}
		})
		s.pods.put(newPod("last-0"))
		run := startDrain(t, s.pods, v1alpha1.DrainOrder{Stages: selector.List("tier=first")})
		pass(time.Minute)
		s.wantTimes(t, map[string][]time.Duration{
			"owner0": {0, second, 3 * second, 7 * second}, "last": {11 * second},
		})
		if got := run.state.get(); !got.done || got.err != nil {
			t.Errorf("done %v, error %v", got.done, got.err)
		}
	})
}
