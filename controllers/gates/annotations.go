package gates

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	kwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// annotationFilter drops pods without some annotations from what the API server sends: it selects by labels only. Pods that are dropped are
// not kept, and do not ask for a pass when they change.
type annotationFilter struct {
	selects selectors.Pods
	// off: there is nothing to filter by.
	off bool

	mu sync.Mutex
	// passed are the pods that were let pass and are not known to be gone.
	passed sets.Set[types.UID]
}

func newAnnotationFilter(annotations string) *annotationFilter {
	return &annotationFilter{selects: selectors.ForAnnotationText(annotations), off: annotations == "", passed: sets.New[types.UID]()}
}

// keep is what is kept of a pod in a list. A dropped pod has no name.
func (f *annotationFilter) keep(pod *corev1.Pod) *corev1.Pod {
	if !f.off && !f.selects.Matches(pod.Labels, pod.Annotations) {
		return &corev1.Pod{}
	}
	return strippedPod(pod)
}

// list takes the pods that were dropped out of a list of what is kept.
func (f *annotationFilter) list(list *corev1.PodList) *corev1.PodList {
	if f.off || list == nil {
		return list
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	list.Items = slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool { return pod.Name == "" })
	for i := range list.Items {
		f.passed.Insert(list.Items[i].UID)
	}
	return list
}

func (f *annotationFilter) watch(events kwatch.Interface, options metav1.ListOptions) kwatch.Interface {
	if f.off || events == nil {
		return events
	}
	if options.SendInitialEvents != nil && *options.SendInitialEvents {
		f.mu.Lock()
		f.passed.Clear()
		f.mu.Unlock()
	}
	return kwatch.Filter(events, f.event)
}

// event reports a pod that has lost its annotations as gone. Other pods that are not selected have no event.
func (f *annotationFilter) event(event kwatch.Event) (kwatch.Event, bool) {
	pod, ok := event.Object.(*corev1.Pod)
	if !ok || event.Type == kwatch.Bookmark {
		return event, true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if event.Type != kwatch.Deleted && f.selects.Matches(pod.Labels, pod.Annotations) {
		f.passed.Insert(pod.UID)
		return event, true
	}
	known := f.passed.Has(pod.UID)
	f.passed.Delete(pod.UID)
	event.Type = kwatch.Deleted
	return event, known
}
