package helper

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// A refused eviction is repeated after a jittered pause that doubles from firstPause to lastPause.
	firstPause = time.Second
	lastPause  = 10 * time.Second
	// maxEvictions is how many evictions are asked for at once.
	maxEvictions = 16
	// reportInterval is how often progress is reported at most.
	reportInterval = time.Second
	// maxNamed is how many pods are named in status.report.drain.refused and in a message.
	maxNamed = 10
)

// podAPI is what a drain needs: the node's pods, their eviction, and whether a DaemonSet exists.
type podAPI interface {
	toolscache.ListerWatcherWithContext
	Evict(ctx context.Context, pod *corev1.Pod, gracePeriodSeconds *int64) error
	DaemonSetExists(ctx context.Context, namespace, name string) (bool, error)
}

// drain empties a node. It sees the node's pods by one watch, so it also knows those that arrive while it works, and learns without
// polling that one is gone. Its loop is one goroutine; only evictions run beside it.
type drain struct {
	api      podAPI
	clock    clock.WithTicker
	log      logr.Logger
	order    v1alpha1.DrainOrder
	selector labels.Selector
	deadline time.Time
	publish  func(progress v1alpha1.DrainProgress, message string)

	mirror  *mirror[*corev1.Pod]
	pods    map[types.UID]*drainPod
	results chan evictionResult
	// inFlight is how many evictions were asked for and not answered.
	inFlight int
	// total counts the pods that had to go so far.
	total int32
	// message is the last error that is not about a single eviction.
	message   string
	published published
}

// drainPod is a pod on the node, and what came of the attempts to evict it.
type drainPod struct {
	*corev1.Pod
	class podClass
	// classified is false until the class is known; classErr is why not.
	classErr error
	inFlight bool
	// accepted is set when there is nothing to ask for any more; the pod only has to end.
	accepted bool
	refused  *v1alpha1.RefusedPod
	pause    time.Duration
	next     time.Time
}

type evictionResult struct {
	uid types.UID
	err error
}

// published is what was reported last, and when.
type published struct {
	progress *v1alpha1.DrainProgress
	message  string
	time     time.Time
}
