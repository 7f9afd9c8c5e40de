package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// kept is what the reader keeps from one pass to the next. A cache replaces an object that changes, so one with the same address is
// unchanged, and so is what was made of it.
type kept struct {
	reboots inOrder[v1alpha1.NodeReboot]
	nodes   inOrder[corev1.Node]
	// unfinished are the reboots that are not complete.
	unfinished map[*v1alpha1.NodeReboot]bool
	// views of Nodes by name, and those of the last pass.
	views     map[string]keptNode
	nodeViews nodeViews
	// ownPods are the pods of helpers and managers, as they were read last; nil if some could not be read.
	ownPods *operatorPods
	// budgets by namespace, for the projection of pods.
	budgets projection.KnownBudgets
}

// keptNode is what a plan sees of a Node, and its source.
type keptNode struct {
	node    *corev1.Node
	outside projection.Outside
	view    *model.Node
}

// inOrder lists objects by name.
type inOrder[T any] struct {
	list []*T
	has  map[*T]bool
}

// update takes the objects that there are now, in any order, and returns those that are gone and those that are new; of one that changed,
// both. If there are none, the list is the very same one.
func (o *inOrder[T]) update(objects []*T, name func(*T) string) (gone, come []*T) {
	for _, object := range objects {
		if !o.has[object] {
			come = append(come, object)
		}
	}
	if len(come) == 0 && len(objects) == len(o.list) {
		return nil, nil
	}
	if len(objects) == len(o.list) {
		if gone, replaced := o.replace(come, name); replaced {
			return gone, come
		}
	}
	now := make(map[*T]bool, len(objects))
	for _, object := range objects {
		now[object] = true
	}
	for _, object := range o.list {
		if !now[object] {
			gone = append(gone, object)
		}
	}
	o.list, o.has = slices.SortedFunc(maps.Keys(now), func(a, b *T) int { return cmp.Compare(name(a), name(b)) }), now
	return gone, come
}

// replace replaces the objects of the same names. If one of the names is new, nothing changes.
func (o *inOrder[T]) replace(come []*T, name func(*T) string) (gone []*T, replaced bool) {
	list := slices.Clone(o.list)
	for _, object := range come {
		i, found := search(list, name(object), name)
		if !found {
			return nil, false
		}
		gone = append(gone, list[i])
		list[i] = object
	}
	for i, object := range come {
		delete(o.has, gone[i])
		o.has[object] = true
	}
	o.list = list
	return gone, true
}

func search[T any](list []*T, wanted string, name func(*T) string) (int, bool) {
	return slices.BinarySearchFunc(list, wanted, func(object *T, wanted string) int { return cmp.Compare(name(object), wanted) })
}

// find returns the object with a name in a list by name; nil if there is none.
func find[T any](list []*T, wanted string, name func(*T) string) *T {
	if i, found := search(list, wanted, name); found {
		return list[i]
	}
	return nil
}

func nameOfNode(node *corev1.Node) string { return node.Name }

func nameOfReboot(reboot *v1alpha1.NodeReboot) string { return reboot.Name }

// objectCache is where objects are read from the manager's cache.
type objectCache struct {
	reader client.Reader
	// informers of that cache; nil if it cannot be read without a copy.
	informers crcache.Informers
}

func (c objectCache) reboots(ctx context.Context) ([]*v1alpha1.NodeReboot, error) {
	var list v1alpha1.NodeRebootList
	return cachedObjects[v1alpha1.NodeReboot](ctx, c, "NodeReboots", &list, func() []v1alpha1.NodeReboot { return list.Items })
}

func (c objectCache) policies(ctx context.Context) ([]*v1alpha1.RebootPolicy, error) {
	var list v1alpha1.RebootPolicyList
	return cachedObjects[v1alpha1.RebootPolicy](ctx, c, "RebootPolicies", &list, func() []v1alpha1.RebootPolicy { return list.Items })
}

func (c objectCache) nodes(ctx context.Context) ([]*corev1.Node, error) {
	var list corev1.NodeList
	return cachedObjects[corev1.Node](ctx, c, "Nodes", &list, func() []corev1.Node { return list.Items })
}

// nowhere is a namespace in which there is nothing.
const nowhere = "reboot-operator-nowhere"

// cachedObjects are all objects of a cluster-scoped kind in the manager's cache, which has seen every write of this process. They belong to
// the cache: never change them. A client copies each of them into a list, so they are taken from where the cache has them.
func cachedObjects[T any, O interface {
	*T
	client.Object
}](ctx context.Context, from objectCache, kind string, list client.ObjectList, items func() []T) ([]*T, error) {
	options := []client.ListOption{client.UnsafeDisableDeepCopy}
	if from.informers != nil {
		// Nothing of the kind is in a namespace. The client waits until the cache is up to date before it finds that out.
		options = append(options, client.InNamespace(nowhere))
	}
	if err := from.reader.List(ctx, list, options...); err != nil {
		return nil, fmt.Errorf("list %s: %w", kind, err)
	}
	if from.informers == nil {
		all := items()
		objects := make([]*T, len(all))
		for i := range all {
			objects[i] = &all[i]
		}
		return objects, nil
	}
	informer, err := from.informers.GetInformer(ctx, O(new(T)))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind, err)
	}
	indexed, is := informer.(cache.SharedIndexInformer)
	if !is {
		return nil, fmt.Errorf("list %s: the cache has no store, but a %T", kind, informer)
	}
	stored := indexed.GetStore().List()
	objects := make([]*T, 0, len(stored))
	for _, object := range stored {
		if typed, is := object.(*T); is {
			objects = append(objects, typed)
		}
	}
	return objects, nil
}

// listReboots brings the NodeReboots up to date.
func (k *kept) listReboots(ctx context.Context, r *reader) error {
	objects, err := r.objects().reboots(ctx)
	if err != nil {
		return err
	}
	gone, come := k.reboots.update(objects, nameOfReboot)
	for _, reboot := range gone {
		delete(k.unfinished, reboot)
	}
	for _, reboot := range come {
		if reboot.Status.CompletionTime == nil {
			if k.unfinished == nil {
				k.unfinished = map[*v1alpha1.NodeReboot]bool{}
			}
			k.unfinished[reboot] = true
		}
	}
	return nil
}

// listNodes brings the Nodes up to date.
func (k *kept) listNodes(ctx context.Context, r *reader) error {
	objects, err := r.objects().nodes(ctx)
	if err != nil {
		return err
	}
	gone, _ := k.nodes.update(objects, nameOfNode)
	for _, node := range gone {
		if find(k.nodes.list, node.Name, nameOfNode) == nil {
			delete(k.views, node.Name)
		}
	}
	return nil
}

// view is what a plan sees of a Node: the very same view as in the last pass if that would be equal. The Node of a heartbeat is another one
// and says the same.
func (k *kept) view(node *corev1.Node, outside *projection.Outside) *model.Node {
	last, known := k.views[node.Name]
	if known && last.node == node && last.outside.Equal(outside) {
		return last.view
	}
	view := projection.Node(node, outside)
	if known && reflect.DeepEqual(last.view, view) {
		view = last.view
	}
	if k.views == nil {
		k.views = map[string]keptNode{}
	}
	k.views[node.Name] = keptNode{node, *outside, view}
	return view
}
