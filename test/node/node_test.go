package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// enabledVariable makes the test run.
const enabledVariable = "TEST_NODE"

const (
	// graceful is the node whose kubelet asks logind for time when the host goes down, and ends its pods in order. AppArmor confines its
	// containers, as it does on Debian.
	graceful = "node-a"
	// abrupt is the node with a kubelet without configuration of that kind. SELinux confines its containers.
	abrupt = "node-b"
)

// meant is how long all chapters are to take, without what is built once. Where every instruction of the machines is emulated, the time
// says more about this machine than about the operator, so taking longer is reported and does not fail.
const meant = 25 * time.Minute

// chapter is a part of the story.
type chapter struct {
	name string
	run  func(*story)
}

func chapters() []chapter {
	return []chapter{
		{"both nodes join", join},
		{"neither container of the helper can do the other's part", separation},
		{"a host that forbids the rebooter its bus is not drained", refused},
		{"both nodes are rebooted, one after the other, and that is proved", rollout},
		{"a kernel that is loaded for kexec is started without a reset of the machine, by a rebooter with an SELinux type of its own", kexec},
		{"a host that does not come back is reported and halts the rollout; a helper that restarts reboots nothing twice", lost},
		{"power is lost in the middle of a drain", powerLoss},
		{"a block lock keeps the host up, before the drain and after it, whose rebooter has an AppArmor profile of its own", inhibited},
		{"a reboot by signal needs AppArmor out of the way, and bypasses inhibitor locks", signaled},
		{"a program of the host reboots it, so fast that nobody sees it not Ready", commanded},
	}
}

// TestRealNodes is one story: each chapter begins with what the last one left, which is two nodes in service.
func TestRealNodes(t *testing.T) {
	if os.Getenv(enabledVariable) == "" {
		t.Skip("real nodes need root, QEMU and up to 25 minutes: run make test-node")
	}
	if err := checkRequirements(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard()) // the transcript is for people
	c := start(ctx, t)
	begin := time.Now()
	for _, chapter := range chapters() {
		passed := t.Run(chapter.name, func(t *testing.T) {
			c.journal.title("%s", chapter.name)
			chapter.run(&story{T: t, cluster: c, ctx: ctx, begin: time.Now()})
		})
		if !passed {
			t.Fatal("what would follow begins with what this chapter should have left")
		}
	}
	took := time.Since(begin).Round(time.Second)
	c.journal.add("", said, "the chapters took %s", took)
	if took > meant {
		c.journal.add("", said, "that is more than %s: if this machine is not slow, let a chapter do what needs no boot of its own", meant)
	}
}

// start starts everything. In the end it is stopped; logs are kept if the test failed.
func start(ctx context.Context, t *testing.T) *cluster {
	dir, err := os.MkdirTemp("", "test-node-")
	if err != nil {
		t.Fatal(err)
	}
	c, err := startCluster(ctx, newJournal(os.Stdout), dir,
		guestSpec{name: graceful, address: net.IPv4(10, 0, 2, 15), kubelet: "shutdownGracePeriod: 20s\nshutdownGracePeriodCriticalPods: 5s\n"},
		guestSpec{name: abrupt, address: net.IPv4(10, 0, 2, 16), kernel: selinuxArguments},
	)
	t.Cleanup(func() {
		if t.Failed() {
			c.keepEvidence()
		}
		if err := c.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			fmt.Println("logs of the control plane, consoles and journals of the machines:", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
