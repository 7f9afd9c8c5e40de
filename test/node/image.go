package node

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
)

const (
	debianSuite = "bookworm"
	diskSize    = "3G"
	executable  = 0o755
	plainFile   = 0o644
)

// guestPackages are all that is installed on the root disk, without what they only recommend. The cloud kernel has NVMe and ext4 built in,
// so it boots from the root disk without an initial RAM disk. With the package apparmor the machine is confined as Debian's are. The
// arguments of the kernel may choose SELinux instead, whose policy is there as well.
func guestPackages() []string {
	return []string{
		"apparmor", "ca-certificates", "containerd", "containernetworking-plugins", "dbus", "iproute2", "iptables", "kexec-tools", "kmod",
		"linux-image-cloud-amd64", "procps", "runc", "selinux-policy-default", "systemd", "systemd-sysv", "udev",
	}
}

// enabledUnits are what the machine starts besides what the packages enable.
func enabledUnits() []string {
	return []string{"console.service", "kubelet.service", "reboot-calls.service"}
}

// maskedUnits are what a node does not need. Each costs seconds where every instruction is emulated.
func maskedUnits() []string {
	return []string{
		"apt-daily-upgrade.timer", "apt-daily.timer", "dev-hugepages.mount", "dev-mqueue.mount", "dpkg-db-backup.timer",
		"e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty@tty1.service", "modprobe@configfs.service",
		"modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@efi_pstore.service", "modprobe@fuse.service", "modprobe@loop.service",
		"remote-fs.target", "serial-getty@ttyS0.service", "sys-fs-fuse-connections.mount", "sys-kernel-config.mount",
		"sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-binfmt.service", "systemd-network-generator.service",
		"systemd-networkd-wait-online.service", "systemd-networkd.service", "systemd-networkd.socket", "systemd-pstore.service",
		"systemd-random-seed.service", "systemd-resolved.service", "systemd-timesyncd.service", "systemd-update-utmp-runlevel.service",
		"systemd-update-utmp.service",
	}
}

//go:embed all:guest
var guestFiles embed.FS

//go:embed selinux/container.cil
var containerModule []byte

// image is what a machine boots: a root disk, which is never written to, and the kernel from it.
type image struct {
	disk   string
	kernel string
}

// imageBuilder makes the image, or finds it in the cache.
type imageBuilder struct {
	log     logr.Logger
	kubelet string // the path of the program
	module  string // the rebooter's SELinux policy module, in source
	cache   string // the folder with images
}

// build returns the image, and makes what of it is not in the cache: the packages take a minute or two, the disk some seconds.
func (b imageBuilder) build(ctx context.Context) (image, error) {
	key, err := b.diskKey()
	if err != nil {
		return image{}, err
	}
	dir := filepath.Join(b.cache, "disk-"+key)
	built := image{disk: filepath.Join(dir, "disk.img"), kernel: filepath.Join(dir, "vmlinuz")}
	if exists(dir) {
		return built, nil
	}
	base, err := b.packages(ctx)
	if err != nil {
		return image{}, err
	}
	begin := time.Now()
	err = b.once("disk-", dir, func(partial string) error { return b.makeDisk(ctx, base, partial) })
	if err != nil {
		return image{}, fmt.Errorf("make the root disk: %w", err)
	}
	b.log.Info("the root disk is made", "took", time.Since(begin).Round(time.Second).String(), "in", dir)
	return built, nil
}

// packages returns an archive with the root file system that Debian's packages make.
func (b imageBuilder) packages(ctx context.Context) (string, error) {
	key := hash(sha256.New(), debianSuite, strings.Join(guestPackages(), ","))
	dir := filepath.Join(b.cache, "packages-"+key)
	archive := filepath.Join(dir, "root.tar")
	if exists(dir) {
		return archive, nil
	}
	begin := time.Now()
	b.log.Info("installing Debian packages for the guests; this happens once and takes a minute or two", "suite", debianSuite)
	err := b.once("packages-", dir, func(partial string) error {
		return run(ctx, "", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--include="+strings.Join(guestPackages(), ","),
			"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/man/*",
			`--aptopt=APT::Install-Recommends "false"`, debianSuite, filepath.Join(partial, "root.tar"))
	})
	if err != nil {
		return "", fmt.Errorf("install Debian packages: %w", err)
	}
	b.log.Info("the packages are installed", "took", time.Since(begin).Round(time.Second).String(), "in", dir)
	return archive, nil
}

// once makes a folder whole or not at all, and removes what earlier versions of the test left: disks are large.
func (b imageBuilder) once(prefix, dir string, fill func(partial string) error) error {
	if err := os.MkdirAll(b.cache, executable); err != nil {
		return err
	}
	partial, err := os.MkdirTemp(b.cache, "partial-")
	if err != nil {
		return err
	}
	if err := fill(partial); err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	old, err := filepath.Glob(filepath.Join(b.cache, prefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return os.Rename(partial, dir)
}

// makeDisk needs no loop device and no mount: mke2fs copies a folder.
func (b imageBuilder) makeDisk(ctx context.Context, base, dir string) error {
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, executable); err != nil {
		return err
	}
	if err := run(ctx, "", "tar", "--directory", root, "--extract", "--file", base); err != nil {
		return err
	}
	if err := takeKernel(root, filepath.Join(dir, "vmlinuz")); err != nil {
		return err
	}
	if err := b.fill(root); err != nil {
		return err
	}
	if err := b.label(ctx, root); err != nil {
		return err
	}
	disk := filepath.Join(dir, "disk.img")
	if err := run(ctx, "", "mke2fs", "-q", "-F", "-t", "ext4", "-d", root, disk, diskSize); err != nil {
		return err
	}
	return os.RemoveAll(root)
}

// takeKernel copies the kernel, which QEMU loads. It is all that stays in /boot, for kexec.
func takeKernel(root, path string) error {
	boot := filepath.Join(root, "boot")
	kernels, err := filepath.Glob(filepath.Join(boot, "vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return errors.Join(fmt.Errorf("want one kernel in /boot, found %v", kernels), err)
	}
	content, err := os.ReadFile(kernels[0])
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, content, plainFile); err != nil {
		return err
	}
	if err := os.RemoveAll(boot); err != nil {
		return err
	}
	if err := os.Mkdir(boot, executable); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(boot, "vmlinuz"), content, plainFile)
}

// compileModule makes a package of the policy module of config/components/selinux, as that file says.
func compileModule(ctx context.Context, source, module string) error {
	compiled := strings.TrimSuffix(module, ".pp") + ".mod"
	if err := run(ctx, "", "checkmodule", "-M", "-m", "-o", compiled, source); err != nil {
		return err
	}
	return run(ctx, "", "semodule_package", "-o", module, "-m", compiled)
}

// label adds the module for containers and that for the rebooter to SELinux's policy, and gives every file the label that the policy says.
// The programs for it are those of the root file system, so this machine needs no SELinux. mke2fs copies the labels, which are extended
// attributes.
func (b imageBuilder) label(ctx context.Context, root string) error {
	const containers, rebooter = "/etc/selinux/container.cil", "/etc/selinux/reboot_operator.pp"
	if err := os.WriteFile(filepath.Join(root, containers), containerModule, plainFile); err != nil {
		return err
	}
	if err := compileModule(ctx, b.module, filepath.Join(root, rebooter)); err != nil {
		return fmt.Errorf("compile the rebooter's SELinux module: %w", err)
	}
	if err := run(ctx, "", "chroot", root, "semodule", "--noreload", "--install", containers, "--install", rebooter); err != nil {
		return fmt.Errorf("add the modules for containers and for the rebooter to SELinux's policy: %w", err)
	}
	// setfiles finds files by /proc/self/fd. What is mounted in a mount namespace goes with it.
	const setfiles = `mount -t proc none "$0/proc" && exec chroot "$0" setfiles -F /etc/selinux/default/contexts/files/file_contexts /`
	if err := run(ctx, "", "unshare", "--mount", "sh", "-c", setfiles, root); err != nil {
		return fmt.Errorf("label the files for SELinux: %w", err)
	}
	return nil
}

// fill makes a node of a Debian system. A link in that system never leads out of it.
func (b imageBuilder) fill(dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	files, err := fs.Sub(guestFiles, "guest")
	if err != nil {
		return err
	}
	if err := copyFiles(files, root); err != nil {
		return err
	}
	kubelet, err := os.ReadFile(b.kubelet)
	if err != nil {
		return err
	}
	if err := root.WriteFile("usr/local/bin/kubelet", kubelet, executable); err != nil {
		return err
	}
	const units = "etc/systemd/system"
	for _, unit := range enabledUnits() {
		if err := link(root, "../"+unit, path.Join(units, "multi-user.target.wants", unit)); err != nil {
			return err
		}
	}
	for _, unit := range maskedUnits() {
		if err := link(root, os.DevNull, path.Join(units, unit)); err != nil {
			return err
		}
	}
	// Each machine makes its own at its first boot.
	return root.WriteFile("etc/machine-id", nil, plainFile)
}

// copyFiles copies a tree. What is in a folder named bin or sbin can be run.
func copyFiles(files fs.FS, root *os.Root) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return root.MkdirAll(name, executable)
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(plainFile)
		if folder := path.Base(path.Dir(name)); folder == "bin" || folder == "sbin" {
			mode = executable
		}
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err // what is there may be a link
		}
		return root.WriteFile(name, content, mode)
	})
}

// link replaces what is at name.
func link(root *os.Root, target, name string) error {
	if err := root.MkdirAll(path.Dir(name), executable); err != nil {
		return err
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return root.Symlink(target, name)
}

// diskKey changes with whatever the disk is made of.
func (b imageBuilder) diskKey() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(guestFiles, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := guestFiles.ReadFile(name)
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the files of the guest: %w", err)
	}
	module, err := os.ReadFile(b.module)
	if err != nil {
		return "", fmt.Errorf("read the rebooter's SELinux module: %w", err)
	}
	kubelet, err := os.Open(b.kubelet)
	if err != nil {
		return "", fmt.Errorf("read the kubelet: %w", err)
	}
	_, err = io.Copy(sum, kubelet)
	if err := errors.Join(err, kubelet.Close()); err != nil {
		return "", fmt.Errorf("read the kubelet: %w", err)
	}
	lists := [][]string{{debianSuite, diskSize}, guestPackages(), enabledUnits(), maskedUnits()}
	return hash(sum, fmt.Sprint(lists), string(containerModule), string(module)), nil
}

// hash adds the parts to sum and shortens it to what a folder may be called.
func hash(sum interface {
	io.Writer
	Sum([]byte) []byte
}, parts ...string) string {
	for _, part := range parts {
		_, _ = fmt.Fprintln(sum, part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// run runs a program to its end; its output is in the error.
func run(ctx context.Context, dir, program string, args ...string) error {
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, output)
	}
	return nil
}
