package election

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
)

// fakeLeases are an API server with one Lease.
type fakeLeases struct {
	coordinationv1client.LeaseInterface

	mu       sync.Mutex
	lease    *coordinationv1.Lease
	version  int
	watchers []*watch.RaceFreeFakeWatcher
	deaf     bool // it refuses watches
	reads    int
	writes   []string // the holders
}

func (f *fakeLeases) Leases(string) coordinationv1client.LeaseInterface { return f }

var resource = coordinationv1.Resource("leases")

func (f *fakeLeases) Get(_ context.Context, name string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.lease == nil {
		return nil, apierrors.NewNotFound(resource, name)
	}
	return f.lease.DeepCopy(), nil
}

func (f *fakeLeases) Create(ctx context.Context, lease *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return f.put(ctx, lease)
}

func (f *fakeLeases) Update(ctx context.Context, lease *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return f.put(ctx, lease)
}

func (f *fakeLeases) put(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if f.lease != nil && f.lease.ResourceVersion != lease.ResourceVersion {
		return nil, apierrors.NewConflict(resource, lease.Name, nil)
	}
	f.version++
	f.lease = lease.DeepCopy()
	f.lease.ResourceVersion = strconv.Itoa(f.version)
	f.writes = append(f.writes, *lease.Spec.HolderIdentity)
	for _, watcher := range f.watchers {
		watcher.Modify(f.lease.DeepCopy())
	}
	return f.lease.DeepCopy(), nil
}

func (f *fakeLeases) Watch(context.Context, metav1.ListOptions) (watch.Interface, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deaf {
		return nil, apierrors.NewForbidden(resource, "", nil)
	}
	watcher := watch.NewRaceFreeFake()
	if f.lease != nil {
		watcher.Add(f.lease.DeepCopy())
	}
	f.watchers = append(f.watchers, watcher)
	return watcher, nil
}

func (f *fakeLeases) count() (reads, writes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reads, writes = f.reads, len(f.writes)
	f.reads, f.writes = 0, nil
	return reads, writes
}

func (f *fakeLeases) holder() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lease == nil {
		return ""
	}
	return *f.lease.Spec.HolderIdentity
}

// candidate is a process that may lead.
type candidate struct {
	lock  *Lock
	leads atomic.Bool
	lost  atomic.Bool
	// stop ends it, hang kills it.
	stop, hang func()
	logged     *[]string
}

// join starts a candidate with the elector of client-go, as controller-runtime does.
func join(t *testing.T, leases *fakeLeases, pod string) *candidate {
	t.Helper()
	var hung atomic.Bool
	requests := &hanging{fakeLeases: leases, hung: &hung}
	lock, err := newLock(requests, requests, Options{Namespace: "ns", Name: "leader", PodName: pod, PodUID: "uid-of-" + pod})
	if err != nil {
		t.Fatal(err)
	}
	var logged []string
	c := &candidate{lock: lock, hang: func() { hung.Store(true) }, logged: &logged}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: LeaseDuration, RenewDeadline: RenewDeadline, RetryPeriod: RetryPeriod, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { c.leads.Store(true) },
			OnStoppedLeading: func() { c.leads.Store(false); c.lost.Store(true) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	log := funcr.New(func(prefix, args string) { logged = append(logged, prefix+args) }, funcr.Options{})
	var ended sync.WaitGroup
	ended.Go(func() { elector.Run(logr.NewContext(ctx, log)) })
	c.stop = func() { cancel(); ended.Wait() }
	synctest.Wait()
	return c
}

// hanging is the API server as one process sees it. Once that is killed, nothing of it gets through.
type hanging struct {
	*fakeLeases
	hung *atomic.Bool
}

func (h *hanging) Leases(string) coordinationv1client.LeaseInterface { return h }

func (h *hanging) Get(ctx context.Context, name string, options metav1.GetOptions) (*coordinationv1.Lease, error) {
	if h.hung.Load() {
		return nil, fmt.Errorf("killed")
	}
	return h.fakeLeases.Get(ctx, name, options)
}

func (h *hanging) Update(ctx context.Context, lease *coordinationv1.Lease, o metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	if h.hung.Load() {
		return nil, fmt.Errorf("killed")
	}
	return h.fakeLeases.Update(ctx, lease, o)
}

// until waits in steps of 10 ms, and returns how long it took.
func until(t *testing.T, what string, limit time.Duration, holds func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !holds() {
		if time.Since(begin) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begin)
}

func TestAStandbyLeadsTheMomentTheLeaseIsReleased(t *testing.T) {
	for range 20 { // at different moments of its pause
		synctest.Test(t, func(t *testing.T) {
			leases := &fakeLeases{}
			leader := join(t, leases, "a")
			until(t, "the first one leads", time.Second, leader.leads.Load)
			standby := join(t, leases, "b")
			time.Sleep(time.Minute + time.Duration(len(t.Name()))*time.Millisecond)
			if standby.leads.Load() {
				t.Fatal("two lead")
			}
			if err := leader.lock.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			gap := until(t, "the standby leads", 5*time.Second, standby.leads.Load)
			if gap > 300*time.Millisecond {
				t.Errorf("nobody led for %s", gap)
			}
			// The elector of the old leader ends later, and writes nothing.
			leases.count()
			time.Sleep(500 * time.Millisecond)
			leader.stop()
			if leases.holder() != standby.lock.Identity() {
				t.Errorf("the lease is held by %q", leases.holder())
			}
			time.Sleep(time.Minute)
			if !standby.leads.Load() || standby.lost.Load() {
				t.Error("the lead was taken from the next leader")
			}
			standby.stop()
			for _, c := range []*candidate{leader, standby} {
				for _, line := range *c.logged {
					if !isInfo(line) {
						t.Errorf("logged: %s", line)
					}
				}
			}
			if leases.holder() != "" {
				t.Errorf("the lease is held by %q after all have ended", leases.holder())
			}
		})
	}
}

// isInfo tells a line of level Info from one of level Error.
func isInfo(line string) bool { return len(line) > 7 && line[:7] == `"level"` }

func TestTheLeaseIsAskedForNoMoreOftenThanBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leases := &fakeLeases{}
		leader := join(t, leases, "a")
		until(t, "the first one leads", time.Second, leader.leads.Load)
		standby := join(t, leases, "b")
		time.Sleep(time.Second)
		leases.count()
		time.Sleep(time.Minute)
		reads, writes := leases.count()
		if reads > 30 || reads < 10 || writes > 30 || writes < 25 {
			t.Errorf("%d reads and %d writes in a minute", reads, writes)
		}
		// An API server that lets nobody watch is asked less and less.
		leases.deaf = true
		standby.stop()
		leader.stop()
	})
}

func TestALeaderThatDiesIsReplacedWhenItsLeaseHasRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leases := &fakeLeases{deaf: true}
		leader := join(t, leases, "a")
		until(t, "the first one leads", time.Second, leader.leads.Load)
		standby := join(t, leases, "b")
		time.Sleep(time.Minute)
		leader.hang()
		gave := until(t, "it gives up", LeaseDuration, leader.lost.Load)
		took := gave + until(t, "the standby leads", LeaseDuration, standby.leads.Load)
		if gave >= LeaseDuration || took < LeaseDuration-pace || took > LeaseDuration+3*pace { // it reads every 2 to 4 seconds
			t.Errorf("the leader gave up after %s, and the standby took over after %s", gave, took)
		}
		leader.stop()
		standby.stop()
	})
}

func TestAPodThatIsStartedAgainDoesNotWaitForItself(t *testing.T) {
	tests := map[string]struct {
		next     string
		from, to time.Duration
	}{
		"the same pod":  {next: "a", to: 50 * time.Millisecond},
		"another pod":   {next: "b", from: LeaseDuration - pace, to: LeaseDuration + pace},
		"one in no pod": {next: "", from: LeaseDuration - pace, to: LeaseDuration + pace},
		"a longer name": {next: "a_", from: LeaseDuration - pace, to: LeaseDuration + pace},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leases := &fakeLeases{}
				first := join(t, leases, "a")
				until(t, "the first one leads", time.Second, first.leads.Load)
				time.Sleep(time.Minute)
				first.hang()
				next := join(t, leases, test.next)
				took := until(t, "the next one leads", time.Minute, next.leads.Load)
				if took < test.from || took > test.to {
					t.Errorf("it leads after %s, want %s to %s", took, test.from, test.to)
				}
				first.stop()
				next.stop()
			})
		})
	}
}

// A kubelet does not do this. If it ever happens, one of the two gives up.
func TestOfTwoRunsOfOnePodOneLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leases := &fakeLeases{}
		first := join(t, leases, "a")
		until(t, "the first one leads", time.Second, first.leads.Load)
		time.Sleep(time.Minute)
		second := join(t, leases, "a")
		until(t, "the second one leads", 4*pace, second.leads.Load)
		until(t, "the first one gives up", RenewDeadline+pace, first.lost.Load)
		time.Sleep(time.Hour)
		if !second.leads.Load() || second.lost.Load() {
			t.Error("the second one does not lead anymore")
		}
		first.stop()
		second.stop()
	})
}

func TestAPodThatWasReplacedMeanwhileWaitsForTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leases := &fakeLeases{}
		first := join(t, leases, "a")
		until(t, "the first one leads", time.Second, first.leads.Load)
		first.hang()
		other := join(t, leases, "b")
		until(t, "the other one leads", time.Minute, other.leads.Load)
		again := join(t, leases, "a")
		time.Sleep(time.Minute)
		if again.leads.Load() || !other.leads.Load() {
			t.Error("the pod takes the lead from another one")
		}
		for _, c := range []*candidate{first, again, other} {
			c.stop()
		}
	})
}

func TestOnlyTheLeaderReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leases := &fakeLeases{}
		leader, standby := join(t, leases, "a"), join(t, leases, "b")
		time.Sleep(time.Minute)
		leases.count()
		if err := standby.lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, writes := leases.count(); writes > 0 || leases.holder() != leader.lock.Identity() {
			t.Errorf("%d writes; the lease is held by %q", writes, leases.holder())
		}
		leader.stop()
		until(t, "the standby leads", time.Second, standby.leads.Load)
		standby.stop()
	})
}

// A leader whose successor does not come leads again. Otherwise it would hand the lead over repeatedly.
func TestWhoHasJustBegunToLeadDoesNotHandTheLeadOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leases := &fakeLeases{}
		leader := join(t, leases, "a")
		until(t, "the first one leads", time.Second, leader.leads.Load)
		standby := join(t, leases, "b")
		led := time.Now()
		until(t, "it may hand the lead over", time.Minute, leader.lock.MayHandOver)
		if after := time.Since(led); after < leastLead-time.Second || after > leastLead+time.Second {
			t.Errorf("it may after %s, want %s", after, leastLead)
		}
		time.Sleep(time.Hour) // renewals do not begin a lead
		if !leader.lock.MayHandOver() || standby.lock.MayHandOver() {
			t.Errorf("the leader may: %t, the standby may: %t", leader.lock.MayHandOver(), standby.lock.MayHandOver())
		}
		if err := leader.lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if leader.lock.MayHandOver() {
			t.Error("what was handed over may be handed over again")
		}
		until(t, "the standby leads", time.Second, standby.leads.Load)
		leader.stop()
		again := join(t, leases, "a")
		standby.stop()
		until(t, "the first one leads again", time.Second, again.leads.Load)
		if again.lock.MayHandOver() {
			t.Error("it may hand the lead over at once")
		}
		again.stop()
	})
}
