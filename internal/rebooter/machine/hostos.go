package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/godbus/dbus/v5"
)

const (
	// maxOSRelease is how much of an os-release is read, in bytes.
	maxOSRelease = 16 << 10
	// maxOSName is the most bytes of the name of an operating system.
	maxOSName = 128
)

// osReleases are where a host says what it runs. The last is a copy that systemd 254 and later keep below /run, which is always mounted.
var osReleases = []string{"/etc/os-release", "/usr/lib/os-release", "/run/systemd/propagate/.os-release-stage/os-release"}

// operatingSystem is what the host runs.
type operatingSystem struct {
	// id is for programs, such as "debian", name for people. Both are empty if they are not known.
	id, name string
}

func (m *Machine) operatingSystem() operatingSystem {
	for _, path := range osReleases {
		if content, err := m.host().Read(path, maxOSRelease); err == nil {
			return parseOSRelease(string(content))
		}
	}
	return operatingSystem{}
}

// parseOSRelease reads lines such as ID=debian (os-release(5)).
func parseOSRelease(content string) (system operatingSystem) {
	for line := range strings.Lines(content) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = clean(unquote(value), maxOSName)
		switch key {
		case "ID":
			system.id = value
		case "PRETTY_NAME":
			system.name = value
		}
	}
	return system
}

// unquote removes the quotes of a value, and the backslashes before characters that are special to a shell.
func unquote(value string) string {
	if len(value) < 2 || value[0] != value[len(value)-1] || value[0] != '"' && value[0] != '\'' {
		return value
	}
	return strings.NewReplacer(`\"`, `"`, `\$`, `$`, `\\`, `\`, "\\`", "`").Replace(value[1 : len(value)-1])
}

// askName asks hostnamed for the name of the operating system, where no file says it. Once it answered, whatever it said, it is not asked
// again.
func (m *Machine) askName(ctx context.Context, bus *dbus.Conn) string {
	if m.operatingSystem().name != "" {
		return ""
	}
	if name := m.name.Load(); name != nil {
		return *name
	}
	var value dbus.Variant
	object := bus.Object("org.freedesktop.hostname1", "/org/freedesktop/hostname1")
	if err := ask(ctx, object, "org.freedesktop.DBus.Properties.Get",
		[]any{"org.freedesktop.hostname1", "OperatingSystemPrettyName"}, &value); err != nil {
		return ""
	}
	name, _ := value.Value().(string)
	name = clean(name, maxOSName)
	m.name.Store(&name)
	return name
}

// unsupportedSystems say, by the ID of os-release, why systemd cannot be asked on a system, and what to use instead.
var unsupportedSystems = map[string]string{
	"alpine":       "it has none",
	"bottlerocket": "its SELinux policy keeps containers away from the system bus; the Bottlerocket update operator reboots such hosts",
	"talos":        "it has none, and no system bus; only its own API reboots it",
	"void":         "it has none",
}

// unsupported says why this host can never be rebooted by systemd, if that explains an error; empty otherwise.
func (m *Machine) unsupported(err error) string {
	system := m.operatingSystem()
	if why, known := unsupportedSystems[system.id]; known {
		return fmt.Sprintf("%s (os-release ID %s) cannot be rebooted by systemd: %s (%v)", system.name, system.id, why, err)
	}
	if !m.withoutSystemd() {
		return ""
	}
	name := "this host"
	if system.name != "" {
		name = fmt.Sprintf("%s (os-release ID %s)", system.name, system.id)
	}
	return fmt.Sprintf("%s is not run by systemd, as there is no /run/systemd/system, and nothing else answers for a reboot (%v)", name, err)
}

// withoutSystemd tells that the host's /run is there, and that systemd did not boot the host: sd_booted(3) looks for the same directory.
func (m *Machine) withoutSystemd() bool {
	if _, err := m.host().Stat("/run"); err != nil {
		return false
	}
	_, err := m.host().Stat("/run/systemd/system")
	return errors.Is(err, fs.ErrNotExist)
}
