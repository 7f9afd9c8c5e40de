package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// requirements are programs of this machine, and the Debian packages that they come from.
func requirements() map[string]string {
	return map[string]string{
		"buildah":            "buildah",
		"checkmodule":        "checkpolicy",
		"make":               "make",
		"mke2fs":             "e2fsprogs",
		"mmdebstrap":         "mmdebstrap",
		"qemu-system-x86_64": "qemu-system-x86",
		"semodule_package":   "semodule-utils",
		"tar":                "tar",
	}
}

// checkRequirements says what is missing and how to install it. Nothing is installed here.
func checkRequirements() error {
	var packages []string
	for program, name := range requirements() {
		if _, err := exec.LookPath(program); err != nil {
			packages = append(packages, name)
		}
	}
	if len(packages) > 0 {
		slices.Sort(packages)
		return fmt.Errorf("programs are missing on this machine; on Debian: apt-get install --no-install-recommends %s",
			strings.Join(packages, " "))
	}
	if os.Geteuid() != 0 {
		return errors.New("the root file system of the guests has to be made by root, because its files belong to root: run this as root")
	}
	return nil
}
