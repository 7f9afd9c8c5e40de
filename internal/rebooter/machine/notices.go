package machine

import (
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostfs"
)

// maxConfig is how much of a configuration file is read, in bytes.
const maxConfig = 64 << 10

// otherRebooter is a unit that reboots a host by itself.
type otherRebooter struct {
	// effect is what the unit does, and what to do about it.
	effect string
	// config is a file, or a directory of files, that says whether it reboots, by a setting whose last value counts. Where it cannot be
	// read nothing is known, and the effect names the setting.
	config  string
	setting *regexp.Regexp
	reboots []string
	// usual units are active on hosts whether they reboot or not: nothing is said about them unless the configuration can be read.
	usual bool
}

var dnfReboots = otherRebooter{
	effect: "it reboots this host if /etc/dnf/automatic.conf says reboot = when-needed or when-changed",
	config: "/etc/dnf/automatic.conf", setting: regexp.MustCompile(`(?m)^\s*reboot\s*=\s*(\S+)`),
	reboots: []string{"when-needed", "when-changed"},
}

// rebooters are the units that are looked for.
var rebooters = map[string]otherRebooter{
	"locksmithd.service":              {effect: "it reboots this host after each update (Flatcar): mask it, or set REBOOT_STRATEGY=off"},
	"zincati.service":                 {effect: "it reboots this host to finish updates (Fedora CoreOS): disable its updates"},
	"rebootmgr.service":               {effect: "it reboots this host when an update asks for it (SUSE), unless its strategy is off"},
	"transactional-update.timer":      {effect: "it reboots this host after each update (SUSE), unless REBOOT_METHOD is kured or none"},
	"bootc-fetch-apply-updates.timer": {effect: "it applies updates and reboots this host (bootc): mask it"},
	"dnf-automatic.timer":             dnfReboots,
	"dnf-automatic-install.timer":     dnfReboots,
	"dnf5-automatic.timer":            dnfReboots,
	"rpm-ostreed-automatic.timer": {
		effect: "it reboots this host if /etc/rpm-ostreed.conf says AutomaticUpdatePolicy=apply",
		config: "/etc/rpm-ostreed.conf", setting: regexp.MustCompile(`(?m)^\s*AutomaticUpdatePolicy\s*=\s*(\S+)`), reboots: []string{"apply"},
	},
	"apt-daily-upgrade.timer": {
		effect: `unattended-upgrades reboots this host, as its configuration has Automatic-Reboot "true"`, usual: true,
		config: "/etc/apt/apt.conf.d", setting: regexp.MustCompile(`(?m)^[^/#\n]*Automatic-Reboot\s+"(\w+)"`), reboots: []string{"true"},
	},
}

// does reports whether the unit may reboot the host, as far as that can be read.
func (r *otherRebooter) does(host hostfs.Root) bool {
	if r.config == "" {
		return true
	}
	value, known := "", false
	for _, path := range filesOf(host, r.config) {
		content, err := host.Read(path, maxConfig)
		if err != nil {
			continue
		}
		known = true
		for _, match := range r.setting.FindAllSubmatch(content, -1) {
			value = string(match[1])
		}
	}
	return known && slices.Contains(r.reboots, value) || !known && !r.usual
}

// filesOf lists a directory, or names a file.
func filesOf(host hostfs.Root, config string) []string {
	names, err := host.Names(config)
	if err != nil {
		return []string{config}
	}
	slices.Sort(names)
	for i := range names {
		names[i] = path.Join(config, names[i])
	}
	return names
}

// unit is what systemd says about one: a(ssssssouso).
type unit struct {
	Name, Description, Load, Active, Sub, Following string
	Path                                            dbus.ObjectPath
	Job                                             uint32
	JobType                                         string
	JobPath                                         dbus.ObjectPath
}

// scheduled is a reboot that was scheduled with shutdown(8): (st), with the time in microseconds.
type scheduled struct {
	Kind string
	When uint64
}

// notices say what else would reboot this host. Nothing is claimed about units that cannot be queried.
func notices(ctx context.Context, bus *dbus.Conn, host hostfs.Root) []string {
	var found []string
	var value dbus.Variant
	err := ask(
		ctx, bus.Object(logindName, logindPath), "org.freedesktop.DBus.Properties.Get", []any{logindManager, "ScheduledShutdown"}, &value,
	)
	var plan scheduled
	if err == nil && dbus.Store([]any{value.Value()}, &plan) == nil && plan.Kind != "" {
		found = append(found, fmt.Sprintf("a %s of this host is scheduled for %s: shutdown -c cancels it",
			clean(plan.Kind, maxHolder), time.UnixMicro(int64(plan.When)).UTC().Format(time.RFC3339)))
	}
	return append(found, activeRebooters(ctx, bus, host)...)
}

func activeRebooters(ctx context.Context, bus *dbus.Conn, host hostfs.Root) []string {
	// Unlike ListUnitsByNames this loads none.
	names := slices.Sorted(maps.Keys(rebooters))
	var units []unit
	err := ask(ctx, bus.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1"),
		"org.freedesktop.systemd1.Manager.ListUnitsByPatterns", []any{[]string{"active"}, names}, &units)
	if err != nil {
		return nil
	}
	slices.SortFunc(units, func(a, b unit) int { return strings.Compare(a.Name, b.Name) })
	var found []string
	for i := range units {
		other, asked := rebooters[units[i].Name]
		if asked && other.does(host) {
			found = append(found, fmt.Sprintf("%s is active: %s", units[i].Name, other.effect))
		}
	}
	return found
}
