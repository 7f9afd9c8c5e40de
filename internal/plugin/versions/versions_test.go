package versions_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/internal/plugin/versions"
)

func manager(image string, labels map[string]string) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "m", Labels: map[string]string{
		"app.kubernetes.io/name": "reboot-operator", "app.kubernetes.io/component": "manager",
	}}}
	for key, value := range labels {
		d.Labels[key] = value
	}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "side", Image: "other:v9"}, {Name: "manager", Image: image}}
	return d
}

func TestTheVersionOfTheManagerIsThatOfItsImage(t *testing.T) {
	t.Parallel()
	release := map[string]string{"app.kubernetes.io/version": "v0.4.0"}
	for image, want := range map[string]string{
		"ghcr.io/x/y:v0.3.0": "v0.3.0", "localhost:5000/x": "v0.4.0", "localhost:5000/x:v1.0.0@sha256:00": "v1.0.0", "x@sha256:00": "v0.4.0",
	} {
		code, out, _ := plugintest.New(t, 0, manager(image, release)).Run(plugin.Run, "version", "-o", "json")
		var got versions.Versions
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != app.ExitOK {
			t.Fatalf("%d: %v: %s", code, err, out)
		}
		if diff := cmp.Diff([]versions.Manager{{Namespace: "ops", Name: "m", Version: want, Image: image}}, got.Managers); diff != "" {
			t.Errorf("%s: %s", image, diff)
		}
		if got.Plugin.Version == "" || len(got.Kinds) != 2 || got.Kinds[0].Versions[0] != "v1alpha1" {
			t.Errorf("%s", out)
		}
	}
}

func TestAManagerOfAnotherVersionIsSaid(t *testing.T) {
	t.Parallel()
	_, out, _ := plugintest.New(t, 0, manager("x:v0.0.1", nil)).Run(plugin.Run, "version")
	for _, want := range []string{"manager  v0.0.1  (ops/m, x:v0.0.1)\n", "differs from the plugin's version\n", "NodeReboot  v1alpha1\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestWhatCannotBeFoundOutIsSaidAndNoError(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, "", errors.New("no"))
	for name, test := range map[string]struct {
		connect func(c client.WithWatch) (client.WithWatch, error)
		args    []string
		want    string
	}{
		"no cluster": {func(client.WithWatch) (client.WithWatch, error) { return nil, errors.New("no\ncluster") }, nil, "not known: the cluster: no cluster\n"},
		"no manager": {func(c client.WithWatch) (client.WithWatch, error) { return c, nil }, nil, "not known: the manager: there is no Deployment"},
		"no rights": {func(c client.WithWatch) (client.WithWatch, error) {
			return interceptor.NewClient(c, interceptor.Funcs{
				List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
					return forbidden
				},
			}), nil
		}, nil, "not known: the manager: you may not read Deployments"},
		"not asked": {func(client.WithWatch) (client.WithWatch, error) { return nil, errors.New("asked") }, []string{"--client"}, ""},
	} {
		terminal := plugintest.New(t, 0)
		terminal.Connect = func() (client.WithWatch, error) { return test.connect(terminal.Client) }
		code, out, errOut := terminal.Run(plugin.Run, append([]string{"version"}, test.args...)...)
		if code != app.ExitOK || errOut != "" || !strings.Contains(out, test.want) || test.want == "" && strings.Contains(out, "asked") {
			t.Errorf("%s ended with %d: %s%s", name, code, out, errOut)
		}
	}
}
