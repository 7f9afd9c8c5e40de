package app_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

// server is an API server whose watches are written down: each has the events that it brings before it ends.
type server struct {
	lists   [][]string
	watches [][]watch.Event
	// versions that watches began at.
	versions []string
	failing  error
	// refuse says what a watch is refused with.
	refuse func() error
}

func (s *server) client(t *testing.T) client.WithWatch {
	return interceptor.NewClient(plugintest.New(t, 0).Client, interceptor.Funcs{
		List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, _ ...client.ListOption) error {
			if s.failing != nil {
				return s.failing
			}
			names := s.lists[0]
			s.lists = s.lists[1:]
			reboots := list.(*v1alpha1.NodeRebootList)
			for _, name := range names {
				reboots.Items = append(reboots.Items, v1alpha1.NodeReboot{ObjectMeta: named(name)})
			}
			reboots.ResourceVersion = "10"
			return nil
		},
		Watch: func(_ context.Context, _ client.WithWatch, _ client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
			applied := &client.ListOptions{}
			applied.ApplyOptions(options)
			s.versions = append(s.versions, applied.Raw.ResourceVersion)
			w := watch.NewFakeWithChanSize(10, false)
			if s.refuse != nil && s.refuse() != nil {
				return nil, s.refuse()
			}
			if len(s.watches) == 0 {
				return nil, errors.New("connection refused")
			}
			for _, event := range s.watches[0] {
				w.Action(event.Type, event.Object)
			}
			s.watches = s.watches[1:]
			w.Stop()
			return w, nil
		},
	})
}

func reboot(name, version string) *v1alpha1.NodeReboot {
	r := &v1alpha1.NodeReboot{ObjectMeta: named(name)}
	r.ResourceVersion = version
	return r
}

func TestAListIsFollowedThroughEverythingThatEndsAWatch(t *testing.T) {
	t.Parallel()
	expired := apierrors.NewResourceExpired("too old").Status()
	s := &server{
		lists: [][]string{{"a"}, {"b"}},
		watches: [][]watch.Event{
			{{Type: watch.Added, Object: reboot("c", "11")}, {Type: watch.Bookmark, Object: reboot("", "20")}},
			{}, // The API server stops.
			{{Type: watch.Deleted, Object: reboot("a", "21")}},
			{{Type: watch.Error, Object: &expired}},
		},
	}
	var seen []string
	err := app.Follow(t.Context(), s.client(t), func(change app.Change) bool {
		switch {
		case change.Reset != nil:
			seen = append(seen, "reset "+change.Reset[0].GetName())
		case change.Set != nil:
			seen = append(seen, "set "+change.Set.GetName())
		case change.Gone != nil:
			seen = append(seen, "gone "+change.Gone.GetName())
		case change.Trouble != nil:
			seen = append(seen, change.Trouble.Error())
			return true
		}
		return false
	}, &v1alpha1.NodeRebootList{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"reset a", "set c", "gone a", "reset b", "connection refused"}, seen); diff != "" {
		t.Error(diff)
	}
	if want := []string{"10", "20", "20", "21", "10"}; !slices.Equal(want, s.versions) {
		t.Errorf("watches began at %v, want %v", s.versions, want)
	}
}

func TestWhatMayNotBeReadIsNotFollowed(t *testing.T) {
	t.Parallel()
	s := &server{failing: apierrors.NewForbidden(schema.GroupResource{Resource: "nodereboots"}, "", errors.New("no"))}
	err := app.Follow(t.Context(), s.client(t), func(app.Change) bool { return false }, &v1alpha1.NodeRebootList{})
	if err == nil || !strings.Contains(err.Error(), "you may not read NodeReboots") {
		t.Errorf("it says %v", err)
	}
}

func TestWhatMayNotBeWatchedIsNotFollowed(t *testing.T) {
	t.Parallel()
	s := &server{lists: [][]string{{"a"}}, refuse: func() error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "nodereboots"}, "", errors.New("no"))
	}}
	var seen []string
	err := app.Follow(t.Context(), s.client(t), func(change app.Change) bool {
		if change.Trouble != nil {
			t.Errorf("it tries again after %v", change.Trouble)
			return true
		}
		seen = append(seen, change.Reset[0].GetName())
		return false
	}, &v1alpha1.NodeRebootList{})
	if err == nil || !strings.Contains(err.Error(), "you may not read NodeReboots") || !slices.Equal(seen, []string{"a"}) {
		t.Errorf("it saw %v and says %v", seen, err)
	}
}

func TestALoginThatIsNotRenewedEndsFollowingAfterAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{lists: [][]string{{"a"}}, refuse: func() error { return apierrors.NewUnauthorized("expired") }}
		began := time.Now()
		err := app.Follow(t.Context(), s.client(t), func(app.Change) bool { return false }, &v1alpha1.NodeRebootList{})
		if took := time.Since(began); !apierrors.IsUnauthorized(err) || took < time.Minute || took > 80*time.Second {
			t.Errorf("after %s it says %v", took, err)
		}
	})
}

func TestALoginThatIsRenewedGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &server{lists: [][]string{{"a"}}, watches: [][]watch.Event{{}, {{Type: watch.Added, Object: reboot("b", "11")}}}}
		s.refuse = func() error {
			// Twice for less than a minute, with one watch between.
			if after := time.Since(began); after < 40*time.Second || after > 50*time.Second && after < 100*time.Second {
				return apierrors.NewUnauthorized("expired")
			}
			return nil
		}
		troubles, found := 0, false
		err := app.Follow(t.Context(), s.client(t), func(change app.Change) bool {
			if change.Trouble != nil {
				troubles++
			}
			found = change.Set != nil
			return found
		}, &v1alpha1.NodeRebootList{})
		if err != nil || !found || troubles == 0 {
			t.Errorf("after %d refusals it says %v", troubles, err)
		}
	})
}

func TestFollowingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := &server{lists: [][]string{{}}}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := app.Follow(ctx, s.client(t), func(app.Change) bool { cancel(cause); return false }, &v1alpha1.NodeRebootList{})
	if !errors.Is(err, cause) {
		t.Errorf("it says %v", err)
	}
}
