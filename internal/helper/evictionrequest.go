package helper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	lifecyclev1alpha1 "k8s.io/api/lifecycle/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

const (
	// requester is how a helper names itself in its EvictionRequests.
	requester = "reboot-operator.io/drain"
	// managedByLabel selects the EvictionRequests of all helpers, and nodeAnnotation tells whose they are: a label takes no long name.
	managedByLabel = "app.kubernetes.io/managed-by"
	managedBy      = "reboot-operator-helper"
	nodeAnnotation = "reboot-operator.io/node"
	// requestsResource are EvictionRequests (KEP-4563).
	requestsResource = "evictionrequests"
	// maxResponders is how many responders of a pod are kept. A pod has at most 10.
	maxResponders = 10
	// unheededAfter is how long an EvictionRequest may be without a controller that looks at it. Kubernetes 1.37 serves them and has none.
	unheededAfter = time.Minute
)

// evictionRequests evicts pods that name eviction responders by asking those, and all others as without. Responders know better how to
// remove their pods: they may move a virtual machine, or hand over what it leads.
type evictionRequests struct {
	podAPI
	requests rest.Interface
	nodeName string
	clock    clock.PassiveClock
}

func newEvictionRequests(config *rest.Config, nodeName string, clock clock.PassiveClock, pods podAPI) (*evictionRequests, error) {
	requests, err := newRESTClient(config, "/apis", lifecyclev1alpha1.SchemeGroupVersion, lifecyclev1alpha1.AddToScheme)
	if err != nil {
		return nil, err
	}
	return &evictionRequests{podAPI: pods, requests: requests, nodeName: nodeName, clock: clock}, nil
}

// askedError is not the refusal of an eviction: the pod's responders are asked, and it goes when they are done.
type askedError struct{ responders []string }

func (e *askedError) Error() string {
	return "waiting for eviction responders " + strings.Join(e.responders, ", ")
}

// Evict implements podAPI. It is repeated until the pod is gone, and evicts the pod itself when its responders are at their end: when the
// API server no longer serves EvictionRequests, when no controller looks at them, and when no responder is left.
func (e *evictionRequests) Evict(ctx context.Context, pod *corev1.Pod, gracePeriodSeconds *int64) error {
	if len(pod.Spec.EvictionResponders) == 0 {
		return e.podAPI.Evict(ctx, pod, gracePeriodSeconds)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := e.ask(ctx, pod)
	switch {
	case apierrors.IsNotFound(err) || err == nil && e.over(request):
		return e.podAPI.Evict(ctx, pod, gracePeriodSeconds)
	case err != nil:
		return err
	}
	return &askedError{responders: responders(pod)}
}

// responders are the names of a pod's eviction responders.
func responders(pod *corev1.Pod) []string {
	names := make([]string, 0, len(pod.Spec.EvictionResponders))
	for i := range pod.Spec.EvictionResponders {
		names = append(names, pod.Spec.EvictionResponders[i].Name)
	}
	return names
}

// over reports whether nothing more comes of a request. A new one may still show that an earlier one was withdrawn.
func (e *evictionRequests) over(request *lifecyclev1alpha1.EvictionRequest) bool {
	failed := meta.FindStatusCondition(request.Status.Conditions, string(lifecyclev1alpha1.EvictionConditionFailed))
	if failed != nil && failed.Status == metav1.ConditionTrue {
		return failed.Reason != string(lifecyclev1alpha1.EvictionConditionReasonCanceledDueToNoRequesters)
	}
	return request.Status.ObservedGeneration == nil && !e.clock.Now().Before(request.CreationTimestamp.Add(unheededAfter))
}

// ask makes the request for a pod, unless there is one, and returns it.
func (e *evictionRequests) ask(ctx context.Context, pod *corev1.Pod) (*lifecyclev1alpha1.EvictionRequest, error) {
	request := &lifecyclev1alpha1.EvictionRequest{}
	err := e.requests.Get().Namespace(pod.Namespace).Resource(requestsResource).Name(requestName(pod.UID)).Do(ctx).Into(request)
	if !apierrors.IsNotFound(err) {
		return request, err
	}
	err = e.requests.Post().Namespace(pod.Namespace).Resource(requestsResource).MaxRetries(0).Body(e.requestFor(pod)).Do(ctx).Into(request)
	return request, err
}

func requestName(pod types.UID) string { return "reboot-operator-" + string(pod) }

// requestFor is owned by its pod, so that it goes with it, whatever becomes of the helper.
func (e *evictionRequests) requestFor(pod *corev1.Pod) *lifecyclev1alpha1.EvictionRequest {
	return &lifecyclev1alpha1.EvictionRequest{
		TypeMeta: metav1.TypeMeta{APIVersion: lifecyclev1alpha1.SchemeGroupVersion.String(), Kind: "EvictionRequest"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: requestName(pod.UID),
			Labels:      map[string]string{managedByLabel: managedBy},
			Annotations: map[string]string{nodeAnnotation: e.nodeName},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID,
			}},
		},
		Spec: lifecyclev1alpha1.EvictionRequestSpec{
			Target: lifecyclev1alpha1.EvictionRequestTarget{
				Pod: &lifecyclev1alpha1.EvictionRequestPodReference{Name: pod.Name, UID: pod.UID},
			},
			Requester: requester, Intent: lifecyclev1alpha1.EvictionRequestIntentEviction,
		},
	}
}

// withdraw deletes the node's requests: the drain no longer asks for what is left. Responders that are at work are to cancel it.
func (e *evictionRequests) withdraw(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	options := &metav1.ListOptions{LabelSelector: labels.Set{managedByLabel: managedBy}.String()}
	var all lifecyclev1alpha1.EvictionRequestList
	err := e.requests.Get().Resource(requestsResource).VersionedParams(options, metav1.ParameterCodec).Do(ctx).Into(&all)
	if apierrors.IsNotFound(err) {
		return nil // The API server does not serve them.
	}
	if err != nil {
		return fmt.Errorf("list the EvictionRequests of helpers: %w", err)
	}
	var errs []error
	for i := range all.Items {
		request := &all.Items[i]
		if request.Annotations[nodeAnnotation] != e.nodeName || request.DeletionTimestamp != nil {
			continue
		}
		err := e.requests.Delete().Namespace(request.Namespace).Resource(requestsResource).Name(request.Name).
			Body(&metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &request.UID}}).Do(ctx).Error()
		if !apierrors.IsNotFound(err) && err != nil {
			errs = append(errs, fmt.Errorf("withdraw EvictionRequest %s/%s: %w", request.Namespace, request.Name, err))
		}
	}
	return errors.Join(errs...)
}

// keptResponders are what is kept of a pod's eviction responders.
func keptResponders(pod *corev1.Pod) []corev1.EvictionResponder {
	var kept []corev1.EvictionResponder
	for i := range pod.Spec.EvictionResponders[:min(len(pod.Spec.EvictionResponders), maxResponders)] {
		kept = append(kept, corev1.EvictionResponder{Name: beginning(pod.Spec.EvictionResponders[i].Name)})
	}
	return kept
}
