// Package e2e runs the operator as a whole on a real control plane with simulated nodes: the real manager as a process of its own, the
// real helper code with the identity of its own pod, and what config/ installs in force.
package e2e

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

var (
	// ctx ends with the story.
	ctx     context.Context
	cluster *testbed.Cluster
	manager *testbed.Manager
)

// waitLimit is how long anything may take that happens without the test. It is not a measure of speed: the machine may be busy with other
// work.
const waitLimit = 3 * time.Minute

// storyLimit is how long a whole story may take, with everything that it waits for.
const storyLimit = 15 * time.Minute

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "End to end")
}

var _ = BeforeSuite(func() {
	// How long something takes is judged where it is promised, by limits that know how slow the cluster is; see measureLag.
	SetDefaultEventuallyTimeout(waitLimit)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	log.SetLogger(logr.Discard())
	var cancel context.CancelFunc
	ctx, cancel = context.WithCancel(context.Background())
	DeferCleanup(cancel)

	var err error
	cluster, err = testbed.Start(ctx, testbed.Options{Log: zap.New(zap.WriteTo(GinkgoWriter))})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(cluster.Stop)
	Expect(cluster.Install(ctx)).To(Succeed())
	startManager()
})

var _ = BeforeEach(func() {
	suite := ctx
	var cancel context.CancelFunc
	ctx, cancel = context.WithTimeout(suite, storyLimit)
	DeferCleanup(func() {
		cancel()
		ctx = suite
	})
})

// startManager starts the manager that all stories share. It elects no leader: the lease of one that was killed would have to run out. It
// may ask servers of stories.
func startManager() {
	GinkgoHelper()
	var err error
	args := []string{"--leader-elect=false", "--gate-allowed-cidrs=127.0.0.0/8", "--notify-allowed-cidrs=127.0.0.0/8"}
	manager, err = cluster.StartManager(ctx, testbed.ManagerOptions{Args: args})
	Expect(err).NotTo(HaveOccurred())
}

// What the manager said is worth reading when a story fails.
var _ = JustAfterEach(func() {
	if CurrentSpecReport().Failed() && manager != nil {
		log, err := os.ReadFile(manager.LogPath())
		Expect(err).NotTo(HaveOccurred())
		AddReportEntry("manager log", string(log[max(0, len(log)-20_000):]))
	}
})
