package testbed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// pluginProgram is the plugin of kubectl.
const pluginProgram = "kubectl-reboots"

// buildFlags and buildEnvironment are those of `make build`. They decide what the linker leaves out.
var (
	buildFlags       = []string{"-tags=grpcnotrace", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}
	buildEnvironment = []string{"CGO_ENABLED=0"}
)

// Build builds one of the project's programs into a folder, as `make build` does, so that measurements are of what users get. It returns
// the path of the program.
func Build(ctx context.Context, folder, program string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, program)
	build := exec.CommandContext(ctx, "go", slices.Concat([]string{"build"}, buildFlags, []string{"-o", path, "./cmd/" + program})...)
	build.Dir, build.Env = root, append(os.Environ(), buildEnvironment...)
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", program, err, output)
	}
	return path, nil
}

// Programs builds the kubectl plugin and returns a folder that contains it next to kubectl, for the PATH of a person or a test.
func (c *Cluster) Programs(ctx context.Context) (string, error) {
	folder := filepath.Join(c.workDir, "bin")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("make a folder for programs: %w", err)
	}
	c.log.Info("building the plugin of kubectl")
	if _, err := Build(ctx, folder, pluginProgram); err != nil {
		return "", err
	}
	link := filepath.Join(folder, kubectlProgram)
	if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
		return "", fmt.Errorf("link kubectl: %w", err)
	}
	if err := os.Symlink(c.Kubectl(), link); err != nil {
		return "", fmt.Errorf("link kubectl: %w", err)
	}
	return folder, nil
}
