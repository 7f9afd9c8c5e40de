// Package detector knows on which hosts the files of the default installation never appear, so that nothing would ever say that such a host
// needs a reboot. It knows what distributions do, by the name that the kubelet reports, and says nothing about those that it does not know.
package detector

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

const (
	// dnf5Fedora is the first release of Fedora whose dnf is dnf5, dnfRelease that of RHEL whose dnf needs no other package for it.
	dnf5Fedora, dnfRelease = 41, 9
	// flatcarFiles is the first release of Flatcar that makes /run/reboot-required.
	flatcarFiles = 3067
	// maxName bounds the name of an operating system in a message, in bytes.
	maxName = 128
)

// defaults are the sentinels of config/helper, which are all that is there if nobody chose.
var defaults = []string{"/run/reboot-needed", "/run/reboot-required"}

// chosen are the flags of the rebooter by which someone chose what says that a host needs a reboot, or that nothing does.
var chosen = []string{"sentinel-preset", "sentinel-command", "sentinel-kernel", "no-sentinel"}

// Chosen reports whether the arguments of a rebooter have anything but the sentinels of the default installation.
func Chosen(args []string) bool {
	var sentinels []string
	for i, arg := range args {
		name, value, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case !strings.HasPrefix(arg, "-"):
		case slices.Contains(chosen, name):
			if on, err := strconv.ParseBool(value); on || err != nil && (!joined || value != "") {
				return true
			}
		case name == "sentinel" && joined:
			sentinels = append(sentinels, value)
		case name == "sentinel" && i+1 < len(args):
			sentinels = append(sentinels, args[i+1])
		}
	}
	slices.Sort(sentinels)
	return !slices.Equal(sentinels, defaults)
}

// family is what distributions have in common. The release is the first number after their name; what to do may depend on it.
type family struct {
	names   *regexp.Regexp
	instead func(release int) string
}

// The flags are those of the rebooter: components of config/ and values of the chart both set them.
const (
	kernelToo   = "give the rebooter --sentinel-kernel, or programs of the host and "
	unsupported = "hosts of this kind cannot be rebooted from here: exclude them with the node selector of the DaemonSet"
)

func always(text string) func(int) string { return func(int) string { return text } }

func preset(name string) string { return kernelToo + "--sentinel-preset=" + name }

// from is the newer preset from a release on, and the older one before that.
func from(release int, newer, older string) func(int) string {
	return func(r int) string {
		if r >= release {
			return preset(newer)
		}
		return preset(older)
	}
}

// families, of which the first counts that has the name.
var families = []family{
	{regexp.MustCompile(`^(?:Red Hat Enterprise Linux|CentOS(?: Stream)?) CoreOS\b`), always("the Machine Config Operator reboots these " +
		"hosts: give the rebooter --no-sentinel, so that only people and node conditions ask")},
	{regexp.MustCompile(`^(?:Fedora|CentOS)\b.*(?:CoreOS|IoT|Silverblue|Kinoite|Atomic)`),
		always("give the rebooter programs of the host and --sentinel-preset=rpm-ostree")},
	{regexp.MustCompile(`^Fedora(?: Linux)? (\d+)`), from(dnf5Fedora, "dnf5", "dnf")},
	{regexp.MustCompile(`^(?:Red Hat Enterprise Linux|Rocky Linux|AlmaLinux|Oracle Linux|CentOS)\D*(\d+)`),
		from(dnfRelease, "dnf", "yum-utils")},
	{regexp.MustCompile(`^Amazon Linux (\d+)`), from(dnfRelease, "dnf", "yum-utils")},
	{regexp.MustCompile(`^Flatcar Container Linux\D*(\d+)`), func(release int) string {
		if release >= flatcarFiles {
			return ""
		}
		return "update Flatcar to " + strconv.Itoa(flatcarFiles) + " or newer, which makes /run/reboot-required"
	}},
	{regexp.MustCompile(`^Arch Linux\b`), always("give the rebooter --sentinel-kernel")},
	{regexp.MustCompile(`^(?:Bottlerocket|Talos)\b`), always(unsupported)},
}

// Missing says, of a host whose rebooter has the default sentinels, what to install instead. It is empty for a host that makes one of those
// files, and for one that is not known.
func Missing(osImage string) string {
	for i := range families {
		found := families[i].names.FindStringSubmatch(osImage)
		if found == nil {
			continue
		}
		release := 0
		if len(found) > 1 {
			release, _ = strconv.Atoi(found[1]) // digits; one that is too large is the largest
		}
		instead := families[i].instead(release)
		if instead == "" {
			return ""
		}
		return name(osImage) + ": " + instead
	}
	return ""
}

// name is how a host calls its operating system, in one line of bounded length: a kubelet may write anything.
func name(osImage string) string {
	printable := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(osImage, "?"))
	return shorten.Marked(printable, maxName)
}
