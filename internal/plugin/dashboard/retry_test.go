package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// scripted is an API server that answers as a test says. Only Nodes are of interest: of other kinds there are none.
type scripted struct {
	client.WithWatch
	mu sync.Mutex
	// list and watch answer the requests about Nodes; nil is that there are none, and that nothing happens to them.
	list  func(options *client.ListOptions, list *corev1.NodeList) error
	watch func(version string) (watch.Interface, error)
	// asked is what was asked for: "list", or "watch" and from which version on, after how many seconds.
	asked []string
	began time.Time
}

func (s *scripted) ask(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf("%s after %gs", what, time.Since(s.began).Seconds()))
}

func (s *scripted) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	list.SetResourceVersion("10")
	nodes, is := list.(*corev1.NodeList)
	if !is {
		return nil
	}
	s.ask("list")
	if s.list == nil {
		return nil
	}
	var all client.ListOptions
	return s.list(all.ApplyOptions(options), nodes)
}

func (s *scripted) Watch(_ context.Context, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	if _, is := list.(*corev1.NodeList); !is {
		return watch.NewFakeWithChanSize(1, false), nil
	}
	var all client.ListOptions
	raw := all.ApplyOptions(options).Raw
	s.ask("watch from " + raw.ResourceVersion)
	if !raw.AllowWatchBookmarks {
		return nil, errors.New("bookmarks are not asked for")
	}
	if s.watch == nil {
		return watch.NewFakeWithChanSize(1, false), nil
	}
	return s.watch(raw.ResourceVersion)
}

// follows runs a watcher of a scripted API server for some time, and returns it and what it asked for.
func follows(t *testing.T, s *scripted, d time.Duration) (*watcher, []string) {
	t.Helper()
	s.began = time.Now()
	w := newWatcher(s, clock.RealClock{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.run(ctx) }()
	time.Sleep(d)
	synctest.Wait()
	cancel()
	<-done
	return w, s.asked
}

// sends is a watch with these events, which ends after them.
func sends(events ...watch.Event) *watch.FakeWatcher {
	w := watch.NewFakeWithChanSize(len(events)+1, false)
	for _, e := range events {
		w.Action(e.Type, e.Object)
	}
	return w
}

func named(name, version string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}}
}

func refusal(err apierrors.APIStatus) watch.Event {
	status := err.Status()
	return watch.Event{Type: watch.Error, Object: &status}
}

// gone is how older API servers say that a version has expired.
var gone = &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusGone, Reason: metav1.StatusReasonGone}}

func TestAnAPIServerIsAskedAgainAfterAWhile(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", errors.New("no"))
	once := func(events ...watch.Event) func(string) (watch.Interface, error) {
		first := true
		return func(string) (watch.Interface, error) {
			if !first {
				return watch.NewFakeWithChanSize(1, false), nil
			}
			first = false
			return sends(events...), nil
		}
	}
	for name, c := range map[string]struct {
		server *scripted
		want   []string
		live   bool
		why    string
	}{
		"it works": {&scripted{}, []string{"list after 0s", "watch from 10 after 0s"}, true, ""},
		"it cannot be reached": {&scripted{list: func(*client.ListOptions, *corev1.NodeList) error { return errors.New("refused") }}, []string{
			"list after 0s", "list after 0.5s", "list after 1.5s", "list after 3.5s", "list after 7.5s", "list after 15.5s", "list after 25.5s",
			"list after 35.5s",
		}, false, "read Nodes: refused"},
		"it refuses": {&scripted{list: func(*client.ListOptions, *corev1.NodeList) error { return forbidden }},
			[]string{"list after 0s", "list after 30s"}, true, ""},
		"it does not watch": {&scripted{watch: func(string) (watch.Interface, error) { return nil, errors.New("refused") }}, []string{
			"list after 0s", "watch from 10 after 0s", "list after 0.5s", "watch from 10 after 0.5s", "list after 1.5s", "watch from 10 after 1.5s",
			"list after 3.5s", "watch from 10 after 3.5s", "list after 7.5s", "watch from 10 after 7.5s", "list after 15.5s",
			"watch from 10 after 15.5s", "list after 25.5s", "watch from 10 after 25.5s", "list after 35.5s", "watch from 10 after 35.5s",
		}, false, "read Nodes: refused"},
		"it ends the watch at once": {&scripted{watch: func(string) (watch.Interface, error) {
			w := sends()
			w.Stop()
			return w, nil
		}}, []string{
			"list after 0s", "watch from 10 after 0s", "list after 0.5s", "watch from 10 after 0.5s", "list after 1.5s", "watch from 10 after 1.5s",
			"list after 3.5s", "watch from 10 after 3.5s", "list after 7.5s", "watch from 10 after 7.5s", "list after 15.5s",
			"watch from 10 after 15.5s", "list after 25.5s", "watch from 10 after 25.5s", "list after 35.5s", "watch from 10 after 35.5s",
		}, false, "the API server ended the watch at once"},
		"it ends the watch after a while": {&scripted{watch: func(string) (watch.Interface, error) {
			w := sends()
			time.AfterFunc(16*time.Second, w.Stop)
			return w, nil
		}}, []string{"list after 0s", "watch from 10 after 0s", "watch from 10 after 16s", "watch from 10 after 32s"}, true, ""},
		"it ends the watch as soon as that counts": {&scripted{watch: func(version string) (watch.Interface, error) {
			if version == "11" {
				return watch.NewFakeWithChanSize(1, false), nil
			}
			w := sends(watch.Event{Type: watch.Bookmark, Object: named("", "11")})
			time.AfterFunc(firstRetry, w.Stop)
			return w, nil
		}}, []string{"list after 0s", "watch from 10 after 0s", "watch from 11 after 0.5s"}, true, ""},
		"it forgot what happened since": {&scripted{watch: once(refusal(apierrors.NewResourceExpired("too old")))},
			[]string{"list after 0s", "watch from 10 after 0s", "list after 0s", "watch from 10 after 0s"}, true, ""},
		"it forgot, in other words": {&scripted{watch: once(refusal(gone))},
			[]string{"list after 0s", "watch from 10 after 0s", "list after 0s", "watch from 10 after 0s"}, true, ""},
		"it sends something else": {&scripted{watch: once(watch.Event{Type: watch.Added, Object: &metav1.Status{}})},
			[]string{"list after 0s", "watch from 10 after 0s", "list after 0.5s", "watch from 10 after 0.5s"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, asked := follows(t, c.server, 40*time.Second)
				if diff := cmp.Diff(c.want, asked); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if state := w.state(); state.Live != c.live || !strings.Contains(state.Why, c.why) {
					t.Errorf("it is %+v", state)
				}
			})
		})
	}
}

func TestAWatchThatCannotBeGivenIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, expired := range map[string]error{"expired": apierrors.NewResourceExpired("too old"), "gone": gone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				first := true
				s := &scripted{watch: func(string) (watch.Interface, error) {
					if first {
						first = false
						return nil, expired
					}
					return sends(), nil
				}}
				want := []string{"list after 0s", "watch from 10 after 0s", "list after 0s", "watch from 10 after 0s"}
				if w, asked := follows(t, s, time.Minute); !slices.Equal(asked, want) || !w.state().Live {
					t.Errorf("it asks for %q", asked)
				}
			})
		})
	}
}

func TestAfterALongWatchItIsAskedAgainSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, lists := &scripted{}, 0
		s.list = func(*client.ListOptions, *corev1.NodeList) error {
			if lists++; lists < 4 {
				return errors.New("refused")
			}
			return nil
		}
		s.watch = func(string) (watch.Interface, error) {
			w := sends()
			time.AfterFunc(lastRetry+time.Second, func() { w.Action(watch.Error, &metav1.Status{}) })
			return w, nil
		}
		_, asked := follows(t, s, 16*time.Second)
		want := []string{
			"list after 0s", "list after 0.5s", "list after 1.5s", "list after 3.5s", "watch from 10 after 3.5s", "list after 15s",
			"watch from 10 after 15s",
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestEveryChangeOfAWatchIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		changed := named("b", "12")
		changed.Labels = map[string]string{"a": "b"}
		s := &scripted{
			list: func(_ *client.ListOptions, list *corev1.NodeList) error {
				list.Items = []corev1.Node{*named("c", "1"), *named("b", "2"), *named("a", "3")}
				return nil
			},
			watch: func(version string) (watch.Interface, error) {
				if version != "10" {
					return sends(), nil
				}
				w := sends(watch.Event{Type: watch.Added, Object: named("d", "11")}, watch.Event{Type: watch.Modified, Object: changed},
					watch.Event{Type: watch.Deleted, Object: named("a", "13")}, watch.Event{Type: watch.Bookmark, Object: named("", "14")})
				time.AfterFunc(time.Millisecond, w.Stop)
				return w, nil
			},
		}
		w, asked := follows(t, s, time.Second)
		if want := []string{"list after 0s", "watch from 10 after 0s", "watch from 14 after 0.001s"}; !slices.Equal(asked, want) {
			t.Errorf("it asks for %q", asked)
		}
		fleet, notes, complete := w.fleet()
		var names []string
		for i := range fleet.Nodes {
			names = append(names, fleet.Nodes[i].Name)
		}
		if !complete || notes != nil || !slices.Equal(names, []string{"b", "c", "d"}) || fleet.Nodes[0].Labels["a"] != "b" {
			t.Errorf("the nodes are %q", names)
		}
	})
}

func TestABookmarkIsNoChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher(&scripted{}, clock.RealClock{})
		w.change(w.kinds[2], watch.Bookmark, named("", "11"))
		if fleet, _, _ := w.fleet(); len(w.changed) != 0 || len(fleet.Nodes) != 0 {
			t.Errorf("there are %d changes, and the nodes are %v", len(w.changed), fleet.Nodes)
		}
	})
}

func TestALargeClusterIsReadInChunks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{list: func(options *client.ListOptions, list *corev1.NodeList) error {
			if options.Limit != chunk {
				return fmt.Errorf("asked for %d", options.Limit)
			}
			switch options.Continue {
			case "":
				list.Items, list.Continue = []corev1.Node{*named("a", "1")}, "next"
			case "next":
				list.Items, list.ResourceVersion = []corev1.Node{*named("b", "2")}, "20"
			}
			return nil
		}}
		w, asked := follows(t, s, time.Second)
		if want := []string{"list after 0s", "list after 0s", "watch from 20 after 0s"}; !slices.Equal(asked, want) {
			t.Errorf("it asks for %q", asked)
		}
		if fleet, _, _ := w.fleet(); len(fleet.Nodes) != 2 {
			t.Errorf("the nodes are %v", fleet.Nodes)
		}
	})
}

func TestWhatIsLargeAndNoPageShowsIsNotKept(t *testing.T) {
	t.Parallel()
	large := func(name string) *corev1.Node {
		n := named(name, "1")
		n.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
		n.Status.Images, n.Status.VolumesInUse = []corev1.ContainerImage{{SizeBytes: 1}}, []corev1.UniqueVolumeName{"v"}
		n.Status.VolumesAttached = []corev1.AttachedVolume{{Name: "v"}}
		n.Status.NodeInfo.KernelVersion = "6.1"
		return n
	}
	synctest.Test(t, func(t *testing.T) {
		w, _ := follows(t, &scripted{
			list: func(_ *client.ListOptions, list *corev1.NodeList) error {
				list.Items = []corev1.Node{*large("a")}
				return nil
			},
			watch: func(string) (watch.Interface, error) {
				return sends(watch.Event{Type: watch.Added, Object: large("b")}), nil
			},
		}, time.Second)
		want := []corev1.Node{*named("a", "1"), *named("b", "1")}
		for i := range want {
			want[i].Status.NodeInfo.KernelVersion = "6.1"
		}
		fleet, _, _ := w.fleet()
		if diff := cmp.Diff(want, fleet.Nodes); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAnOutageBeganWhenTheFirstKindCouldNotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher(&scripted{}, clock.RealClock{})
		began := time.Now()
		w.fail(w.kinds[1], errors.New("first"))
		time.Sleep(time.Second)
		for _, i := range []int{2, 0, 1} {
			w.fail(w.kinds[i], errors.New("later"))
		}
		if got, want := w.state(), (Server{Since: began.UnixMilli(), Why: "read NodeReboots: later"}); got != want {
			t.Errorf("it is %+v, not %+v", got, want)
		}
	})
}
