package feed

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// cluster answers as a test says. Only NodeReboots are of interest: watches of policies see nothing.
type cluster struct {
	client.WithWatch
	mu      sync.Mutex
	reboots []v1alpha1.NodeReboot
	// refused is what the API server answers; nil is that it works.
	refused error
	watches []*watch.FakeWatcher
	from    []string
	lists   int
}

func (c *cluster) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused != nil {
		return c.refused
	}
	list.SetResourceVersion("10")
	if list, is := list.(*v1alpha1.NodeRebootList); is {
		c.lists++
		list.Items = append([]v1alpha1.NodeReboot(nil), c.reboots...)
	}
	return nil
}

func (c *cluster) Watch(_ context.Context, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused != nil {
		return nil, c.refused
	}
	watcher := watch.NewFakeWithChanSize(10, false)
	if _, is := list.(*v1alpha1.NodeRebootList); is {
		var all client.ListOptions
		all.ApplyOptions(options)
		c.from = append(c.from, all.Raw.ResourceVersion)
		c.watches = append(c.watches, watcher)
	}
	return watcher, nil
}

func (c *cluster) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = err
}

// last is the watch of NodeReboots that was asked for last.
func (c *cluster) last() *watch.FakeWatcher {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watches[len(c.watches)-1]
}

func reboot(name, version string) *v1alpha1.NodeReboot {
	return &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}}
}

// started is a feed that has listed, and its cluster.
func started(t *testing.T) (*cluster, *Feed) {
	t.Helper()
	c := &cluster{reboots: []v1alpha1.NodeReboot{*reboot("a", "5")}}
	f := New(c, clock.RealClock{})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	if err := f.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if u := <-f.Updates(); !u.Listed {
			t.Fatalf("first comes %v", u)
		}
	}
	synctest.Wait()
	return c, f
}

// nothing checks that nothing is written.
func nothing(t *testing.T, f *Feed) {
	t.Helper()
	synctest.Wait()
	select {
	case u := <-f.Updates():
		t.Errorf("told: %+v", u)
	default:
	}
}

func TestChangesAndDeletionsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, f := started(t)
		c.last().Add(reboot("b", "11"))
		c.last().Modify(reboot("b", "12"))
		c.last().Action(watch.Bookmark, reboot("", "13"))
		c.last().Delete(reboot("b", "14"))
		for range 2 {
			if u := <-f.Updates(); len(u.Objects) != 1 || u.Objects[0].GetName() != "b" || u.Listed || u.Kind != Reboots {
				t.Errorf("told: %+v", u)
			}
		}
		if u := <-f.Updates(); len(u.Deleted) != 1 || len(u.Objects) != 0 {
			t.Errorf("told: %+v", u)
		}
		nothing(t, f)
	})
}

func TestAWatchThatEndsGoesOnFromWhereItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, f := started(t)
		c.last().Action(watch.Bookmark, reboot("", "13"))
		time.Sleep(time.Hour)
		c.last().Stop()
		time.Sleep(time.Second)
		nothing(t, f)
		if len(c.from) != 2 || c.from[0] != "10" || c.from[1] != "13" || c.lists != 1 {
			t.Errorf("watched from %v, listed %d times", c.from, c.lists)
		}
	})
}

func TestAWatchThatEndsAtOnceIsNotAskedForAllTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := started(t)
		begun := time.Now()
		for time.Since(begun) < time.Minute {
			c.last().Stop()
			time.Sleep(100 * time.Millisecond)
		}
		if len(c.from) > 15 {
			t.Errorf("asked %d times in a minute", len(c.from))
		}
	})
}

func TestAVersionThatHasExpiredIsListedAgain(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]*apierrors.StatusError{
		"expired": apierrors.NewResourceExpired("too old resource version"),
		"gone":    {ErrStatus: metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonGone, Code: http.StatusGone}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, f := started(t)
				status := err.Status()
				c.last().Error(&status)
				if u := <-f.Updates(); !u.Listed || len(u.Objects) != 1 {
					t.Errorf("told: %+v", u)
				}
				nothing(t, f)
				if len(c.from) != 2 {
					t.Errorf("watched from %v", c.from)
				}
			})
		})
	}
}

func TestAListWaitsForWhoeverIsBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, f := started(t)
		for range buffer {
			f.updates <- Update{}
		}
		status := apierrors.NewResourceExpired("too old resource version").Status()
		c.last().Error(&status)
		time.Sleep(2 * listTime)
		for range buffer {
			<-f.Updates()
		}
		synctest.Wait()
		select {
		case u := <-f.Updates():
			if !u.Listed {
				t.Errorf("told: %+v", u)
			}
		default:
			t.Error("the list is lost")
		}
	})
}

func TestItSaysSinceWhenNothingIsSeenAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, f := started(t)
		time.Sleep(time.Hour)
		refused := errors.New("connection refused")
		c.refuse(refused)
		lost := time.Now()
		c.last().Stop()
		u := <-f.Updates()
		if !errors.Is(u.Lost, refused) || !u.Since.Equal(lost) {
			t.Errorf("told: %+v instead of since %s", u, lost)
		}
		time.Sleep(time.Minute)
		c.mu.Lock()
		c.refused, c.reboots = nil, nil
		c.mu.Unlock()
		for u = <-f.Updates(); u.Lost != nil; u = <-f.Updates() {
			if !u.Since.Equal(lost) {
				t.Errorf("since %s instead of %s", u.Since, lost)
			}
		}
		if !u.Listed || len(u.Objects) != 0 {
			t.Errorf("then comes %+v", u)
		}
		if u := <-f.Updates(); u.Lost != nil || u.Listed || u.Kind != Reboots {
			t.Errorf("then comes %+v", u)
		}
		nothing(t, f)
		time.Sleep(time.Hour)
		c.last().Stop()
		time.Sleep(time.Minute)
		nothing(t, f)
	})
}

func TestAClusterThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "rebootpolicies"}, "", errors.New("no"))
	if err := New(&cluster{refused: forbidden}, clock.RealClock{}).Start(t.Context()); !apierrors.IsForbidden(err) {
		t.Errorf("it ends with %v", err)
	}
}
