package objects

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/version"
)

// The ConfigMap that begins a saved snapshot says where it comes from.
const (
	headerName    = "kubectl-reboots-snapshot"
	headerTaken   = "taken"
	headerVersion = "version"
	headerUnknown = "unknown"
	headerPods    = "podsUnknown"
)

const preamble = `# Saved by kubectl reboots snapshot at %s. See what comes next: kubectl reboots plan --from FILE
# It has what a plan depends on, and nothing else of any object: no secrets, and no environment variables.
`

// Write saves a cluster as YAML: one List for each kind, with one object on each line.
func (c *Cluster) Write(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	if _, err := fmt.Fprintf(out, preamble, c.Taken.UTC().Format(time.RFC3339)); err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	for _, list := range c.lists() {
		if err := writeList(out, list); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	return nil
}

// lists are all objects, by kind.
func (c *Cluster) lists() []iter.Seq[client.Object] {
	own := func(kind string) func(client.Object) client.Object {
		return func(object client.Object) client.Object {
			if whole := c.unreadable[object.GetUID()]; whole != nil {
				return whole
			}
			return typed(object, v1alpha1.GroupVersion.WithKind(kind))
		}
	}
	maps := []*corev1.ConfigMap{c.header()}
	if c.Slots != nil {
		maps = append(maps, c.Slots)
	}
	return []iter.Seq[client.Object]{
		each(maps, as(corev1.SchemeGroupVersion.WithKind("ConfigMap"))),
		each(c.Policies, own("RebootPolicy")),
		each(c.Reboots, own("NodeReboot")),
		each(c.Nodes, as(corev1.SchemeGroupVersion.WithKind("Node"))),
		each(c.Deployments, as(appsv1.SchemeGroupVersion.WithKind("Deployment"))),
		each(c.StatefulSets, as(appsv1.SchemeGroupVersion.WithKind("StatefulSet"))),
		each(c.HelperSets, as(appsv1.SchemeGroupVersion.WithKind("DaemonSet"))),
		each(c.Budgets, as(policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"))),
		each(c.Leases, as(coordinationv1.SchemeGroupVersion.WithKind("Lease"))),
		each(c.Volumes, as(storagev1.SchemeGroupVersion.WithKind("VolumeAttachment"))),
		each(c.Maintenances, func(object client.Object) client.Object { return object }),
		each(c.Pods, c.savedPod()),
	}
}

// header says where the snapshot comes from.
func (c *Cluster) header() *corev1.ConfigMap {
	header := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: headerName},
		Data:       map[string]string{headerTaken: c.Taken.UTC().Format(time.RFC3339), headerVersion: version.Get()},
	}
	if len(c.Unknown) > 0 {
		header.Data[headerUnknown] = strings.Join(c.Unknown, "\n")
	}
	if c.PodsUnknown {
		header.Data[headerPods] = "true"
	}
	return header
}

func each[T client.Object](objects []T, write func(client.Object) client.Object) iter.Seq[client.Object] {
	return func(yield func(client.Object) bool) {
		for _, object := range objects {
			if !yield(write(object)) {
				return
			}
		}
	}
}

func as(kind schema.GroupVersionKind) func(client.Object) client.Object {
	return func(object client.Object) client.Object { return typed(object, kind) }
}

// typed sets the kind of an object, which a client leaves empty.
func typed(object client.Object, kind schema.GroupVersionKind) client.Object {
	object.GetObjectKind().SetGroupVersionKind(kind)
	return object
}

func writeList(out *bufio.Writer, list iter.Seq[client.Object]) error {
	begun := false
	for object := range list {
		encoded, err := json.Marshal(object)
		if err != nil {
			return fmt.Errorf("write %s %s: %w", object.GetObjectKind().GroupVersionKind().Kind, object.GetName(), err)
		}
		if !begun {
			begun = true
			if _, err := out.WriteString("---\napiVersion: v1\nkind: List\nitems:\n"); err != nil {
				return fmt.Errorf("write the snapshot: %w", err)
			}
		}
		for _, part := range [][]byte{[]byte(beginItem), encoded, []byte("\n")} {
			if _, err := out.Write(part); err != nil {
				return fmt.Errorf("write the snapshot: %w", err)
			}
		}
	}
	return nil
}

// beginItem begins the line of an object in a list.
const beginItem = "- "
