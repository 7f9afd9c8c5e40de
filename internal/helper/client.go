package helper

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/podstream"
)

// requestTimeout bounds a single request. A watch has none.
const requestTimeout = 30 * time.Second

const (
	rebootsResource = "nodereboots"
	podsResource    = "pods"
)

// The helper speaks to the API server through bare REST clients with just the kinds it needs: a clientset registers every kind there is,
// which costs each node more memory than all the rest of the helper.

// newRESTClient returns a client for one group version.
func newRESTClient(config *rest.Config, apiPath string, version schema.GroupVersion, register func(*runtime.Scheme) error) (
	*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := register(scheme); err != nil {
		return nil, fmt.Errorf("register %s: %w", version, err)
	}
	config = rest.AddUserAgent(rest.CopyConfig(config), "reboot-operator-helper")
	config.APIPath = apiPath
	config.ContentType = runtime.ContentTypeJSON // Custom resources have no other, and patches here are JSON.
	config.AcceptContentTypes = runtime.ContentTypeJSON
	config.GroupVersion = &version
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	// The API server's priority and fairness is the limit; the helper's own is on what it does at once.
	config.QPS = -1
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", version, err)
	}
	return client, nil
}

// asNode returns the config of a client that acts as the node (constrained impersonation, KEP-5284).
func asNode(config *rest.Config, nodeName string) *rest.Config {
	config = rest.CopyConfig(config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:node:" + nodeName}
	return config
}

// rebootClient writes NodeReboots.
type rebootClient struct {
	rest rest.Interface
}

// Create creates a NodeReboot.
func (c *rebootClient) Create(ctx context.Context, reboot *v1alpha1.NodeReboot) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return c.rest.Post().Resource(rebootsResource).Body(reboot).Do(ctx).Error()
}

// Find returns the NodeReboot with that name, of whatever node; nil if there is none.
func (c *rebootClient) Find(ctx context.Context, name string) (*v1alpha1.NodeReboot, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var found v1alpha1.NodeRebootList // The helper may list NodeReboots, which includes a single one, and not get them.
	options := &metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()}
	err := c.rest.Get().Resource(rebootsResource).VersionedParams(options, metav1.ParameterCodec).Do(ctx).Into(&found)
	if err != nil || len(found.Items) == 0 {
		return nil, err
	}
	return &found.Items[0], nil
}

// Report writes status.report and returns the resource version that it made. It fails with a conflict if the NodeReboot is not what it was
// when it was read: nothing is ever written, and so no order recorded, on the strength of something stale.
func (c *rebootClient) Report(ctx context.Context, reboot *v1alpha1.NodeReboot, report *v1alpha1.HelperReport) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(report)
	if err != nil {
		return "", fmt.Errorf("encode report: %w", err)
	}
	for {
		version, err := c.apply(ctx, reboot, fields)
		if err == nil || !leaveOutUndeclared(fields, err) {
			return version, err
		}
	}
}

// reportField is a field of the report in the API server's answer.
var reportField = regexp.MustCompile(`\.status\.report\.([A-Za-z0-9]+)[^:]*: field not declared in schema`)

// requiredFields are those without which there is no report.
var requiredFields = []string{"bootID", "sentinel", "sequence", "state", "message"}

// leaveOutUndeclared takes the fields out of a report that were refused, and says whether there were any. A helper that is newer than the
// kind in the cluster knows fields that the kind does not have, and each makes the API server refuse all of the report, and with it the
// record of an order. They are tried each time: the kind may be updated.
func leaveOutUndeclared(report map[string]any, refusal error) bool {
	before := len(report)
	for _, match := range reportField.FindAllStringSubmatch(refusal.Error(), -1) {
		if !slices.Contains(requiredFields, match[1]) {
			delete(report, match[1])
		}
	}
	return len(report) < before
}

// apply applies the fields of a report.
func (c *rebootClient) apply(ctx context.Context, reboot *v1alpha1.NodeReboot, report map[string]any) (string, error) {
	body, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       "NodeReboot",
		"metadata":   map[string]any{"name": reboot.Name, "resourceVersion": reboot.ResourceVersion},
		"status":     map[string]any{"report": report},
	})
	if err != nil {
		return "", fmt.Errorf("encode report: %w", err)
	}
	force := true
	written := &v1alpha1.NodeReboot{}
	err = c.rest.Patch(types.ApplyPatchType).Resource(rebootsResource).Name(reboot.Name).SubResource("status").
		VersionedParams(&metav1.PatchOptions{FieldManager: v1alpha1.HelperFieldManager, Force: &force}, metav1.ParameterCodec).
		Body(body).Do(ctx).Into(written)
	return written.ResourceVersion, err
}

// identity is as whom pods are listed and evicted.
type identity struct {
	// node says that it is the node's.
	node bool
	pods rest.Interface
}

func newIdentity(config *rest.Config, nodeName string, asTheNode bool) (*identity, error) {
	if asTheNode {
		config = asNode(config, nodeName)
	}
	pods, err := newRESTClient(config, "/api", corev1.SchemeGroupVersion, corev1.AddToScheme)
	if err != nil {
		return nil, err
	}
	return &identity{node: asTheNode, pods: pods}, nil
}

// podClient lists, watches and evicts a node's pods with one identity, and asks about DaemonSets with another: nodes may not read those.
type podClient struct {
	nodeName string
	own      rest.Interface
	// ownPod is the helper's; empty if it is not known.
	ownPod types.NamespacedName
	// uid is that of the helper's pod, once it was found.
	uid atomic.Pointer[types.UID]
	// identities are those to try, the better one first.
	identities []*identity
	current    atomic.Pointer[identity]
	refused    chan struct{}
}

func newPodClient(config *rest.Config, nodeName string, impersonation Impersonation, ownPod types.NamespacedName) (*podClient, error) {
	itself, err := newIdentity(config, nodeName, false)
	if err != nil {
		return nil, err
	}
	node, err := newIdentity(config, nodeName, true)
	if err != nil {
		return nil, err
	}
	client := &podClient{nodeName: nodeName, own: itself.pods, ownPod: ownPod, refused: make(chan struct{}, 1)}
	switch impersonation {
	case ImpersonateAlways:
		client.identities = []*identity{node}
	case ImpersonateNever:
		client.identities = []*identity{itself}
	default:
		client.identities = []*identity{node, itself}
	}
	client.current.Store(client.identities[0])
	return client, nil
}

// Pods implements podAPI.
func (c *podClient) Pods(keep func(*corev1.Pod) *corev1.Pod) toolscache.ListerWatcherWithContext {
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = ofNode(c.nodeName).String()
			pods, err := podstream.Of(c.current.Load().pods)(ctx, metav1.NamespaceAll, options, keep)
			return pods, c.note(err)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.Watch, options.FieldSelector = true, ofNode(c.nodeName).String()
			events, err := c.current.Load().pods.Get().Resource(podsResource).VersionedParams(&options, metav1.ParameterCodec).Watch(ctx)
			return events, c.note(err)
		},
	}
}

// note returns the error of a list, and notes if it is for want of a right.
func (c *podClient) note(err error) error {
	if rightToList(err) == rightDenied {
		c.noteRefused()
	}
	return err
}

// Evict asks for the eviction of exactly this pod: another one of the same name, which may be on another node by now, is left alone.
// It asks once: the client's own repetitions would hide a refusal for minutes.
func (c *podClient) Evict(ctx context.Context, pod *corev1.Pod, gracePeriodSeconds *int64) error {
	body := &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: gracePeriodSeconds, Preconditions: &metav1.Preconditions{UID: &pod.UID}},
	}
	err := evict(ctx, c.current.Load(), body)
	if apierrors.IsForbidden(err) && refuser(err.Error()) == byServer { // a webhook or policy may be about this pod
		c.noteRefused()
	}
	return err
}

// evictOwn asks whether an identity may evict the helper's own pod. Nothing is evicted.
func (c *podClient) evictOwn(ctx context.Context, as *identity, uid types.UID) error {
	return evict(ctx, as, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: c.ownPod.Namespace, Name: c.ownPod.Name},
		DeleteOptions: &metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}, Preconditions: &metav1.Preconditions{UID: &uid}},
	})
}

func evict(ctx context.Context, as *identity, eviction *policyv1.Eviction) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	eviction.TypeMeta = metav1.TypeMeta{APIVersion: policyv1.SchemeGroupVersion.String(), Kind: "Eviction"}
	body, err := json.Marshal(eviction)
	if err != nil {
		return fmt.Errorf("encode eviction: %w", err)
	}
	return as.pods.Post().Namespace(eviction.Namespace).Resource(podsResource).Name(eviction.Name).SubResource("eviction").
		SetHeader("Content-Type", runtime.ContentTypeJSON).MaxRetries(0).Body(body).Do(ctx).Error()
}

// PodExists reports whether there is a pod with that name on the node, in the helper's namespace.
func (c *podClient) PodExists(ctx context.Context, name string) (bool, error) {
	uid, err := c.find(ctx, c.current.Load(), name)
	return uid != "", c.note(err)
}

// findOwn lists the helper's own pod by an identity, and returns its UID. It is empty if the pod is not there, or not known by name: then
// any one pod of the node is listed.
func (c *podClient) findOwn(ctx context.Context, as *identity) (types.UID, error) {
	return c.find(ctx, as, c.ownPod.Name)
}

// find lists a pod of the node by its name, in the helper's namespace, and returns its UID.
func (c *podClient) find(ctx context.Context, as *identity, name string) (types.UID, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	selected := ofNode(c.nodeName)
	if name != "" {
		selected = fields.AndSelectors(selected, fields.OneTermEqualSelector("metadata.name", name))
	}
	var found metav1.PartialObjectMetadataList
	result := as.pods.Get().Namespace(c.ownPod.Namespace).Resource(podsResource).
		VersionedParams(&metav1.ListOptions{FieldSelector: selected.String(), Limit: 1}, metav1.ParameterCodec).
		SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").MaxRetries(0).Do(ctx)
	if err := result.Error(); err != nil { // which has the API server's own words, and that of Raw has not
		return "", err
	}
	answer, err := result.Raw()
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return "", fmt.Errorf("read a list of pods: %w", err)
	}
	if name == "" || len(found.Items) != 1 {
		return "", nil
	}
	return found.Items[0].UID, nil
}

// DaemonSetExists reports whether there is such a DaemonSet.
func (c *podClient) DaemonSetExists(ctx context.Context, namespace, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := c.own.Get().AbsPath("/apis/apps/v1").Namespace(namespace).Resource("daemonsets").Name(name).Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
