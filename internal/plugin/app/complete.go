package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// The kinds whose names are completed.
var (
	NodeKind   = corev1.SchemeGroupVersion.WithKind("Node")
	PolicyKind = v1alpha1.GroupVersion.WithKind("RebootPolicy")
	RebootKind = v1alpha1.GroupVersion.WithKind("NodeReboot")
)

// completionTimeout is how long a shell waits for names: a person looks at a cursor that does not move.
const completionTimeout = 3 * time.Second

// Complete completes the arguments of a command by the names of objects in the cluster, of one kind or of several. Names that are on the
// command line are not offered again. Where the cluster cannot be reached nothing is offered: a shell can show no error.
func (a *App) Complete(kinds ...schema.GroupVersionKind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, start string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		var names []cobra.Completion
		for _, kind := range kinds {
			found, err := a.names(ctx, kind)
			if err != nil {
				cobra.CompDebugln(err.Error(), false)
			}
			names = append(names, found...)
		}
		names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, start) || slices.Contains(args, name) })
		slices.Sort(names)
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteOne is Complete for a command that takes one argument.
func (a *App) CompleteOne(kinds ...schema.GroupVersionKind) cobra.CompletionFunc {
	complete := a.Complete(kinds...)
	return func(cmd *cobra.Command, args []string, start string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, start)
	}
}

// names reads only the metadata: clusters are large.
func (a *App) names(ctx context.Context, kind schema.GroupVersionKind) ([]cobra.Completion, error) {
	c, err := a.Connect()
	if err != nil {
		return nil, err
	}
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := c.List(ctx, &list); err != nil {
		return nil, ReadError(kind.Kind, err)
	}
	names := make([]cobra.Completion, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	return names, nil
}
