package testbed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// pluginProgram is the plugin of kubectl.
const pluginProgram = "kubectl-reboots"

// Programs builds the kubectl plugin and returns a folder that contains it next to kubectl, for the PATH of a person or a test.
func (c *Cluster) Programs(ctx context.Context) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(c.workDir, "bin")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("make a folder for programs: %w", err)
	}
	c.log.Info("building the plugin of kubectl")
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(folder, pluginProgram), "./cmd/"+pluginProgram)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the plugin of kubectl: %w: %s", err, output)
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
