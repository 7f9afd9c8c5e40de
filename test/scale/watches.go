package scale

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// changes is how many events the watches are measured with.
	changes = 200
	// eventsPause is how long events that were made may still be on their way to the watches.
	eventsPause = 2 * time.Second
)

// watches opens the watch of many helpers, and measures what that, and what events cost the API server.
func (r *run) watches(ctx context.Context) error {
	if r.options.Watches == 0 {
		return nil
	}
	server := r.cluster.APIServerPID()
	without, err := r.spent(server, func() error { return r.change(ctx) })
	if err != nil {
		return err
	}
	ctx, closeAll := context.WithCancel(ctx)
	defer closeAll()
	opened, err := r.spent(server, func() error { return r.open(ctx) })
	if err != nil {
		return err
	}
	r.result.OpenWatch = opened / time.Duration(r.options.Watches)
	with, err := r.spent(server, func() error { return r.change(ctx) })
	r.result.Event = max(0, with-without) / time.Duration(changes*r.options.Watches)
	return err
}

// spent is the CPU time that a process uses while something is done.
func (r *run) spent(pid int, do func() error) (time.Duration, error) {
	before, err := cpu(pid)
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := cpu(pid)
	return after - before, err
}

// change makes events of one NodeReboot.
func (r *run) change(ctx context.Context) error {
	for i := range changes {
		object := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: needName(0)}}
		patch := fmt.Sprintf(`{"metadata":{"labels":{"example.com/change":"%d-%d"}}}`, time.Now().UnixNano(), i)
		if err := r.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			return err
		}
	}
	return sleep(ctx, eventsPause)
}

// open opens the watches as the helpers do, and returns when each knows its node's NodeReboots.
func (r *run) open(ctx context.Context) error {
	reboots, err := rebootREST(r.cluster.Config())
	if err != nil {
		return err
	}
	var group errgroup.Group
	for i := range r.options.Watches {
		selector := fields.OneTermEqualSelector("spec.nodeName", nodeName(i%r.options.Nodes))
		source := toolscache.NewListWatchFromClient(reboots, "nodereboots", metav1.NamespaceNone, selector)
		store := toolscache.NewStore(toolscache.MetaNamespaceKeyFunc)
		reflector := toolscache.NewReflectorWithOptions(source, &v1alpha1.NodeReboot{}, store, toolscache.ReflectorOptions{})
		go reflector.RunWithContext(ctx)
		group.Go(func() error {
			for reflector.LastSyncResourceVersion() == "" {
				if err := sleep(ctx, lookInterval); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func rebootREST(config *rest.Config) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, v1alpha1.GroupVersion)
	config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
	config.ContentType, config.NegotiatedSerializer = runtime.ContentTypeJSON, serializer.NewCodecFactory(scheme).WithoutConversion()
	return rest.RESTClientFor(config)
}
