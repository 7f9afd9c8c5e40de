// Command recording records the kubectl plugin in a terminal while a rollout runs on the testbed. It writes an asciicast, which the site
// plays, and an animated SVG, which GitHub shows. It is what "make recording" runs, and needs tmux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	columns = 80
	lines   = 24
	title   = "kubectl reboots: a rollout on nine nodes"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	cast := flag.String("cast", "hack/site/public/rollout.cast", "file for the asciicast")
	svg := flag.String("svg", "docs/images/rollout.svg", "file for the animated SVG")
	flag.Parse()
	if _, err := exec.LookPath("tmux"); err != nil {
		return errors.New("tmux is not installed; on Debian: apt-get install tmux")
	}
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	cluster, err := testbed.Start(ctx, testbed.Options{Log: logr.Discard()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	programs, err := prepare(ctx, cluster)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(programs, "policy.yaml"), []byte(policy), 0o600); err != nil {
		return fmt.Errorf("write the policy: %w", err)
	}
	shell, err := open(ctx, programs, map[string]string{
		"KUBECONFIG": cluster.Kubeconfig(), "PATH": programs + ":" + os.Getenv("PATH"), "LANG": "C.UTF-8", "TZ": "UTC",
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shell.close()) }()
	frames, err := shell.record(ctx, func() error { return play(ctx, shell) })
	if err != nil {
		return err
	}
	if err := os.WriteFile(*cast, writeCast(frames), 0o644); err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	if err := os.WriteFile(*svg, writeSVG(frames), 0o644); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	return nil
}

// policy is what is planned, and then applied.
const policy = `apiVersion: reboot-operator.io/v1alpha1
kind: RebootPolicy
metadata: {name: linux}
spec:
  nodes: All
  rollout: {maxUnavailable: 2, minIntervalSeconds: 0}
  drain: {timeoutSeconds: 60}
`

// prepare brings the cluster to where all nodes need a reboot and none may start. It returns the folder of kubectl and its plugin.
func prepare(ctx context.Context, cluster *testbed.Cluster) (string, error) {
	if err := cluster.Install(ctx); err != nil {
		return "", err
	}
	if _, err := cluster.StartManager(ctx, testbed.ManagerOptions{}); err != nil {
		return "", err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, node := range testbed.Fleet(9, 3, 0) {
		node.RebootDuration = 3 * time.Second
		group.Go(func() error {
			_, err := cluster.AddNode(groupCtx, node)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	for _, app := range []testbed.App{
		{Name: "shop", Replicas: 6, ReadyAfter: 3 * time.Second, TerminateAfter: time.Second, SpreadZones: true, MaxUnavailable: ptr.To(1)},
		{Name: "database", Kind: testbed.StatefulSet, Replicas: 3, ReadyAfter: 4 * time.Second, AntiAffinity: true, MaxUnavailable: ptr.To(1)},
	} {
		if err := cluster.CreateApp(ctx, app); err != nil {
			return "", err
		}
	}
	programs, err := cluster.Programs(ctx)
	if err != nil {
		return "", err
	}
	kubectl := func(input string, args ...string) error { return command(ctx, cluster, programs, input, args...) }
	if err := kubectl("", "wait", "pods", "--all", "--for=condition=Ready", "--timeout=2m"); err != nil {
		return "", err
	}
	// A rollout that nobody sees: forecasts of the next one know how long things take here.
	if err := kubectl(policy, "apply", "-f", "-"); err != nil {
		return "", err
	}
	if err := ask(ctx, cluster, v1alpha1.PhaseSucceeded); err != nil {
		return "", err
	}
	if err := kubectl("", "delete", "rebootpolicy", "linux"); err != nil {
		return "", err
	}
	return programs, ask(ctx, cluster, v1alpha1.PhasePending)
}

// ask lets every host ask for a reboot, and waits until a NodeReboot of each is in a phase.
func ask(ctx context.Context, cluster *testbed.Cluster, phase v1alpha1.Phase) error {
	for _, host := range cluster.Hosts() {
		host.RequireReboot()
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var reboots v1alpha1.NodeRebootList
		if err := cluster.Client().List(ctx, &reboots); err != nil {
			return fmt.Errorf("wait until every NodeReboot is %s: %w", phase, err)
		}
		nodes := map[string]bool{}
		for _, reboot := range reboots.Items {
			if reboot.Status.Phase == phase {
				nodes[reboot.Spec.NodeName] = true
			}
		}
		if len(nodes) == len(cluster.Hosts()) {
			return nil
		}
		pause(ctx, sampled)
	}
}

// play is what is typed, and what has to be on the screen before the next line is.
func play(ctx context.Context, shell *terminal) error {
	watch := "kubectl reboots status --watch"
	steps := []func() error{
		func() error { return shell.line(ctx, "kubectl reboots plan -f policy.yaml", "$ ", 7*time.Second) },
		func() error { return shell.line(ctx, "clear", "$ ", 0) },
		func() error { return shell.line(ctx, "kubectl apply -f policy.yaml", "$ ", time.Second) },
		func() error { return shell.line(ctx, watch, "2/9 done", 0) },
		func() error { return shell.key(ctx, "q", "$ ", 500*time.Millisecond) },
		func() error { return shell.line(ctx, "clear", "$ ", 0) },
		func() error { return shell.line(ctx, "kubectl reboots why worker-c1", "$ ", 6*time.Second) },
		func() error { return shell.line(ctx, watch, "9/9 done", 4*time.Second) },
		func() error { return shell.key(ctx, "q", "$ ", time.Second) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// command runs kubectl of the testbed, with its plugin.
func command(ctx context.Context, cluster *testbed.Cluster, programs, input string, args ...string) error {
	kubectl := exec.CommandContext(ctx, cluster.Kubectl(), args...)
	kubectl.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig(), "PATH="+programs+":"+os.Getenv("PATH"))
	if input != "" {
		kubectl.Stdin = strings.NewReader(input)
	}
	if out, err := kubectl.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %v: %w: %s", args, err, out)
	}
	return nil
}
