package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	lifecyclev1alpha1 "k8s.io/api/lifecycle/v1alpha1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// removals answers whether a helper may evict or delete a pod. It allows everything that is not requested by a helper.
type removals struct {
	// live reads from the API server itself: a copy may still have a pod that is gone.
	live client.Reader
}

// Handle implements admission.Handler.
func (r *removals) Handle(ctx context.Context, request admission.Request) admission.Response {
	if !helperUser.MatchString(request.UserInfo.Username) {
		return admission.Allowed("")
	}
	asked, onNode, err := read(&request)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if why := confine(asked); why != "" {
		return admission.Denied(why)
	}
	if request.Operation == admissionv1.Create {
		if onNode, err = r.find(ctx, asked); err != nil {
			return admission.Errored(http.StatusServiceUnavailable, err)
		}
	}
	if why := confineTo(asked, onNode); why != "" {
		return admission.Denied(why)
	}
	return admission.Allowed("")
}

// read returns the removal, and for a deletion the UID of the pod if it is on the helper's node: a request to delete brings the very pod.
func read(request *admission.Request) (asked removal, onNode types.UID, err error) {
	asked = removal{namespace: request.Namespace, name: request.Name, node: nodeOf(&request.UserInfo)}
	what := fmt.Sprintf("%s %s/%s", request.Operation, request.Resource.Resource, request.SubResource)
	switch what {
	case "CREATE pods/eviction":
		asked.uid, err = evicted(request.Object.Raw)
	case "CREATE evictionrequests/":
		asked.name, asked.uid, err = target(request.Object.Raw)
	case "DELETE pods/":
		var pod corev1.Pod
		if err := json.Unmarshal(request.OldObject.Raw, &pod); err != nil {
			return asked, "", fmt.Errorf("read the Pod: %w", err)
		}
		asked.uid, asked.name = pod.UID, pod.Name
		if pod.Spec.NodeName == asked.node {
			onNode = pod.UID
		}
	default:
		err = fmt.Errorf("this webhook is about evictions and deletions of pods and EvictionRequests, not about %s", what)
	}
	return asked, onNode, err
}

// evicted is the UID of the only pod that an Eviction removes; empty if it does not say.
func evicted(raw []byte) (types.UID, error) {
	var eviction policyv1.Eviction
	if err := json.Unmarshal(raw, &eviction); err != nil {
		return "", fmt.Errorf("read the Eviction: %w", err)
	}
	if options := eviction.DeleteOptions; options != nil && options.Preconditions != nil && options.Preconditions.UID != nil {
		return *options.Preconditions.UID, nil
	}
	return "", nil
}

// target is the pod that an EvictionRequest asks for; empty if it asks for something else.
func target(raw []byte) (name string, uid types.UID, err error) {
	var asks lifecyclev1alpha1.EvictionRequest
	if err := json.Unmarshal(raw, &asks); err != nil {
		return "", "", fmt.Errorf("read the EvictionRequest: %w", err)
	}
	if pod := asks.Spec.Target.Pod; pod != nil {
		return pod.Name, pod.UID, nil
	}
	return "", "", nil
}

// find returns the UID of the pod with that name on the helper's node; empty if there is none. The selectors do it on the server, so that
// nothing is read of the pod but its metadata, and the right to list pods is enough.
func (r *removals) find(ctx context.Context, asked removal) (types.UID, error) {
	pods := metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	one := fields.AndSelectors(
		fields.OneTermEqualSelector("metadata.name", asked.name), fields.OneTermEqualSelector("spec.nodeName", asked.node))
	err := r.live.List(ctx, &pods, client.InNamespace(asked.namespace), client.MatchingFieldsSelector{Selector: one})
	if err != nil {
		return "", fmt.Errorf("look for pod %s/%s: %w", asked.namespace, asked.name, err)
	}
	if len(pods.Items) != 1 || pods.Items[0].Name != asked.name {
		return "", nil
	}
	return pods.Items[0].UID, nil
}

// names fills in who created and who approved a NodeReboot.
type names struct{}

// Handle implements admission.Handler.
func (names) Handle(_ context.Context, request admission.Request) admission.Response {
	after, err := specOf(request.Object.Raw)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	var before map[string]any
	if request.Operation != admissionv1.Create {
		if before, err = specOf(request.OldObject.Raw); err != nil {
			return admission.Errored(http.StatusBadRequest, err)
		}
		if before == nil {
			before = map[string]any{}
		}
	}
	if after == nil {
		return admission.Allowed("") // Nothing can be written into what is missing: the schema refuses that, and says so.
	}
	return admission.Patched("", fillIn(request.UserInfo.Username, before, after)...)
}

// specOf has the fields of a spec that names uses; nil if the spec is missing, or is not an object. For a field that is not a string it
// says only that the field exists: the rest of the object is not decoded.
func specOf(raw []byte) (map[string]any, error) {
	var object struct {
		Spec json.RawMessage `json:"spec"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("read the NodeReboot: %w", err)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(object.Spec, &fields) != nil || fields == nil {
		return nil, nil
	}
	spec := map[string]any{}
	for _, name := range []string{"requestedBy", "approval", "approvedBy"} {
		value, found := fields[name]
		if !found {
			continue
		}
		spec[name] = nil
		var text string
		if bytes.HasPrefix(value, []byte(`"`)) && json.Unmarshal(value, &text) == nil {
			spec[name] = text
		}
	}
	return spec, nil
}
