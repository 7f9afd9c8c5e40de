// Package election hands the lead of one manager over to another without a gap.
//
// The election is client-go's, and its safety does not depend on anything here: writes to one Lease, on the version that was read, decide
// who leads. A standby of client-go asks for the Lease every 2 to 4 seconds, so for that long no one leads after the leader has released
// it. The Lock of this package watches the Lease and lets its standby try the moment it is released.
package election

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
)

const (
	// LeaseDuration is after which silence of the leader another one takes over.
	LeaseDuration = 15 * time.Second
	// RenewDeadline is after which time without a renewal a leader gives up.
	RenewDeadline = 10 * time.Second
	// RetryPeriod is what the elector pauses between two attempts. A Lock makes most of them wait longer.
	RetryPeriod = 100 * time.Millisecond
	// pace is how often the leader renews its lease, and a standby looks at it, if nothing happens.
	pace = 2 * time.Second
	// spread of what a standby waits: several must not ask at the same moment each time.
	spread = 1.0
	// maxPause is the longest pause before a watch is tried again that is refused.
	maxPause = time.Minute
	// releaseTimeout bounds the release of a lease; without one it runs out.
	releaseTimeout = 5 * time.Second
)

// Options of a Lock.
type Options struct {
	// Namespace and Name are those of the Lease.
	Namespace, Name string
	// PodName and PodUID are the pod of this process; empty if it runs in none.
	PodName, PodUID string
	// Clock is the real one unless set.
	Clock clock.WithTicker
}

// Lock is a resourcelock.Interface. Between its attempts the elector pauses only for a moment, and the Lock keeps the usual pace: an
// attempt of a standby waits in Get until the lease is free or it is time to look again, a renewal waits in Update until it is due.
type Lock struct {
	lease  resourcelock.Interface
	leases coordinationv1client.LeaseInterface
	name   string
	// pod begins the identity of every run of this process's pod; empty if it runs in none.
	pod   string
	clock clock.WithTicker

	// freed has a value when the lease was seen to become free since it was last received from.
	freed    chan struct{}
	watching sync.Once

	// writing is held while the lease is read or written.
	writing sync.Mutex
	// leads is set while this process holds the lease, released permanently when it gave the lease up.
	leads, released bool
	// led is since when it holds the lease.
	led time.Time
	// renewal is when the leader writes next, look when a standby reads next.
	renewal, look time.Time
	// seen is the record of the lease that was read last, and runsOut when it runs out; none after a read that failed.
	seen    []byte
	runsOut time.Time
	// before is the run of this pod that held the lease when this one began; empty if it was not one of them, or is one no longer.
	before *string
	// asked is set when the lease was asked for.
	asked chan struct{}
	first sync.Once
}

var _ resourcelock.Interface = &Lock{}

// New returns a lock of a Lease.
func New(config *rest.Config, options Options) (*Lock, error) {
	config = rest.AddUserAgent(rest.CopyConfig(config), "leader-election") // the manager has the same one, and watches with it
	// A request that hangs must not cost the leader its lease.
	config.Timeout = RenewDeadline / 2
	client, err := coordinationv1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for the leader's lease: %w", err)
	}
	// A watch has no deadline.
	config = rest.CopyConfig(config)
	config.Timeout = 0
	watcher, err := coordinationv1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for the leader's lease: %w", err)
	}
	return newLock(client, watcher.Leases(options.Namespace), options)
}

func newLock(client coordinationv1client.LeasesGetter, watcher coordinationv1client.LeaseInterface, options Options) (*Lock, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find the name of the host: %w", err)
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	l := &Lock{
		leases: watcher, name: options.Name, clock: options.Clock, freed: make(chan struct{}, 1), asked: make(chan struct{}),
	}
	identity := host + "_"
	if options.PodName != "" && options.PodUID != "" {
		l.pod = options.PodName + "_" + options.PodUID + "_"
		identity = l.pod
	}
	//nolint:forbidigo // A random ID is all that tells two runs of one container apart.
	identity += rand.Text()
	l.lease = &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: options.Namespace, Name: options.Name},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
	}
	return l, nil
}

// Asked reports whether this process has asked for the lease. It does so when it could lead.
func (l *Lock) Asked() bool {
	select {
	case <-l.asked:
		return true
	default:
		return false
	}
}

// WhenAsked is closed when this process asks for the lease for the first time.
func (l *Lock) WhenAsked() <-chan struct{} { return l.asked }

// Identity implements resourcelock.Interface.
func (l *Lock) Identity() string { return l.lease.Identity() }

// Describe implements resourcelock.Interface.
func (l *Lock) Describe() string { return l.lease.Describe() }

// RecordEvent implements resourcelock.Interface. The lease says who leads.
func (l *Lock) RecordEvent(string) {}

// Get implements resourcelock.Interface. For a standby it waits until the lease is free, or until it is time to look again.
func (l *Lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	l.first.Do(func() { close(l.asked) })
	l.watching.Do(func() { go l.follow(ctx) })
	l.awaitTurn(ctx)
	l.writing.Lock()
	defer l.writing.Unlock()
	l.look = l.clock.Now().Add(wait.Jitter(pace, spread))
	record, raw, err := l.lease.Get(ctx)
	switch {
	case apierrors.IsNotFound(err):
		l.disown(&resourcelock.LeaderElectionRecord{})
	case err != nil:
		l.seen, l.runsOut = nil, time.Time{}
	default:
		l.note(record, raw)
		l.disown(record)
	}
	return record, raw, err
}

// note notes when the lease runs out, as the elector does: it counts from when a record was seen first.
func (l *Lock) note(record *resourcelock.LeaderElectionRecord, raw []byte) {
	if !bytes.Equal(l.seen, raw) {
		l.seen = raw
		l.runsOut = l.clock.Now().Add(time.Duration(record.LeaseDurationSeconds) * time.Second)
	}
}

// awaitTurn returns when a standby may look at the lease. A leader that could not renew its lease does not wait.
func (l *Lock) awaitTurn(ctx context.Context) {
	l.writing.Lock()
	look := l.look
	if !l.runsOut.IsZero() && l.runsOut.Before(look) {
		look = l.runsOut
	}
	pause := look.Sub(l.clock.Now())
	leads := l.leads
	l.writing.Unlock()
	if leads || pause <= 0 {
		return
	}
	timer := l.clock.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-l.freed:
	case <-timer.C():
	}
}

// disown shows a lease as free if an earlier run of this pod holds it: a container is started again when the previous one has ended, at the
// latest with its host. That applies to the run that held the lease when this run began, and as long as no one else has held it since.
func (l *Lock) disown(record *resourcelock.LeaderElectionRecord) {
	holder := record.HolderIdentity
	if l.before == nil {
		before := ""
		if l.pod != "" && strings.HasPrefix(holder, l.pod) && holder != l.Identity() {
			before = holder
		}
		l.before = &before
	}
	if holder != *l.before {
		*l.before = ""
	} else if holder != "" {
		record.HolderIdentity = ""
	}
}

// Create implements resourcelock.Interface.
func (l *Lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	err := l.lease.Create(ctx, record)
	l.wrote(record, err)
	return err
}

// Update implements resourcelock.Interface. A renewal waits until it is due. It is not an error if a lease is not renewed because it is
// given up: it is released next, or was.
func (l *Lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity == l.Identity() {
		switch err := l.awaitRenewal(ctx); {
		case errors.Is(err, context.Canceled):
			return nil
		case err != nil: // The time for renewals has run out: the lead is lost.
			return err
		}
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.released {
		return nil
	}
	err := l.lease.Update(ctx, record)
	l.wrote(record, err)
	return err
}

// awaitRenewal returns when a leader has to renew its lease, or with an error when it must not anymore. A process that does not lead yet
// does not wait.
func (l *Lock) awaitRenewal(ctx context.Context) error {
	l.writing.Lock()
	pause := l.renewal.Sub(l.clock.Now())
	leads, released := l.leads, l.released
	l.writing.Unlock()
	if released {
		<-ctx.Done()
		return ctx.Err()
	}
	if !leads || pause <= 0 {
		return nil
	}
	timer := l.clock.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C():
		return nil
	}
}

// wrote notes what a write made of this process.
func (l *Lock) wrote(record resourcelock.LeaderElectionRecord, err error) {
	l.renewal = l.clock.Now().Add(pace)
	if err != nil {
		return
	}
	leads := record.HolderIdentity == l.Identity()
	if leads && !l.leads {
		l.led = l.clock.Now()
	}
	l.leads, l.before = leads, new(string)
	l.released = record.HolderIdentity == ""
}

// Release gives the lease up if this process holds it, and does nothing else. From then on it is not written anymore, so that it cannot be
// taken from the next leader. Call it when nothing is at work anymore that only the leader does. The elector would release it, too, but
// only when everything has ended.
func (l *Lock) Release(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if !l.leads || l.released {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	record, _, err := l.lease.Get(ctx)
	if err != nil {
		return fmt.Errorf("read the leader's lease: %w", err)
	}
	if record.HolderIdentity != l.Identity() {
		l.leads, l.released = false, true
		return nil
	}
	now := metav1.NewTime(l.clock.Now())
	free := resourcelock.LeaderElectionRecord{
		LeaderTransitions: record.LeaderTransitions, LeaseDurationSeconds: 1, RenewTime: now, AcquireTime: now,
	}
	err = l.lease.Update(ctx, free)
	l.wrote(free, err)
	if err != nil {
		return fmt.Errorf("release the leader's lease: %w", err)
	}
	return nil
}

// errEnded is a watch that has ended, as each does after a while.
var errEnded = errors.New("the watch has ended")

// follow watches the lease until this process leads, or ctx ends. It only hints: who misses one looks at the lease in time.
func (l *Lock) follow(ctx context.Context) {
	pause := pace
	for ctx.Err() == nil && !l.isLeading() {
		if err := l.watch(ctx); err == nil || errors.Is(err, errEnded) {
			pause = pace
		} else {
			pause = min(2*pause, maxPause)
		}
		select {
		case <-ctx.Done():
		case <-l.clock.After(pause):
		}
	}
}

func (l *Lock) watch(ctx context.Context) error {
	events, err := l.leases.Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, l.name).String(),
	})
	if err != nil {
		return err
	}
	defer events.Stop()
	for !l.isLeading() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event, open := <-events.ResultChan():
			if !open {
				return errEnded
			}
			if free(event) {
				hint(l.freed)
			}
		}
	}
	return nil
}

func (l *Lock) isLeading() bool {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.leads
}

// free reports whether an event says that no one holds the lease.
func free(event watch.Event) bool {
	lease, ok := event.Object.(*coordinationv1.Lease)
	if !ok {
		return false
	}
	return event.Type == watch.Deleted || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == ""
}

func hint(hints chan<- struct{}) {
	select {
	case hints <- struct{}{}:
	default:
	}
}
