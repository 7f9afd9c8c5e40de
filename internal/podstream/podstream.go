// Package podstream lists pods without ever holding all of the answer. A pod may have more than a megabyte and a node a hundred pods, and
// of each a few hundred bytes are ever looked at.
package podstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// Lister lists the pods that the options select, of one namespace or, if that is empty, of all. keep returns what is kept of a pod, which
// must not hold on to the rest; it is called before the next pod is read.
type Lister func(ctx context.Context, namespace string, options metav1.ListOptions, keep func(*corev1.Pod) *corev1.Pod) (
	*corev1.PodList, error)

// Of is a Lister by a client for the core group.
func Of(client rest.Interface) Lister {
	return func(ctx context.Context, namespace string, options metav1.ListOptions, keep func(*corev1.Pod) *corev1.Pod) (
		*corev1.PodList, error) {
		return list(ctx, client, namespace, options, keep)
	}
}

func list(ctx context.Context, client rest.Interface, namespace string, options metav1.ListOptions, keep func(*corev1.Pod) *corev1.Pod) (
	list *corev1.PodList, err error) {
	body, err := client.Get().Namespace(namespace).Resource("pods").VersionedParams(&options, metav1.ParameterCodec).
		SetHeader("Accept", runtime.ContentTypeJSON).Stream(ctx)
	if err != nil {
		return nil, err // It is an API error that callers look at, and says what was asked.
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	list, err = decode(body, keep)
	if err != nil {
		return nil, fmt.Errorf("read a list of pods: %w", err)
	}
	return list, nil
}

// decode reads a PodList in JSON.
func decode(body io.Reader, keep func(*corev1.Pod) *corev1.Pod) (*corev1.PodList, error) {
	list := &corev1.PodList{}
	decoder := json.NewDecoder(body)
	if err := expect(decoder, json.Delim('{')); err != nil {
		return nil, err
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("read a field: %w", err)
		}
		switch key {
		case "kind":
			err = decoder.Decode(&list.Kind)
		case "apiVersion":
			err = decoder.Decode(&list.APIVersion)
		case "metadata":
			err = decoder.Decode(&list.ListMeta)
		case "items":
			list.Items, err = decodeItems(decoder, keep)
		default:
			err = decoder.Decode(&json.RawMessage{})
		}
		if err != nil {
			return nil, fmt.Errorf("read field %v: %w", key, err)
		}
	}
	// Without its end, a list that was cut off would count as a node with fewer pods.
	if err := expect(decoder, json.Delim('}')); err != nil {
		return nil, err
	}
	if list.Kind != "PodList" || list.ResourceVersion == "" {
		return nil, fmt.Errorf("the answer is a %q of resource version %q", list.Kind, list.ResourceVersion)
	}
	return list, nil
}

func decodeItems(decoder *json.Decoder, keep func(*corev1.Pod) *corev1.Pod) ([]corev1.Pod, error) {
	begin, err := decoder.Token()
	if err != nil || begin == nil { // null is an empty list.
		return nil, err
	}
	if begin != json.Delim('[') {
		return nil, fmt.Errorf("got %v, want a list", begin)
	}
	var items []corev1.Pod
	for decoder.More() {
		pod := &corev1.Pod{}
		if err := decoder.Decode(pod); err != nil {
			return nil, fmt.Errorf("pod %d: %w", len(items), err)
		}
		items = append(items, *keep(pod))
	}
	return items, expect(decoder, json.Delim(']'))
}

func expect(decoder *json.Decoder, want json.Token) error {
	got, err := decoder.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && got != want {
		err = fmt.Errorf("got %v", got)
	}
	if err != nil {
		return fmt.Errorf("want %v: %w", want, err)
	}
	return nil
}
