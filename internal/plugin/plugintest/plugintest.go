// Package plugintest runs commands of the plugin against objects in memory.
package plugintest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/test/copies"
)

// Now is what the clock shows.
var Now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// Terminal is an App whose output is kept.
type Terminal struct {
	*app.App
	// Client is the cluster.
	Client   client.WithWatch
	Out, Err *bytes.Buffer
}

// New is an App for a cluster that holds the objects. Columns is the width of the terminal; zero means none.
func New(t *testing.T, columns int, objects ...client.Object) *Terminal {
	t.Helper()
	scheme, err := app.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{v1alpha1.GroupVersion})
	mapper.Add(app.PolicyKind, meta.RESTScopeRoot)
	mapper.Add(app.RebootKind, meta.RESTScopeRoot)
	c := fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithObjects(copies.Of(objects)...).
		WithStatusSubresource(&v1alpha1.NodeReboot{}, &v1alpha1.RebootPolicy{}).
		WithIndex(&v1alpha1.NodeReboot{}, "spec.nodeName", func(o client.Object) []string { // a selectable field of the kind
			reboot, _ := o.(*v1alpha1.NodeReboot)
			return []string{reboot.Spec.NodeName}
		}).Build()
	out, errOut := &bytes.Buffer{}, &bytes.Buffer{}
	a := &app.App{
		IOStreams: genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: out, ErrOut: errOut},
		Config:    genericclioptions.NewConfigFlags(false), Clock: clocktesting.NewFakePassiveClock(Now), Zone: time.UTC,
		Connect: func() (client.WithWatch, error) { return c, nil },
		Size:    func() (int, int) { return columns, 24 },
	}
	return &Terminal{App: a, Client: c, Out: out, Err: errOut}
}

// Run executes a command line by a function such as plugin.Run, and returns its exit code and what it wrote.
func (t *Terminal) Run(run func(context.Context, *app.App, []string) int, args ...string) (code int, out, errOut string) {
	t.Out.Reset()
	t.Err.Reset()
	code = run(context.Background(), t.App, args)
	return code, t.Out.String(), t.Err.String()
}
