package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// restartingPrograms exit with 1 if a reboot is required, and also if anything goes wrong, such as a plugin that is missing.
var restartingPrograms = []string{"needs-restarting", "dnf", "dnf-3", "dnf4", "dnf5", "yum"}

// restartingProof is what they write only if a reboot is required.
const restartingProof = "Reboot is required"

// presets are programs of distributions, with what their documentation says about their exit codes.
var presets = map[string]Program{
	// dnf4-needs-restarting(8) and dnf5-needs-restarting(8): 0 no, 1 yes. dnf5 takes -r and ignores it.
	"dnf": restarting("/usr/bin/dnf", "needs-restarting", "-r"),
	// dnf5-needs-restarting(8).
	"dnf5": restarting("/usr/bin/dnf5", "needs-restarting"),
	// needs-restarting(1) of yum-utils and dnf-utils: 0 no, 1 yes.
	"yum-utils": restarting("/usr/bin/needs-restarting", "-r"),
	// rpm-ostree(1): 77 if there is a deployment that is not the booted one; 0 otherwise; 1 is an error.
	"rpm-ostree": {
		Command:   []string{"/usr/bin/rpm-ostree", "status", "--pending-exit-77"},
		ExitCodes: map[int]string{0: rebooter.SentinelNotRequired, 77: rebooter.SentinelRequired},
	},
	// zypper(8): 102 (ZYPPER_EXIT_INF_REBOOT_NEEDED), 0 otherwise.
	"zypper": {
		Command:   []string{"/usr/bin/zypper", "needs-rebooting"},
		ExitCodes: map[int]string{0: rebooter.SentinelNotRequired, 102: rebooter.SentinelRequired},
	},
}

func restarting(argv ...string) Program {
	return Program{
		Command: argv, ExitCodes: map[int]string{0: rebooter.SentinelNotRequired, 1: rebooter.SentinelRequired}, RequiredOutput: restartingProof,
	}
}

// Preset returns the program with this name. Its timeout is not set.
func Preset(name string) (Program, error) {
	preset, found := presets[name]
	if !found {
		return Program{}, fmt.Errorf("there is no preset %q: write one of %s", name, strings.Join(PresetNames(), ", "))
	}
	return preset, nil
}

// PresetNames lists the presets.
func PresetNames() []string {
	return slices.Sorted(maps.Keys(presets))
}
