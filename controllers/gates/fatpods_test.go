package gates

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/controllers/gates/placement"
	"github.com/reboot-operator/reboot-operator/internal/podstream"
	"github.com/reboot-operator/reboot-operator/test/fatpods"
)

// A page of pods is of any size, and so is a stream: anyone who may create pods gives each a megabyte.
func TestAWatchOfFatPodsHoldsOneOfThemAtATime(t *testing.T) {
	const limit = 20 // MiB
	for name, streams := range map[string]bool{"streamed": true, "in pages": false} {
		t.Run(name, func(t *testing.T) {
			server := &fatpods.Server{Streams: streams}
			core, err := typedcorev1.NewForConfig(server.Start(t))
			if err != nil {
				t.Fatal(err)
			}
			peak := fatpods.NewPeak()
			w := &roomWatch{
				annotations: sets.New[string](), clock: clock.RealClock{}, stopped: t.Context().Done(), cluster: placement.NewCluster(),
				problems: map[string]problem{}, news: make(chan struct{}),
			}
			options := Options{Core: core, ListPods: podstream.Of(core.RESTClient())}
			seen := 0
			w.watchPods(t.Context(), options, func(pod *corev1.Pod) *placement.Pod {
				seen++
				kept := placement.NewPod(pod, nil)
				peak.Measure()
				return kept
			})
			if err := w.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d pods, %d MiB, %d lists, %d streams", seen, peak.MiB(), server.Listed.Load(), server.Streamed.Load())
			if seen != fatpods.Pods || (server.Streamed.Load() > 0) != streams || (server.Listed.Load() > 0) == streams {
				t.Errorf("%d pods, %d lists, %d streams", seen, server.Listed.Load(), server.Streamed.Load())
			}
			if peak.MiB() > limit {
				t.Errorf("a look at them takes %d MiB, want at most %d", peak.MiB(), limit)
			}
		})
	}
}

// Pages are read one after the other, with what is kept of each, and the version of the last.
func TestPagesAreReadToTheEnd(t *testing.T) {
	var asked []string
	read := listed(pagesOf(map[string]*corev1.NodeList{
		"":  {ListMeta: metav1.ListMeta{ResourceVersion: "7", Continue: "x"}, Items: []corev1.Node{*roomNode("a", "1", "1Gi"), *roomNode("b", "1", "1Gi")}},
		"x": {ListMeta: metav1.ListMeta{ResourceVersion: "7"}, Items: []corev1.Node{*roomNode("c", "1", "1Gi")}},
	}, &asked), func(l *corev1.NodeList) []corev1.Node { return l.Items }, placement.NewNode)
	list, err := read.pages(t.Context())
	if err != nil || len(list.Items) != 3 || list.ResourceVersion != "7" || len(asked) != 2 {
		t.Errorf("got %+v, error %v, asked %v", list, err, asked)
	}
}

// pagesOf lists pages by their continue token.
func pagesOf(pages map[string]*corev1.NodeList, asked *[]string) func(context.Context, metav1.ListOptions) (*corev1.NodeList, error) {
	return func(_ context.Context, options metav1.ListOptions) (*corev1.NodeList, error) {
		*asked = append(*asked, options.Continue)
		if options.Limit != pageSize {
			return nil, errors.New("there is no limit")
		}
		return pages[options.Continue], nil
	}
}
