package testbed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"golang.org/x/mod/modfile"
)

const (
	modulePath = "github.com/reboot-operator/reboot-operator"
	// AssetsVariable names the environment variable with a folder of ready-built programs; envtest uses the same one.
	AssetsVariable = "KUBEBUILDER_ASSETS"

	etcdProgram              = "etcd"
	apiServerProgram         = "kube-apiserver"
	controllerManagerProgram = "kube-controller-manager"
	schedulerProgram         = "kube-scheduler"
	kubectlProgram           = "kubectl"
)

// programs are what a testbed needs of a folder with assets.
func programs() []string {
	return []string{etcdProgram, apiServerProgram, controllerManagerProgram, schedulerProgram, kubectlProgram}
}

// Assets returns a folder that holds etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl: the one that the
// environment variable KUBEBUILDER_ASSETS names, or else one in the user's cache, which it fills by building the module
// test/testbed/components. That takes several minutes, happens once for each content of that module, and is told to log. Two builders do
// not build at the same time.
func Assets(ctx context.Context, log logr.Logger) (string, error) {
	if dir := os.Getenv(AssetsVariable); dir != "" {
		if err := checkAssets(dir); err != nil {
			return "", fmt.Errorf("%s=%s: %w", AssetsVariable, dir, err)
		}
		return dir, nil
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	source := filepath.Join(root, "test", "testbed", "components")
	dir, err := cacheFolder(source)
	if err != nil {
		return "", err
	}
	unlock, err := lockFile(dir+".lock", log)
	if err != nil {
		return "", err
	}
	defer unlock()
	if checkAssets(dir) == nil {
		return dir, nil
	}
	if err := buildAssets(ctx, log, source, dir); err != nil {
		return "", err
	}
	return dir, checkAssets(dir)
}

// checkAssets says which program is missing from dir.
func checkAssets(dir string) error {
	for _, program := range programs() {
		info, err := os.Stat(filepath.Join(dir, program))
		if err != nil {
			return fmt.Errorf("program %s: %w", program, err)
		}
		if info.Mode()&0o111 == 0 {
			return fmt.Errorf("program %s is not executable", program)
		}
	}
	return nil
}

// cacheFolder is where the programs built from source belong. Its name changes with whatever the programs are built from.
func cacheFolder(source string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache: %w", err)
	}
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		content, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", fmt.Errorf("read the source of the control plane: %w", err)
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	parent := filepath.Join(cache, "reboot-operator", "testbed")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("create the cache of the control plane: %w", err)
	}
	return filepath.Join(parent, hex.EncodeToString(sum.Sum(nil)[:8])), nil
}

// lockFile waits until no other process holds the lock. The kernel frees it when its holder ends.
func lockFile(path string, log logr.Logger) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the control plane's build: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		log.Info("another process is building the control plane: waiting for it")
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return func() { _ = file.Close() }, nil // closing unlocks
}

// moduleRoot is the folder of the product's module, found from the working directory.
func moduleRoot(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", modulePath).Output()
	if err != nil {
		return "", fmt.Errorf("find the source of module %s from the working directory: %w", modulePath, commandError(err))
	}
	return strings.TrimSpace(string(output)), nil
}

// commandError adds what a command wrote to its standard error.
func commandError(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}

// kubernetesVersion reads which Kubernetes a go.mod asks for, such as v1.36.3.
func kubernetesVersion(path string, content []byte) (string, error) {
	file, err := modfile.ParseLax(path, content, nil)
	if err != nil {
		return "", fmt.Errorf("parse %s: %w", path, err)
	}
	for _, require := range file.Require {
		if require.Mod.Path == "k8s.io/kubernetes" {
			return require.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require k8s.io/kubernetes", path)
}

// versionFlags are linker flags that make the programs report the version, such as v1.36.3, instead of v0.0.0.
func versionFlags(version string) (string, error) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) != 3 {
		return "", fmt.Errorf("version %q of k8s.io/kubernetes does not look like v1.2.3", version)
	}
	const variables = "k8s.io/component-base/version."
	return fmt.Sprintf("-X %sgitVersion=%s -X %sgitMajor=%s -X %sgitMinor=%s",
		variables, version, variables, parts[0], variables, parts[1]), nil
}
