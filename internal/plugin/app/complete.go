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

// Complete completes the arguments of a command by the names of objects in the cluster, of one kind or of several: alone, and after
// their kind, as in node/NAME. Objects that are on the command line are not offered again. Where the cluster cannot be reached nothing is
// offered: a shell can show no error.
func (a *App) Complete(kinds ...schema.GroupVersionKind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, start string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		typed, prefix := ParseName(start), start[:strings.LastIndex(start, "/")+1]
		var names []cobra.Completion
		for _, kind := range kinds {
			if prefix == "" || typed.Kind == kind {
				names = append(names, a.offer(ctx, kind, prefix, typed.Name, args)...)
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
		if len(names) == 0 && prefix == "" && start != "" {
			return kindsThat(kinds, start), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// kindsThat begin as typed, with their slash. They are offered when no name alone begins so.
func kindsThat(kinds []schema.GroupVersionKind, start string) []cobra.Completion {
	var words []cobra.Completion
	for _, kind := range kinds {
		if word := KindWord(kind) + "/"; strings.HasPrefix(word, start) {
			words = append(words, word)
		}
	}
	return words
}

// CompleteNames completes the arguments of a command that takes names alone, of one kind.
func (a *App) CompleteNames(kind schema.GroupVersionKind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, start string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		names := a.offer(ctx, kind, "", start, args)
		slices.Sort(names)
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// offer the names of a kind that begin with start and are not in args, after a prefix.
func (a *App) offer(ctx context.Context, kind schema.GroupVersionKind, prefix, start string, args []string) []cobra.Completion {
	names, err := a.names(ctx, kind)
	if err != nil {
		cobra.CompDebugln(err.Error(), false)
	}
	var offered []cobra.Completion
	for _, name := range names {
		isThere := slices.ContainsFunc(args, func(arg string) bool {
			named := ParseName(arg)
			return named.Name == name && (named.Kind == kind || named.Kind.Empty())
		})
		if strings.HasPrefix(name, start) && !isThere {
			offered = append(offered, prefix+name)
		}
	}
	return offered
}

// names reads only the metadata: clusters are large.
func (a *App) names(ctx context.Context, kind schema.GroupVersionKind) ([]string, error) {
	c, err := a.Connect()
	if err != nil {
		return nil, err
	}
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := c.List(ctx, &list); err != nil {
		return nil, ReadError(kind.Kind, err)
	}
	names := make([]string, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	return names, nil
}
