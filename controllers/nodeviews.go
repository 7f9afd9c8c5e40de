package controllers

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// nodeViews are what a plan sees of Nodes, from one pass to the next. In a large cluster nearly all of them stay, so a pass looks again
// only at those of which something changed.
type nodeViews struct {
	// last are those of the last pass, by name of the Node.
	last []viewedNode
	// helpers that may have changed since: those of single nodes, or all.
	helpers    sets.Set[string]
	allHelpers bool
	// helperSets and types of conditions are those that the views were made with.
	helperSets []appsv1.DaemonSet
	types      []corev1.NodeConditionType
}

// viewedNode is a Node and its view.
type viewedNode struct {
	node *corev1.Node
	view *model.Node
	// alone says that there was neither maintenance by others nor a volume that is waited for.
	alone bool
}

// helperChanged notes that the helper of a node may have changed.
func (v *nodeViews) helperChanged(node string) {
	if v.helpers == nil {
		v.helpers = sets.New[string]()
	}
	v.helpers.Insert(node)
}

// begin a pass. If something changed that the views of all Nodes depend on, no view of the last pass is kept.
func (v *nodeViews) begin(helperSets []appsv1.DaemonSet, types []corev1.NodeConditionType) {
	same := slices.EqualFunc(v.helperSets, helperSets, func(a, b appsv1.DaemonSet) bool { return !helperSetChanged(&a, &b) })
	if !same || v.allHelpers || !slices.Equal(v.types, types) {
		v.last = nil
	}
	v.helperSets, v.types = helperSets, types
}

// known is the view of the last pass of a Node that was alone, if neither the Node nor its helper changed since. At is where the Node is in
// the list.
func (v *nodeViews) known(at int, node *corev1.Node) (view *model.Node, known bool) {
	if at >= len(v.last) || v.last[at].node != node || !v.last[at].alone || v.helpers.Has(node.Name) {
		return nil, false
	}
	return v.last[at].view, true
}

// keep the views of a pass that read all that they depend on.
func (v *nodeViews) keep(views []viewedNode) {
	v.last, v.helpers, v.allHelpers = views, nil, false
}

// isAlone says that nobody else maintains a node, and that no volumes of it are waited for.
func isAlone(outside *projection.Outside) bool { return len(outside.Foreign)+len(outside.Volumes) == 0 }
