package kernel

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostfs"
)

const (
	// maxFile is how much of a file of /proc is read, in bytes.
	maxFile = 1 << 20
	// maxReleases is how many kernels are looked at.
	maxReleases = 1000
)

// modules are the directories with one directory for each kernel. One is a link to the other where /usr is merged.
var modules = []string{"/usr/lib/modules", "/lib/modules"}

// wholeImages are the systems, by the ID of their os-release, that are updated as a whole: the new kernel is not among the running system's
// files, so that the newest one there is always the running one.
var wholeImages = map[string]bool{
	"bottlerocket": true, "cos": true, "flatcar": true, "opensuse-microos": true, "opensuse-leap-micro": true,
	"sl-micro": true, "sle-micro": true,
	"sle-micro-rancher": true, "talos": true,
}

// Detector looks at the kernels of a host.
type Detector struct {
	// Host has the host's /usr/lib/modules or /lib/modules, and /boot.
	Host hostfs.Root
	// Proc has the running kernel's /proc.
	Proc hostfs.Root
	// OS is the ID of the host's os-release; empty if it is not known.
	OS string
}

// installed is a kernel that could be booted.
type installed struct {
	release release
	// since is when its image came to the disk.
	since time.Time
}

// Check says Required if a newer kernel of the same flavor was installed since the host booted. Where that cannot be found out it is
// Unknown.
func (d Detector) Check() (state, message string) {
	if wholeImages[d.OS] || d.ostree() {
		return rebooter.SentinelUnknown, "this host is updated as a whole, and its next kernel is not among its files: use another sentinel"
	}
	running, booted, err := d.running()
	if err != nil {
		return rebooter.SentinelUnknown, fmt.Sprintf("which kernel runs: %v", err)
	}
	kernels, err := d.installed(running.flavor())
	if err != nil {
		return rebooter.SentinelUnknown, fmt.Sprintf("which kernels are installed: %v", err)
	}
	return judge(running, booted, kernels)
}

func (d Detector) ostree() bool {
	_, err := d.Host.Stat("/run/ostree-booted")
	return err == nil
}

// judge compares the running kernel with the installed ones of its flavor.
func judge(running release, booted time.Time, kernels []installed) (state, message string) {
	if len(kernels) == 0 {
		return rebooter.SentinelUnknown, fmt.Sprintf(
			"kernel %s runs, and no kernel of its flavor %q is installed completely", running, running.flavor(),
		)
	}
	newest, complete := kernels[0], false
	for _, k := range kernels {
		// Builds for two releases of a distribution may be equally new, such as those of ELRepo. The one that came last counts.
		if order := compare(k.release, newest.release); order > 0 || order == 0 && k.since.After(newest.since) {
			newest = k
		}
		complete = complete || k.release == running
	}
	order := compare(newest.release, running)
	switch {
	case order > 0 && newest.since.After(booted):
		return rebooter.SentinelRequired, fmt.Sprintf("kernel %s runs, and %s is installed", running, newest.release)
	case order > 0:
		return rebooter.SentinelUnknown, fmt.Sprintf(
			"kernel %s runs, though %s was installed before this boot: is the older one the default of the boot loader?", running, newest.release)
	case !complete:
		return rebooter.SentinelUnknown, fmt.Sprintf(
			"kernel %s runs but is no longer installed; %s is installed, and is not newer", running, newest.release,
		)
	}
	return rebooter.SentinelNotRequired, fmt.Sprintf("kernel %s is the newest one installed", running)
}

// running is the running kernel, and when it was booted.
func (d Detector) running() (release, time.Time, error) {
	name, err := d.Proc.Read("/proc/sys/kernel/osrelease", maxFile)
	if err != nil {
		return "", time.Time{}, err
	}
	stat, err := d.Proc.Read("/proc/stat", maxFile)
	if err != nil {
		return "", time.Time{}, err
	}
	for line := range strings.Lines(string(stat)) {
		value, found := strings.CutPrefix(line, "btime ")
		if !found {
			continue
		}
		seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return "", time.Time{}, fmt.Errorf("btime of /proc/stat: %w", err)
		}
		return release(strings.TrimSpace(string(name))), time.Unix(seconds, 0), nil
	}
	return "", time.Time{}, fmt.Errorf("/proc/stat has no btime")
}

// installed lists the kernels of a flavor that have their modules and their image. Leftovers of removed kernels have no image.
func (d Detector) installed(flavor string) ([]installed, error) {
	names, err := d.releases()
	if err != nil {
		return nil, err
	}
	if len(names) > maxReleases {
		return nil, fmt.Errorf("there are %d directories of modules", len(names))
	}
	var kernels []installed
	for _, name := range names {
		if release(name).flavor() != flavor || strings.HasPrefix(name, ".") {
			continue
		}
		if since, found := d.image(name); found {
			kernels = append(kernels, installed{release(name), since})
		}
	}
	return kernels, nil
}

func (d Detector) releases() (names []string, err error) {
	for _, directory := range modules {
		if names, err = d.Host.Names(directory); err == nil {
			return names, nil
		}
	}
	return nil, err
}

// image looks for the image of a kernel where distributions have it, and says when it came there: no package sets that time.
func (d Detector) image(name string) (since time.Time, found bool) {
	places := []string{"/boot/vmlinuz-" + name, "/boot/vmlinux-" + name, "/boot/Image-" + name, "/boot/kernel-" + name}
	for _, directory := range modules {
		places = append(places, path.Join(directory, name, "vmlinuz"), path.Join(directory, name, "Image"))
	}
	entries, err := d.Host.Names("/boot")
	if err == nil {
		for _, entry := range entries { // kernel-install: /boot/<machine ID>/<release>/linux
			places = append(places, path.Join("/boot", entry, name, "linux"))
		}
	}
	for _, place := range places {
		info, err := d.Host.Stat(place)
		if err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			return changed(info), true
		}
	}
	return time.Time{}, false
}
