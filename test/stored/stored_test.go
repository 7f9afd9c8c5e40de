// Package stored holds that whatever a real API server has stored can be read.
package stored

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/loose"
)

// tries is how many objects of each kind are written to each server, and leastStored how many of them it has to take for the test to mean
// something.
const (
	tries       = 150
	leastStored = 80
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

func TestWhatTheDefinitionsTakeIsReadable(t *testing.T) {
	c := start(t, 1, func(*apiextensionsv1.CustomResourceDefinition) {})
	for name, unreadable := range c.check(t) {
		if len(unreadable) > 0 {
			t.Errorf("%s was accepted and cannot be read: %s", name, decode.List(unreadable))
		}
	}
}

func TestWhatEarlierDefinitionsTookHidesNothing(t *testing.T) {
	c := start(t, 2, func(d *apiextensionsv1.CustomResourceDefinition) { loose.Loosen(loose.Schema(d)) })
	c.requireSome(t, c.check(t))
}

func TestFieldsOfOtherTypesHideNothing(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(3, 3))}
	c := start(t, 3, func(d *apiextensionsv1.CustomResourceDefinition) {
		loose.Loosen(loose.Schema(d))
		g.confuse(loose.Schema(d), "", nil)
	})
	c.requireSome(t, c.check(t))
}

// cluster is an API server, and what was written to it.
type cluster struct {
	generator
	config *rest.Config
	raw    *rest.RESTClient
	scheme *runtime.Scheme
	stored map[string]int
}

// start runs an API server with definitions that were changed, and fills it.
func start(t *testing.T, seed uint64, change func(*apiextensionsv1.CustomResourceDefinition)) *cluster {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver")
	}
	definitions, err := loose.Definitions(filepath.Join("..", "..", "config", "crd", "bases"))
	if err != nil {
		t.Fatal(err)
	}
	for _, definition := range definitions {
		change(definition)
	}
	env := &envtest.Environment{CRDs: definitions, CRDInstallOptions: envtest.CRDInstallOptions{MaxTime: await.Limit}}
	env.ControlPlaneStartTimeout, env.ControlPlaneStopTimeout = await.Limit, await.Limit
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := &cluster{generator: generator{rand.New(rand.NewPCG(seed, 0))}, scheme: runtime.NewScheme(), stored: map[string]int{}}
	c.config = rest.CopyConfig(config)
	c.config.QPS = -1
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(c.scheme); err != nil {
			t.Fatal(err)
		}
	}
	c.raw = c.rawClient(t)
	for _, definition := range definitions {
		c.fill(t, definition)
	}
	return c
}

// rawClient sends bytes as they are.
func (c *cluster) rawClient(t *testing.T) *rest.RESTClient {
	t.Helper()
	config := rest.CopyConfig(c.config)
	config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(c.scheme).WithoutConversion()
	raw, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// fill writes random objects of a kind. Those that the server refuses are left out.
func (c *cluster) fill(t *testing.T, definition *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	schema, plural := loose.Schema(definition), definition.Spec.Names.Plural
	for i := range tries {
		name := fmt.Sprintf("fuzz-%d", i)
		spec := map[string]any{"nodes": "All"}
		if plural == "nodereboots" {
			spec = map[string]any{"nodeName": fmt.Sprintf("node-%d", i)}
		}
		object := map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(), "kind": definition.Spec.Names.Kind,
			"metadata": map[string]any{"name": name}, "spec": spec,
		}
		if i%2 == 0 { // for the others it is the status that is random
			for field, value := range c.some(schema.Properties["spec"]) {
				spec[field] = value
			}
		}
		if err := c.raw.Post().Resource(plural).Body(encode(t, object)).Do(t.Context()).Error(); err != nil {
			requireRefused(t, err)
			continue
		}
		c.stored[definition.Spec.Names.Kind]++
		for range 3 {
			status := encode(t, map[string]any{"status": c.some(schema.Properties["status"])})
			err := c.raw.Patch(types.MergePatchType).Resource(plural).Name(name).SubResource("status").Body(status).Do(t.Context()).Error()
			requireRefused(t, err)
		}
	}
	if got := c.stored[definition.Spec.Names.Kind]; got < leastStored {
		t.Fatalf("only %d of %d %s were accepted", got, tries, plural)
	}
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// requireRefused: the server takes it, or says what is wrong with it.
func requireRefused(t *testing.T, err error) {
	t.Helper()
	if err != nil && !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Fatal(err)
	}
}

// check reads all objects as the manager does, and returns what of each cannot be read. A running cache and a new one know the same.
func (c *cluster) check(t *testing.T) map[string][]decode.Problem {
	t.Helper()
	first := c.cache(t)
	found := c.list(t, first)
	live, err := client.New(c.config, client.Options{Scheme: c.scheme})
	if err != nil {
		t.Fatal(err)
	}
	c.patchAll(t, live, first)
	if again := c.list(t, c.cache(t)); len(again) != len(found) {
		t.Errorf("a cache that begins knows %d objects, want %d", len(again), len(found))
	}
	return found
}

// cache is that of a manager.
func (c *cluster) cache(t *testing.T) cache.Cache {
	t.Helper()
	options := controllers.CacheOptions("operator")
	options.Scheme = c.scheme
	made, err := cache.New(c.config, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- made.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	if !made.WaitForCacheSync(t.Context()) {
		t.Fatal("the cache does not start")
	}
	return made
}

func (c *cluster) list(t *testing.T, from client.Reader) map[string][]decode.Problem {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	found := map[string][]decode.Problem{}
	var reboots v1alpha1.NodeRebootList
	var policies v1alpha1.RebootPolicyList
	if err := from.List(ctx, &reboots); err != nil {
		t.Fatalf("list NodeReboots: %v", err)
	}
	if err := from.List(ctx, &policies); err != nil {
		t.Fatalf("list RebootPolicies: %v", err)
	}
	for i := range reboots.Items {
		found["NodeReboot "+reboots.Items[i].Name] = reboots.Items[i].Unreadable
		if reboots.Items[i].UID == "" || reboots.Items[i].Spec.NodeName == "" {
			t.Errorf("NodeReboot %s has no UID or no node", reboots.Items[i].Name)
		}
	}
	for i := range policies.Items {
		found["RebootPolicy "+policies.Items[i].Name] = policies.Items[i].Unreadable
	}
	if len(reboots.Items) != c.stored["NodeReboot"] || len(policies.Items) != c.stored["RebootPolicy"] {
		t.Errorf("%d NodeReboots and %d RebootPolicies are listed, and %v are stored", len(reboots.Items), len(policies.Items), c.stored)
	}
	return found
}

// patchAll changes every object; the answer of the server is decoded, and the watch sees it.
func (c *cluster) patchAll(t *testing.T, live client.Client, watching client.Reader) {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"example.com/seen":"yes"}}}`))
	var reboots v1alpha1.NodeRebootList
	if err := live.List(t.Context(), &reboots); err != nil {
		t.Fatal(err)
	}
	for i := range reboots.Items {
		reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: reboots.Items[i].Name}}
		err := live.Patch(t.Context(), reboot, patch)
		if err == nil {
			err = live.Get(t.Context(), client.ObjectKeyFromObject(reboot), reboot)
		}
		if err != nil {
			t.Errorf("patch and read NodeReboot %s: %v", reboots.Items[i].Name, err)
		}
	}
	await.True(t, "the watch to bring every change", func() bool {
		if err := watching.List(t.Context(), &reboots); err != nil {
			t.Fatal(err)
		}
		for i := range reboots.Items {
			if reboots.Items[i].Annotations["example.com/seen"] == "" {
				return false
			}
		}
		return true
	})
}

// requireSome: the test means something only if there is what cannot be read.
func (c *cluster) requireSome(t *testing.T, found map[string][]decode.Problem) {
	t.Helper()
	count := 0
	for _, unreadable := range found {
		if len(unreadable) > 0 {
			count++
		}
	}
	t.Logf("of %v stored objects %d cannot be read", c.stored, count)
	if count < 20 {
		t.Errorf("only %d of %d objects cannot be read", count, len(found))
	}
}
