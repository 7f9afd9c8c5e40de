package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// acceleratorVariable names the environment variable with QEMU's accelerator, such as kvm. Everything works without one.
	acceleratorVariable = "TEST_NODE_ACCEL"
	guestMemory         = "1536"
	// sameReset is the time in which no machine can have booted and gone down again.
	sameReset = time.Second
	// A busy machine emulates so slowly that the kernel's check of its timer fails, so no_timer_check is there. With panic=0 a kernel that has
	// panicked stays down. Without delayed allocation a loss of power leaves no files of length 0: those of CNI plugins, which sync
	// nothing, keep containerd from removing sandboxes, here as on real nodes.
	kernelArguments = "root=/dev/nvme0n1 rw rootflags=nodelalloc,commit=1 console=ttyS0 net.ifnames=0 quiet loglevel=4 mitigations=off " +
		"nowatchdog no_timer_check panic=0 random.trust_cpu=on modprobe.blacklist=kvm,kvm_amd,kvm_intel,powernow_k8,acpi_cpufreq,psmouse"
)

// selinuxArguments turn SELinux on, and with it AppArmor off.
const selinuxArguments = " security=selinux selinux=1 enforcing=1"

// guest is a machine that QEMU emulates.
type guest struct {
	name    string
	dir     string
	process *exec.Cmd
	exited  chan struct{}
	err     error // valid once exited is closed
	console *console
	monitor *monitor

	mu        sync.Mutex
	lastReset time.Time
}

// startGuest starts a machine and does not wait until it has booted. Its files are in dir; nothing is ever written to the image. The number
// of the guest says on which processor it runs.
func startGuest(
	ctx context.Context, dir, name string, number int, image image, config, extraArguments string, onReset func(byGuest bool),
) (*guest, error) {
	g := &guest{name: name, dir: dir, exited: make(chan struct{})}
	g.process = exec.Command("qemu-system-x86_64", g.arguments(image, config, extraArguments)...)
	log, err := os.Create(g.path("qemu.log"))
	if err != nil {
		return nil, fmt.Errorf("create the log of QEMU: %w", err)
	}
	g.process.Stdout, g.process.Stderr = log, log
	g.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go g.run(number, log, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start QEMU: %w", err)
	}
	if err := g.connect(ctx, onReset); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w; see %s", name, err, log.Name()), g.stop())
	}
	return g, nil
}

// run waits for the end of QEMU on a thread of its own, for QEMU is killed with the thread that started it: so it never outlives the test.
func (g *guest) run(number int, log *os.File, started chan<- error) {
	runtime.LockOSThread()
	err := pin(number)
	if err == nil {
		err = g.process.Start()
	}
	started <- err
	if err == nil {
		g.err = g.process.Wait()
	}
	_ = log.Close() // written by QEMU, which is gone
	close(g.exited)
}

// pin keeps the calling thread, and what it starts, on one processor. On several, the threads of QEMU lose doorbells of its NVMe controller
// now and then: between writing the event index and reading the doorbell it has no memory barrier (seen with QEMU 7.2, most often while a
// kernel replays the journal of its root disk, which then waits permanently).
func pin(number int) error {
	var allowed, one unix.CPUSet
	const thisThread = 0
	if err := unix.SchedGetaffinity(thisThread, &allowed); err != nil {
		return fmt.Errorf("read which processors there are: %w", err)
	}
	number %= allowed.Count()
	for cpu := 0; one.Count() == 0; cpu++ {
		if !allowed.IsSet(cpu) {
			continue
		}
		if number == 0 {
			one.Set(cpu)
		}
		number--
	}
	if err := unix.SchedSetaffinity(thisThread, &one); err != nil {
		return fmt.Errorf("keep QEMU on one processor: %w", err)
	}
	return nil
}

func (g *guest) path(file string) string { return filepath.Join(g.dir, g.name+"-"+file) }

// arguments of QEMU. It loads the kernel itself at every boot, so there is no boot loader; a reboot of the guest is a reset of the machine,
// and the root disk keeps what was written to it until QEMU ends.
func (g *guest) arguments(image image, config, extraArguments string) []string {
	accelerator := os.Getenv(acceleratorVariable)
	if accelerator == "" {
		accelerator = "tcg,tb-size=512"
	}
	return []string{
		"-name", g.name, "-machine", "q35,usb=off,graphics=off", "-accel", accelerator, "-cpu", "max", "-smp", "1", "-m", guestMemory,
		"-nodefaults", "-no-user-config", "-display", "none",
		"-kernel", image.kernel, "-append", kernelArguments + extraArguments,
		"-drive", "if=none,id=root,format=raw,snapshot=on,cache=unsafe,file=" + image.disk, "-device", "nvme,serial=root,drive=root",
		"-drive", "if=none,id=config,format=raw,readonly=on,file=" + config, "-device", "nvme,serial=config,drive=config",
		"-netdev", "user,id=network,net=10.0.2.0/24", "-device", "virtio-net-pci,netdev=network,romfile=",
		"-device", "virtio-rng-pci",
		"-serial", "file:" + g.path("kernel.log"),
		"-chardev", "socket,id=console,server=on,wait=off,path=" + g.path("console"), "-serial", "chardev:console",
		"-chardev", "socket,id=monitor,server=on,wait=off,path=" + g.path("monitor"), "-mon", "chardev=monitor,mode=control",
	}
}

// connect waits for QEMU's sockets, which it makes when it starts.
func (g *guest) connect(ctx context.Context, onReset func(byGuest bool)) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for !exists(g.path("console")) || !exists(g.path("monitor")) {
		select {
		case <-g.exited:
			return fmt.Errorf("QEMU ended: %w", errors.Join(g.err, errors.New("too early")))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	var err error
	if g.console, err = dialConsole(ctx, g.path("console")); err != nil {
		return err
	}
	g.monitor, err = dialMonitor(ctx, g.path("monitor"), func(event string, byGuest bool) {
		if event == "RESET" && g.noteReset() {
			onReset(byGuest)
		}
	})
	return err
}

// noteReset reports whether the reset is new: QEMU reports one reset of a guest several times.
func (g *guest) noteReset() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.lastReset
	g.lastReset = time.Now()
	return g.lastReset.Sub(before) > sameReset
}

// powerCut takes the power away and gives it back at once.
func (g *guest) powerCut(ctx context.Context) error { return g.monitor.command(ctx, "system_reset") }

// stop ends QEMU at once and waits until it is gone.
func (g *guest) stop() error {
	if g.console != nil {
		g.console.close()
	}
	if g.monitor != nil {
		g.monitor.close()
	}
	if err := g.process.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end QEMU: %w", err)
	}
	<-g.exited
	return nil
}

// boot is what a machine says about the boot that it runs.
type boot struct {
	id     string
	uptime time.Duration
	began  time.Time // btime of /proc/stat
}

func (b boot) String() string {
	return fmt.Sprintf("boot %s, up %s, since %s", b.id, b.uptime, b.began.UTC().Format(time.TimeOnly))
}

// boot asks the machine.
func (g *guest) boot(ctx context.Context) (boot, error) {
	const script = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f1 /proc/uptime; awk '$1 == \"btime\" {print $2}' /proc/stat"
	output, err := g.console.run(ctx, script)
	if err != nil {
		return boot{}, err
	}
	fields := strings.Fields(output)
	if len(fields) != 3 {
		return boot{}, fmt.Errorf("the boot of %s: %q", g.name, output)
	}
	uptime, err := time.ParseDuration(fields[1] + "s")
	if err != nil {
		return boot{}, err
	}
	seconds, err := strconv.ParseInt(fields[2], 10, 64)
	return boot{id: fields[0], uptime: uptime, began: time.Unix(seconds, 0)}, err
}
