package helper

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// expiring loses its watch permanently, once.
func expiring(lists chan<- struct{}) *toolscache.ListWatch {
	watches := 0
	return &toolscache.ListWatch{
		ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
			lists <- struct{}{}
			return &v1alpha1.NodeRebootList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, nil
		},
		WatchFuncWithContext: func(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
			if options.SendInitialEvents != nil {
				return nil, apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("x").GroupKind(), "x", nil)
			}
			watches++
			lost := watch.NewFake()
			if watches == 1 {
				go lost.Error(&metav1.Status{Status: metav1.StatusFailure, Code: 410, Reason: metav1.StatusReasonExpired})
			}
			return lost, nil
		},
	}
}

func TestNodeRebootsAreReadAtOnceAtFirstAndSpreadOutAfterALostWatch(t *testing.T) {
	lists, spread := make(chan struct{}), make(chan struct{}, 8) // there is a second pause where a list takes the place of a stream
	m := newMirror[*v1alpha1.NodeReboot]()
	m.spread = func(context.Context) { spread <- struct{}{} }
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		m.run(ctx, logr.Discard(), expiring(lists), &v1alpha1.NodeReboot{})
		close(ended)
	}()
	await.Receive(t, "the first list, which waits for nothing", lists)
	await.Receive(t, "the pause before the next list", spread)
	await.Receive(t, "the next list", lists)
	stop()
	await.Receive(t, "the end", ended)
}

func TestHelpersSpreadOutEvenlyOverTheTime(t *testing.T) {
	t.Parallel()
	const nodes, parts = 5000, 10
	var counts [parts]int
	for i := range nodes {
		wait := spreadOf(fmt.Sprintf("pool1-12345678-vmss%06d", i))
		if wait < 0 || wait >= maxSpread {
			t.Fatalf("node %d waits %s", i, wait)
		}
		counts[wait*parts/maxSpread]++
	}
	for part, count := range counts {
		if count < nodes/parts/2 || count > nodes/parts*2 {
			t.Errorf("%d of %d helpers read in part %d of %d", count, nodes, part, parts)
		}
	}
}

func TestAHelperReadsAtOnceWhileItDrainsAndWhenItEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		drains int32
		ends   bool
		want   time.Duration
	}{
		"an idle helper waits for its time": {0, false, spreadOf("node-a")},
		"one drain":                         {1, false, 0},
		"two drains":                        {2, false, 0},
		"a helper that ends":                {0, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, end := context.WithCancel(t.Context())
				defer end()
				if tc.ends {
					end()
				}
				a := &agent{Options: Options{NodeName: "node-a", Clock: clock.RealClock{}}}
				a.drains.Store(tc.drains)
				began := time.Now()
				a.spreadOut(ctx)
				if waited := time.Since(began); waited != tc.want {
					t.Errorf("it waited %s, want %s", waited, tc.want)
				}
			})
		})
	}
}
