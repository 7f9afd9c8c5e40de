package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
)

const (
	modulePath = "github.com/reboot-operator/reboot-operator"
	// AssetsVariable names the environment variable with a folder of ready-built programs; envtest uses the same one.
	AssetsVariable = "KUBEBUILDER_ASSETS"
	// VersionVariable names the environment variable with the version of Kubernetes to build programs of, such as 1.36.3.
	VersionVariable = "KUBERNETES_VERSION"

	etcdProgram              = "etcd"
	apiServerProgram         = "kube-apiserver"
	controllerManagerProgram = "kube-controller-manager"
	schedulerProgram         = "kube-scheduler"
	kubectlProgram           = "kubectl"
	kubeletProgram           = "kubelet"
)

// Assets returns a folder that holds etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl: the folder that the
// environment variable KUBEBUILDER_ASSETS names, otherwise a folder in the user's cache, which it fills by building the module
// test/testbed/components for the version of Kubernetes that KUBERNETES_VERSION names, otherwise for the version in its go.mod. That takes
// several minutes, happens once for each content of that module, and is logged. Two builders do not build at the same time.
func Assets(ctx context.Context, log logr.Logger) (string, error) {
	return assets(ctx, log, controlPlaneBuild())
}

// AssetsWithKubelet is Assets, with a kubelet of the same version in the folder.
func AssetsWithKubelet(ctx context.Context, log logr.Logger) (string, error) {
	return assets(ctx, log, controlPlaneBuild(), kubeletBuild())
}

func assets(ctx context.Context, log logr.Logger, builds ...build) (string, error) {
	if dir := os.Getenv(AssetsVariable); dir != "" {
		for _, build := range builds {
			if err := build.check(dir); err != nil {
				return "", fmt.Errorf("%s=%s: %w", AssetsVariable, dir, err)
			}
		}
		return dir, nil
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	source, err := newSource(filepath.Join(root, "test", "testbed", "components"), os.Getenv(VersionVariable))
	if err != nil {
		return "", err
	}
	dir, err := source.cacheFolder()
	if err != nil {
		return "", err
	}
	unlock, err := lockFile(dir+".lock", log)
	if err != nil {
		return "", err
	}
	defer unlock()
	for _, build := range builds {
		if build.check(dir) == nil {
			continue
		}
		if err := build.run(ctx, log, source, dir); err != nil {
			return "", err
		}
		if err := build.check(dir); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// build is one binary of a folder with assets.
type build struct {
	what     string
	pkg      string // the main package, in the module of the components
	binary   string
	programs []string // names of the binary; it is the program that it is started as
	takes    string
}

func controlPlaneBuild() build {
	return build{
		what: "the control plane", pkg: ".", binary: "components", takes: "5 to 10 minutes",
		programs: []string{etcdProgram, apiServerProgram, controllerManagerProgram, schedulerProgram, kubectlProgram},
	}
}

func kubeletBuild() build {
	return build{what: "the kubelet", pkg: "./kubelet", binary: kubeletProgram, takes: "a minute", programs: []string{kubeletProgram}}
}

// check says which program is missing from dir.
func (b build) check(dir string) error {
	for _, program := range b.programs {
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
