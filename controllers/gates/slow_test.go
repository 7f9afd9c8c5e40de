package gates

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

// slowBench is a bench in a bubble, whose clock is that of the bubble.
type slowBench struct {
	*bench
	// began are how often kinds were read, by kind.
	began map[string]int
}

// newSlowBench lists a kind such as Slow20 in 20 seconds, and all pods in as many seconds as it gets.
func newSlowBench(t *testing.T, pods time.Duration, objects ...client.Object) *slowBench {
	t.Helper()
	b := &slowBench{began: map[string]int{}}
	base := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(objects...).Build()
	b.bench = newBenchWith(t, interceptor.NewClient(base, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			kind := strings.TrimSuffix(list.GetObjectKind().GroupVersionKind().Kind, "List")
			takes := time.Duration(0)
			if seconds, is := strings.CutPrefix(kind, "Slow"); is {
				n, err := strconv.Atoi(seconds)
				if err != nil {
					return err
				}
				takes = time.Duration(n) * time.Second
			}
			if _, is := list.(*corev1.PodList); is {
				kind, takes = "Pod", pods
			}
			b.mu.Lock()
			b.began[kind]++
			b.mu.Unlock()
			select {
			case <-time.After(takes):
			case <-ctx.Done():
				return ctx.Err()
			}
			if objects, is := list.(*unstructured.UnstructuredList); is {
				objects.Items = []unstructured.Unstructured{{Object: map[string]any{"metadata": map[string]any{"name": "one"}}}}
				return nil
			}
			return c.List(ctx, list, options...)
		},
	}))
	b.options.Clock, b.turns.clock = clock.RealClock{}, clock.RealClock{}
	return b
}

// gate that reads a slow kind and lets all start.
func (b *slowBench) gate(seconds int) model.GateQuery {
	name := fmt.Sprintf("g%d", len(b.policy.Spec.Gates.Objects))
	b.policy.Spec.Gates.Objects = append(b.policy.Spec.Gates.Objects, v1alpha1.ObjectGate{
		Name: name, APIVersion: "v1", Kind: fmt.Sprintf("Slow%d", seconds), Expression: "true", TimeoutSeconds: ptr.To[int32](60),
	})
	return model.GateQuery{GateKey: b.question(model.GateObjects, name)}
}

// passes makes a pass whenever a gate has something new to say, and now and then, until it is over or time is. It returns how long it took.
func (b *slowBench) passes(limit, often time.Duration, pass func() (over bool)) time.Duration {
	began := time.Now()
	for time.Since(began) < limit && !pass() {
		select {
		case <-b.changes:
		case <-time.After(often):
		}
	}
	return time.Since(began)
}

func TestAnswersOfSlowGatesAreGoodAtOneTime(t *testing.T) {
	for name, seconds := range map[string][]int{
		"one":        {16},
		"two":        {20, 40},
		"three":      {20, 59, 59},
		"and a fast": {0, 16, 33, 47, 59},
	} {
		for _, often := range []time.Duration{time.Hour, 7 * time.Second} {
			t.Run(fmt.Sprintf("%s, a pass each %s", name, often), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newSlowBench(t, 0)
					var asks []model.GateQuery
					for _, s := range seconds {
						asks = append(asks, b.gate(s))
					}
					answered := 0
					took := b.passes(10*time.Minute, often, func() bool {
						answered = 0
						for _, answer := range b.pass(asks...) {
							if answer.Failure == "" && answer.Obstacle == "" {
								answered++
							}
						}
						return answered == len(asks)
					})
					if answered < len(asks) || took > 3*time.Minute {
						t.Errorf("%d of %d answers are good at one time after %s", answered, len(asks), took)
					}
				})
			})
		}
	}
}

func TestManySlowGatesOfManyPoliciesAreAllAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlowBench(t, 0)
		b.gate(16)
		b.policy.Spec.Gates.Objects[0].TimeoutSeconds = ptr.To[int32](20)
		policies, asks := manyPolicies(b.policy, 100, 2)
		answered := map[string]bool{}
		b.passes(time.Hour, time.Hour, func() bool {
			answers := b.Answer(t.Context(), policies, asks)
			good := map[string]int{}
			for question, answer := range answers {
				if answer.Failure != "" {
					t.Fatalf("%s %s: %s", question.Policy, question.Gate, answer.Failure)
				}
				if good[question.Policy]++; good[question.Policy] == 2 {
					answered[question.Policy] = true
				}
			}
			return len(answered) == len(policies)
		})
		if len(answered) != len(policies) {
			t.Errorf("%d of %d policies ever had all of their answers", len(answered), len(policies))
		}
	})
}

func TestAGateIsNotAskedForMoreThanHalfOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlowBench(t, 0)
		ask := b.gate(40)
		b.passes(8*time.Minute, time.Second, func() bool { b.pass(ask); return false })
		if asked := b.began["Slow40"]; asked < 5 || asked > 7 {
			t.Errorf("asked %d times in 8 minutes, and each answer takes 40 seconds", asked)
		}
	})
}

// Which nodes leave changes more often than all pods can be read.
func TestRoomIsKnownThoughTheClusterChangesWhileItIsRead(t *testing.T) {
	for _, takes := range []time.Duration{20 * time.Second, 100 * time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSlowBench(t, takes, roomNode("a", "4", "8Gi"), roomNode("b", "4", "8Gi"), roomPod("web", "a", "1", "1Gi"))
				changes, good := 0, 0
				b.passes(10*time.Minute, 5*time.Second, func() bool {
					changes++
					ask := model.GateQuery{GateKey: b.question(model.GateCapacity, ""), Nodes: []string{"a"}}
					ask.About = fmt.Sprintf("node-%d", changes)
					if answer, known := b.pass(ask)[ask.GateKey]; known && answer.Failure == "" {
						good++
					}
					return false
				})
				if most := int(10*time.Minute/(takes+Interval)) + 1; good < changes/4 || b.began["Pod"] > most {
					t.Errorf("%d of %d passes had an answer, from %d looks, want %d at most", good, changes, b.began["Pod"], most)
				}
			})
		})
	}
}

// As a plan does, which asks about room only while all other gates let nodes start.
func TestRoomAndASlowGateAreGoodAtOneTime(t *testing.T) {
	for _, tc := range []struct {
		gate int
		look time.Duration
	}{{16, 20 * time.Second}, {20, 16 * time.Second}, {59, 20 * time.Second}, {16, 100 * time.Second}, {0, 20 * time.Second}} {
		t.Run(fmt.Sprintf("%d s and %s", tc.gate, tc.look), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSlowBench(t, tc.look, roomNode("a", "4", "8Gi"))
				other := b.gate(tc.gate)
				room := model.GateQuery{GateKey: b.question(model.GateCapacity, ""), Nodes: []string{"a"}}
				over := false
				took := b.passes(20*time.Minute, 3*time.Second, func() bool {
					asks := []model.GateQuery{other}
					if _, known := b.Answer(t.Context(), []*v1alpha1.RebootPolicy{b.policy}, asks)[other.GateKey]; known {
						asks = append(asks, room)
						over = len(b.Answer(t.Context(), []*v1alpha1.RebootPolicy{b.policy}, asks)) == 2
					}
					b.Keep([]*v1alpha1.RebootPolicy{b.policy}, asks)
					return over
				})
				if !over || took > 5*time.Minute {
					t.Errorf("answered: %t, after %s", over, took)
				}
			})
		})
	}
}

func TestALookThatNobodyNeedsAnymoreIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlowBench(t, 2*time.Minute)
		b.pass(model.GateQuery{GateKey: b.question(model.GateCapacity, ""), Nodes: []string{"a"}})
		b.pass()
		if b.stock.look == nil {
			t.Error("the look was stopped at once")
		}
		time.Sleep(linger)
		b.pass()
		synctest.Wait()
		if b.stock.look != nil || len(b.changes) > 0 {
			t.Errorf("look %v, %d passes were asked for", b.stock.look, len(b.changes))
		}
	})
}

func TestPodsThatAreAlikeAreKeptOnce(t *testing.T) {
	classes := newPodClasses(podKeys{labels: sets.New("tier")})
	for i := range 1000 {
		pod := roomPod(fmt.Sprintf("web-%d", i), "a", "1", "1Gi", tolerant)
		pod.Labels["statefulset.kubernetes.io/pod-name"] = pod.Name
		pod.Labels["tier"] = []string{"front", "back"}[i%2]
		moving, err := classes.of(pod, podNeeds(pod))
		if err != nil || moving.name != pod.Name || moving.labels["tier"] != pod.Labels["tier"] || len(moving.labels) != 1 {
			t.Fatalf("%+v, error %v", moving, err)
		}
	}
	if len(classes.classes) != 2 {
		t.Errorf("%d classes, want 2", len(classes.classes))
	}
}

func TestAPodThatSaysTooMuchAboutItsNodesFindsNoRoom(t *testing.T) {
	fat := func(p *corev1.Pod) {
		p.Spec.NodeSelector = map[string]string{"disk": strings.Repeat("x", maxPlacement)}
	}
	b := newBench(t, roomNode("a", "4", "8Gi"), roomNode("b", "4", "8Gi"), roomPod("web", "a", "1", "1Gi", fat))
	q := model.GateQuery{GateKey: b.question(model.GateCapacity, ""), Nodes: []string{"a"}}
	answer := b.ask(q)[q.GateKey]
	if !strings.Contains(answer.Nodes["a"], "too many bytes") {
		t.Errorf("%+v", answer)
	}
}

func TestDrainsThatLookAtALabelThatWasNotReadReadAgain(t *testing.T) {
	b := newBench(t, roomNode("a", "4", "8Gi"), roomPod("web", "a", "1", "1Gi"))
	q := model.GateQuery{GateKey: b.question(model.GateCapacity, ""), Nodes: []string{"a"}}
	if answer := b.ask(q)[q.GateKey]; answer.Nodes["a"] == "" {
		t.Fatalf("%+v, want no room", answer)
	}
	b.policy.Spec.Drain.Selector = selector.Of("app!=web")
	b.policy.Generation++
	q.GateKey = b.question(model.GateCapacity, "")
	if answer := b.ask(q)[q.GateKey]; answer.Nodes == nil || answer.Nodes["a"] != "" {
		t.Errorf("%+v, want room: the pod is not evicted", answer)
	}
}
