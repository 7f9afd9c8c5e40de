package crd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
	"github.com/reboot-operator/reboot-operator/internal/plugin/policyfile"
)

// The plugin fills in defaults and checks the schema without a cluster.
func TestAPolicyOfAFileIsWhatTheAPIServerMakesOfIt(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "samples", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("samples are %v: %v", files, err)
	}
	checked := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte("kind: RebootPolicy\n")) {
			continue
		}
		policies, err := policyfile.Read(bytes.NewReader(content), file)
		if err != nil {
			continue // it has objects of other kinds as well
		}
		for i := range policies {
			if err := policies[i].Err(file); err != nil {
				t.Fatal(err)
			}
			stored := object(t, string(content))
			if err := strict.Create(t.Context(), stored, client.DryRunAll); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var want v1alpha1.RebootPolicy
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Spec, policies[i].Object.Spec); diff != "" {
				t.Errorf("%s (-API server +file):\n%s", file, diff)
			}
			if diff := cmp.Diff(want.Status, policies[i].Object.Status); diff != "" {
				t.Errorf("status of %s (-API server +file):\n%s", file, diff)
			}
			checked++
		}
	}
	if checked == 0 {
		t.Error("no sample has a policy")
	}
}

func TestASnapshotOfManyPagesIsReadByKubectl(t *testing.T) {
	const nodes = 1100 // more than two pages
	group := errgroup.Group{}
	group.SetLimit(20)
	for i := range nodes {
		group.Go(func() error {
			return strict.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("page-%04d", i)}})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := strict.DeleteAllOf(context.Background(), &corev1.Node{}); err != nil {
			t.Error(err)
		}
	})
	scheme, err := app.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(restConfig, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := objects.Read(t.Context(), c, "", time.Now())
	if err != nil || len(cluster.Nodes) != nodes || len(cluster.Unknown) > 0 {
		t.Fatalf("it has %d nodes, and says %q: %v", len(cluster.Nodes), cluster.Unknown, err)
	}
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(cluster.Write(out), out.Close()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(runKubectl(t, "label", "--local", "-f", file, "a=b", "-o", "name"), "node/page-"); n != nodes {
		t.Errorf("kubectl reads %d nodes", n)
	}
}
