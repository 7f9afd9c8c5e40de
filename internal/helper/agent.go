package helper

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/serverclock"
)

const (
	// hostTimeout bounds the question what is in the way of a reboot.
	hostTimeout = 10 * time.Second
	// maxObstacle is the most characters that what is in the way of a reboot takes.
	maxObstacle = 256
	// obstacleInterval is how often something in the way is looked at again.
	obstacleInterval = 10 * time.Second
	// maxSpread is how long a helper waits at most before it reads all NodeReboots of its node again, after a watch that was lost permanently.
	maxSpread = 10 * time.Second
)

// rebootAPI writes NodeReboots.
type rebootAPI interface {
	Create(ctx context.Context, reboot *v1alpha1.NodeReboot) error
	// Find returns the NodeReboot with that name, of whatever node; nil if there is none.
	Find(ctx context.Context, name string) (*v1alpha1.NodeReboot, error)
	Report(ctx context.Context, reboot *v1alpha1.NodeReboot, report *v1alpha1.HelperReport) (resourceVersion string, err error)
}

// machine is what the host says.
type machine struct {
	methods []v1alpha1.MethodReport
	about   HostDescription
}

// agent gathers facts, lets decide decide, and does what it says. All of it happens in one goroutine but the drains.
type agent struct {
	Options
	api     rebootAPI
	source  toolscache.ListerWatcherWithContext
	reboots *mirror[*v1alpha1.NodeReboot]
	pods    podAPI
	rights  rightsAPI
	// requests are the node's EvictionRequests, nil if they are not used, and withdrawn is set when none is left that no drain needs.
	requests interface {
		withdraw(ctx context.Context) error
	}
	withdrawn bool
	// drains is how many are under way.
	drains atomic.Int32

	// clockOffset is how far the host's clock is ahead; false while that is not known.
	clockOffset func() (time.Duration, bool)

	reading reading
	// looked is set when the sentinel was read for the first time.
	looked atomic.Bool
	// blind is why the sentinel is unknown; nil while it is known.
	blind atomic.Pointer[string]
	// nameless is why there is no name for a NodeReboot that the host needs; nil while that is not so.
	nameless atomic.Pointer[string]
	// taken are the node's names that NodeReboots of other nodes have, and those nodes, as the last need found them.
	taken map[string]string
	// machine is what the host said last.
	machine atomic.Pointer[machine]
	// self is this run of the helper. superseded says which other one took its place; nil while none did.
	self       v1alpha1.HelperInstance
	superseded atomic.Pointer[string]
	// successor is that other one, and lookedAt when its pod was last looked for among the neighbors.
	successor v1alpha1.HelperInstance
	lookedAt  time.Time
	neighbors interface {
		// PodExists reports whether there is a pod with that name on the node, in the helper's namespace.
		PodExists(ctx context.Context, name string) (bool, error)
	}
	// evictionObstacle is why the helper may not evict; empty if nothing is known to be in the way.
	evictionObstacle string
	// written holds the resource version of each NodeReboot that this process wrote, or read live, last.
	written map[types.UID]string
	// allowance is for reports that are not urgent. unsaid is when one may be made that it held up; zero if it held up none.
	allowance *rate.Limiter
	unsaid    time.Time
	jobs      map[types.UID]*running
	// progress has a value when a job has something new to report.
	progress chan struct{}
	// background is what runs alongside the passes: drains, and questions to the host.
	background sync.WaitGroup
}

func newAgent(options Options) (*agent, error) {
	// From here on the time is that of the API server.
	serverClock := serverclock.New(options.Clock, nil)
	options.Clock, options.Config = serverClock, rest.CopyConfig(options.Config)
	options.Config.Wrap(serverClock.WrapTransport)
	rebootREST, err := newRESTClient(options.Config, "/apis", v1alpha1.GroupVersion, v1alpha1.AddToScheme)
	if err != nil {
		return nil, err
	}
	ownPod := types.NamespacedName{Namespace: options.PodNamespace, Name: options.PodName}
	pods, err := newPodClient(options.Config, options.NodeName, options.Impersonation, ownPod)
	if err != nil {
		return nil, err
	}
	a := &agent{
		Options:     options,
		api:         &rebootClient{rest: rebootREST},
		source:      toolscache.NewListWatchFromClient(rebootREST, rebootsResource, metav1.NamespaceNone, ofNode(options.NodeName)),
		reboots:     newMirror[*v1alpha1.NodeReboot](),
		pods:        pods,
		rights:      pods,
		neighbors:   pods,
		clockOffset: serverClock.Offset,
		written:     map[types.UID]string{},
		allowance:   newAllowance(),
		jobs:        map[types.UID]*running{},
		progress:    make(chan struct{}, 1),
		self:        newInstance(options.PodName),
	}
	if options.EvictionRequests {
		requests, err := newEvictionRequests(options.Config, options.NodeName, options.Clock, pods)
		if err != nil {
			return nil, err
		}
		a.pods, a.requests = requests, requests
	}
	return a, nil
}

// follow mirrors the node's NodeReboots until ctx ends.
func (a *agent) follow(ctx context.Context) {
	a.reboots.spread = a.spreadOut
	a.reboots.run(ctx, a.Log.WithName("reboots"), a.source, &v1alpha1.NodeReboot{})
}

// spreadOut waits for a time that is another one on each node. During a drain it does not: what is withdrawn has to be seen at once.
func (a *agent) spreadOut(ctx context.Context) {
	if a.drains.Load() > 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-a.Clock.After(spreadOf(a.NodeName)):
	}
}

// ready is an error until the node's NodeReboots and its sentinel are known, and while the sentinel is not, or its need has no NodeReboot:
// a helper can report that in a NodeReboot only if there is one.
func (a *agent) ready() error {
	if _, synced, err := a.reboots.snapshot(); !synced {
		return errors.Join(errors.New("the node's NodeReboots are not known yet"), err)
	}
	if why := a.superseded.Load(); why != nil {
		return errors.New(*why)
	}
	if !a.looked.Load() {
		return errors.New("the sentinel has not been read yet")
	}
	if why := a.blind.Load(); why != nil {
		return errors.New(sentinelPrefix + *why)
	}
	if why := a.nameless.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

// work makes passes until ctx ends: one for every hint that something changed, and repeated ones with a growing pause after a failure.
func (a *agent) work(ctx context.Context) {
	defer a.background.Wait()
	poll := a.Clock.NewTicker(a.PollInterval)
	defer poll.Stop()
	backoff := newBackoff()
	var retry <-chan time.Time
	a.readSentinel(ctx)
	a.machine.Store(a.askMachine(ctx))
	hints := make(chan struct{}, 1)
	answers, obstacles := a.askHost(ctx, hints), a.askRights(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.reboots.changed:
		case <-answers:
		case a.evictionObstacle = <-obstacles:
		case <-a.progress:
		case <-retry:
		case <-a.Sentinel.Changes():
			a.readSentinel(ctx)
			hint(hints) // What changed on the host may be in the way of a reboot.
		case <-poll.C():
			a.readSentinel(ctx)
		}
		if err := a.pass(ctx); err != nil && ctx.Err() == nil {
			pause := backoff.Step()
			a.Log.Error(err, "Pass failed, trying again", "pause", pause)
			retry = a.Clock.After(pause)
			continue
		}
		backoff = newBackoff()
		retry = a.whenAllowed()
	}
}

func newBackoff() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.2, Steps: 6, Cap: 30 * time.Second}
}

func (a *agent) readSentinel(ctx context.Context) {
	state, message := a.Sentinel.Check(ctx)
	if state != a.reading.state || message != a.reading.message {
		a.Log.Info("Sentinel read", "state", state, "message", message)
	}
	a.reading = reading{state: state, message: message}
	a.blind.Store(nil)
	if state == v1alpha1.SentinelUnknown {
		a.blind.Store(&message)
	}
	a.looked.Store(true)
}

// askHost asks repeatedly what is in the way of a reboot, alongside the passes: a host that is slow to answer must not hold up orders. An
// obstacle is checked more often, because a node may wait for it to go. The channel has a value after an answer that differs from the
// previous one. Answers are kept at once, so that a slow pass does not replace a newer answer with an old one.
func (a *agent) askHost(ctx context.Context, hints <-chan struct{}) <-chan struct{} {
	answers := make(chan struct{}, 1)
	known := a.machine.Load()
	a.background.Go(func() {
		for ctx.Err() == nil {
			pause := a.PollInterval
			if slices.ContainsFunc(known.methods, func(m v1alpha1.MethodReport) bool { return m.Obstacle != "" }) {
				pause = min(pause, obstacleInterval)
			}
			select {
			case <-ctx.Done():
				return
			case <-a.Clock.After(pause):
			case <-hints:
			}
			known = a.askMachine(ctx)
			if reflect.DeepEqual(known, a.machine.Load()) {
				continue
			}
			a.machine.Store(known)
			hint(answers)
		}
	})
	return answers
}

// hint sends one, unless the last one was not taken yet.
func hint(hints chan<- struct{}) {
	select {
	case hints <- struct{}{}:
	default:
	}
}

func (a *agent) askMachine(ctx context.Context) *machine {
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	methods := a.Host.Methods(ctx)
	for i := range methods {
		methods[i].Obstacle = truncate(methods[i].Obstacle, maxObstacle)
	}
	return &machine{methods: methods, about: a.Host.Describe(ctx)}
}

// pass brings everything that is known to where it should be. A failure with one NodeReboot does not keep others waiting.
func (a *agent) pass(ctx context.Context) error {
	a.unsaid = time.Time{} // before anything returns: a time that has passed asks for passes without end
	if a.superseded.Load() != nil {
		if err := a.succeed(ctx); err != nil || a.superseded.Load() != nil {
			return err
		}
	}
	f, ok, err := a.gather()
	if !ok || err != nil {
		return err
	}
	d := decide(f)
	if d.successor != nil {
		a.supersede(d.successor)
		return nil
	}
	for _, uid := range d.stop {
		a.jobs[uid].cancel()
		delete(a.jobs, uid)
	}
	for _, reboot := range d.amend {
		a.jobs[reboot.UID].amend(reboot.Status.Order)
	}
	var errs []error
	errs = append(errs, a.ask(ctx, d.create, d.names))
	for _, s := range d.steps {
		errs = append(errs, a.execute(ctx, s))
	}
	errs = append(errs, a.withdrawRequests(ctx))
	return errors.Join(errs...)
}

// gather returns the facts; ok is false while the NodeReboots are not known.
func (a *agent) gather() (f facts, ok bool, err error) {
	reboots, synced, _ := a.reboots.snapshot()
	if !synced {
		return facts{}, false, nil
	}
	bootID, err := a.Host.BootID()
	if err != nil {
		return facts{}, false, fmt.Errorf("read boot ID: %w", err)
	}
	bootTime, err := a.Host.BootTime()
	if err != nil {
		return facts{}, false, fmt.Errorf("read boot time: %w", err)
	}
	host := a.machine.Load()
	f = facts{
		now:      a.Clock.Now(),
		nodeName: a.NodeName,
		version:  a.Version,
		boot:     boot{id: bootID, time: &metav1.MicroTime{Time: bootTime.Truncate(time.Microsecond)}},
		sentinel: a.reading,
		methods:  host.methods,
		about:    host.about,
		behind:   map[types.UID]bool{},
		jobs:     make(map[types.UID]job, len(a.jobs)),
		taken:    tellTaken(a.taken),

		evictionObstacle: a.evictionObstacle,
	}
	if offset, known := a.clockOffset(); known {
		f.clockOffset = &offset
	}
	for uid, reboot := range reboots {
		f.reboots = append(f.reboots, reboot)
		f.behind[uid] = older(reboot.ResourceVersion, a.written[uid])
	}
	if a.self.Term == 0 {
		a.self.Term = nextTerm(f.now, f.reboots)
	}
	f.self = a.self
	slices.SortFunc(f.reboots, func(x, y *v1alpha1.NodeReboot) int { return strings.Compare(x.Name, y.Name) })
	for uid, r := range a.jobs {
		f.jobs[uid] = r.get()
	}
	for uid := range a.written {
		if reboots[uid] == nil {
			delete(a.written, uid)
		}
	}
	return f, true, nil
}
