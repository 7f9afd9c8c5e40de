// Package versions is the command that says which versions there are: of the plugin, of the manager, and of the kinds in the cluster.
package versions

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/version"
)

// Versions are what the command found out.
type Versions struct {
	// Plugin is this program.
	Plugin Plugin `json:"plugin"`
	// Managers are the Deployments of the manager. There is one, unless the operator is installed twice.
	Managers []Manager `json:"managers,omitempty"`
	// Kinds in the cluster.
	Kinds []Kind `json:"kinds,omitempty"`
	// Unknown says what could not be found out, and why.
	Unknown []string `json:"unknown,omitempty"`
}

// Plugin is a build of the plugin.
type Plugin struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Manager is a Deployment of the manager.
type Manager struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Version is the tag of the image, or the label app.kubernetes.io/version if the image has no tag; empty if neither says.
	Version string `json:"version,omitempty"`
	Image   string `json:"image"`
}

// Kind is one of the operator's.
type Kind struct {
	Name string `json:"name"`
	// Versions that the API server serves.
	Versions []string `json:"versions"`
	// Release is the label app.kubernetes.io/version, which the Helm chart writes.
	Release string `json:"release,omitempty"`
}

// Command is "version".
func Command(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "Print the versions of the plugin, the manager and the kinds", Args: cobra.NoArgs,
		Long: `Print the versions of the plugin, the manager and the kinds in the cluster.

It is not an error if something may not be read, or does not answer; the output says so. --client contacts no cluster.`,
	}
	format := app.NewFormat(cmd, app.FormatJSON, app.FormatYAML)
	only := cmd.Flags().Bool("client", false, "Only the version of the plugin; do not contact a cluster")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		v := Versions{Plugin: Plugin{Version: version.Get(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}}
		if !*only {
			v.ask(cmd.Context(), a)
		}
		if !format.People() {
			return format.Value(a.Out, v)
		}
		_, err := fmt.Fprint(a.Out, v.text())
		return err
	}
	return cmd
}

func (v *Versions) ask(ctx context.Context, a *app.App) {
	c, err := a.Connect()
	if err != nil {
		v.Unknown = append(v.Unknown, "the cluster: "+line(err))
		return
	}
	for _, kind := range []schema.GroupVersionKind{app.RebootKind, app.PolicyKind} {
		v.askKind(ctx, c, kind)
	}
	var managers appsv1.DeploymentList
	operators := client.MatchingLabels{"app.kubernetes.io/name": "reboot-operator", v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}
	switch err := c.List(ctx, &managers, operators); {
	case err != nil:
		v.Unknown = append(v.Unknown, "the manager: "+line(app.ReadError("Deployments", err)))
	case len(managers.Items) == 0:
		v.Unknown = append(v.Unknown, "the manager: there is no Deployment with the labels of one")
	}
	for i := range managers.Items {
		v.Managers = append(v.Managers, managerOf(&managers.Items[i]))
	}
}

// askKind reads the CustomResourceDefinition. A user who may not read it learns from the API server which versions it serves.
func (v *Versions) askKind(ctx context.Context, c client.Client, kind schema.GroupVersionKind) {
	definition := &unstructured.Unstructured{}
	definition.SetAPIVersion("apiextensions.k8s.io/v1")
	definition.SetKind("CustomResourceDefinition")
	mapping, err := c.RESTMapper().RESTMapping(kind.GroupKind())
	if err != nil {
		v.Unknown = append(v.Unknown, kind.Kind+": "+line(app.ReadError("the kinds", err)))
		return
	}
	found := Kind{Name: kind.Kind, Versions: []string{mapping.GroupVersionKind.Version}}
	if c.Get(ctx, client.ObjectKey{Name: mapping.Resource.Resource + "." + kind.Group}, definition) == nil {
		found.Versions = served(definition)
		found.Release = definition.GetLabels()["app.kubernetes.io/version"]
	}
	v.Kinds = append(v.Kinds, found)
}

// served are the versions that a CustomResourceDefinition serves.
func served(definition *unstructured.Unstructured) []string {
	var names []string
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	for _, one := range versions {
		if of, is := one.(map[string]any); is && of["served"] == true {
			names = append(names, fmt.Sprint(of["name"]))
		}
	}
	return names
}

func managerOf(deployment *appsv1.Deployment) Manager {
	m := Manager{Namespace: deployment.Namespace, Name: deployment.Name}
	containers := deployment.Spec.Template.Spec.Containers
	if i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == v1alpha1.ManagerComponent }); i >= 0 {
		m.Image = containers[i].Image
	} else if len(containers) > 0 {
		m.Image = containers[0].Image
	}
	m.Version = cmp.Or(tag(m.Image), deployment.Labels["app.kubernetes.io/version"])
	return m
}

// tag of an image; empty if it has none.
func tag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	_, after, found := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	if !found {
		return ""
	}
	return after
}

func line(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// text is for people.
func (v *Versions) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n", version.Describe("kubectl-reboots"))
	for _, m := range v.Managers {
		fmt.Fprintf(&out, "manager  %s  (%s/%s, %s)\n", cmp.Or(m.Version, "version not known"), m.Namespace, m.Name, m.Image)
		if m.Version != "" && m.Version != v.Plugin.Version {
			fmt.Fprintf(&out, "         differs from the plugin's version\n")
		}
	}
	for _, k := range v.Kinds {
		fmt.Fprintf(&out, "%s  %s", k.Name, strings.Join(k.Versions, ", "))
		if k.Release != "" {
			fmt.Fprintf(&out, "  (of %s)", k.Release)
		}
		fmt.Fprintln(&out)
	}
	for _, unknown := range v.Unknown {
		fmt.Fprintf(&out, "not known: %s\n", unknown)
	}
	return out.String()
}
