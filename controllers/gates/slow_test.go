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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/podstream"
	"github.com/reboot-operator/reboot-operator/test/copies"
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
	base := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(copies.Of(objects)...).Build()
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
	b.inRealTime()
	b.policy.Spec.Gates.Capacity = v1alpha1.Require
	b.has(objects...)
	b.options.ListPods = b.slowly(pods, b.options.ListPods)
	return b
}

// slowly lists all pods.
func (b *slowBench) slowly(takes time.Duration, list podstream.Lister) podstream.Lister {
	return func(ctx context.Context, namespace string, options metav1.ListOptions, keep func(*corev1.Pod) *corev1.Pod) (
		*corev1.PodList, error) {
		b.mu.Lock()
		b.began["Pod"]++
		b.mu.Unlock()
		select {
		case <-time.After(takes):
			return list(ctx, namespace, options, keep)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
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

// Which nodes leave changes more often than all pods can be read. However long that takes, each question has its answer then, and pods are
// read once.
func TestRoomIsKnownThoughTheClusterChangesWhileItIsRead(t *testing.T) {
	for _, takes := range []time.Duration{20 * time.Second, 100 * time.Second, 10 * time.Minute} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSlowBench(t, takes, roomNode("a", "4", "8Gi"), roomNode("b", "4", "8Gi"), roomPod("web", "a", "1", "1Gi"))
				changes, good := 0, 0
				b.passes(takes+10*time.Minute, 5*time.Second, func() bool {
					changes++
					ask := model.GateQuery{GateKey: b.question(model.GateCapacity, ""), Nodes: []string{"a"}}
					ask.About = fmt.Sprintf("node-%d", changes)
					if answer, known := b.pass(ask)[ask.GateKey]; known && answer.Failure == "" {
						good++
					}
					return false
				})
				if good < 100 || b.began["Pod"] != 1 {
					t.Errorf("%d of %d passes had an answer, from %d lists; want one list, and an answer in each pass after it",
						good, changes, b.began["Pod"])
				}
			})
		})
	}
}

// A look that takes longer than a gate may take is a failure only until it is over.
func TestRoomThatTakesVeryLongToReadIsKnownInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlowBench(t, 10*time.Minute, roomNode("a", "4", "8Gi"))
		failed, known := 0, false
		took := b.passes(time.Hour, 5*time.Second, func() bool {
			ask := model.GateQuery{GateKey: b.question(model.GateCapacity, ""), Nodes: []string{"a"}}
			var answer model.GateAnswer
			if answer, known = b.pass(ask)[ask.GateKey]; answer.Failure != "" {
				failed, known = failed+1, false
			}
			return known
		})
		if !known || failed == 0 || took > 10*time.Minute+Interval+time.Second || b.began["Pod"] != 1 {
			t.Errorf("answered: %t, after %s, with %d failures and %d lists", known, took, failed, b.began["Pod"])
		}
	})
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
