package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const kubeletHeader = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"

// thisMachine is where guests of QEMU's user network reach the machine that QEMU runs on.
func thisMachine() net.IP { return net.IPv4(10, 0, 2, 2) }

// cluster is a control plane on this machine with real nodes.
type cluster struct {
	*testbed.Cluster
	*observer
	source string // the operator's repository
	dir    string // logs, sockets and disks
	guests map[string]*guest
}

// guestSpec is a machine to be started.
type guestSpec struct {
	name    string
	address net.IP
	// kubelet is configuration of the kubelet in addition to what all have, in YAML.
	kubelet string
	// kernel has arguments of the kernel in addition to what all have.
	kernel string
}

// startCluster builds what is not built yet, installs the operator, and starts the machines without waiting for their nodes. The cluster
// has to be stopped even if there is an error.
func startCluster(ctx context.Context, journal *journal, dir string, specs ...guestSpec) (*cluster, error) {
	c := &cluster{dir: dir, guests: map[string]*guest{}}
	var err error
	if c.source, err = filepath.Abs(filepath.Join("..", "..")); err != nil {
		return c, err
	}
	caches, err := os.UserCacheDir()
	if err != nil {
		return c, err
	}
	assets, err := testbed.AssetsWithKubelet(ctx, journal.logger())
	if err != nil {
		return c, err
	}
	builder := imageBuilder{
		log: journal.logger(), kubelet: filepath.Join(assets, "kubelet"), cache: filepath.Join(caches, "reboot-operator", "node"),
		module: filepath.Join(c.source, "config", "components", "selinux", "reboot_operator.te"),
	}
	root, err := builder.build(ctx)
	if err != nil {
		return c, err
	}
	begin := time.Now()
	archives, err := imageArchives(ctx, c.source, dir)
	if err != nil {
		return c, err
	}
	journal.add("", said, "the images of the operator and of the workload are built, in %s", time.Since(begin).Round(time.Second))
	if err := c.startControlPlane(ctx, journal); err != nil {
		return c, err
	}
	for _, spec := range specs {
		if err := c.startGuest(ctx, root, archives, spec); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *cluster) startControlPlane(ctx context.Context, journal *journal) error {
	var err error
	c.Cluster, err = testbed.Start(ctx, testbed.Options{Log: journal.logger(), WorkDir: filepath.Join(c.dir, "control-plane")})
	if err != nil {
		return err
	}
	if err := c.install(ctx, installation{base: "config/default"}); err != nil {
		return err
	}
	journal.add("", said, "config/default is installed")
	c.observer, err = observe(ctx, c.Cluster, journal)
	return err
}

// installation is a kustomization of the repository, and what is added to it.
type installation struct {
	base string
	// components are names of config/components.
	components []string
	// patches change the helper's DaemonSet.
	patches []string
}

// install applies a kustomization of the repository as users do, with the image that the machines have.
func (c *cluster) install(ctx context.Context, what installation) error {
	dir := filepath.Join(c.dir, "install")
	if err := os.MkdirAll(dir, executable); err != nil {
		return err
	}
	source, err := filepath.Rel(dir, c.source)
	if err != nil {
		return err
	}
	content, err := overlay(source, what)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), content, plainFile); err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-k", dir); err != nil {
		return fmt.Errorf("install %s: %w", what.base, err)
	}
	return nil
}

// overlay is a kustomization in JSON, which is YAML. kubectl accepts no absolute path in it.
func overlay(source string, what installation) ([]byte, error) {
	type patch struct {
		Patch string `json:"patch"`
	}
	kustomization := map[string]any{
		"apiVersion": "kustomize.config.k8s.io/v1beta1",
		"kind":       "Kustomization",
		"resources":  []string{filepath.Join(source, what.base)},
		"images": []map[string]string{{
			"name": "ghcr.io/reboot-operator/reboot-operator", "newName": "localhost/reboot-operator", "newTag": "node-test",
		}},
	}
	var components []string
	for _, name := range what.components {
		components = append(components, filepath.Join(source, "config", "components", name))
	}
	if len(components) > 0 {
		kustomization["components"] = components
	}
	var all []patch
	for _, text := range what.patches {
		all = append(all, patch{Patch: helperPatchHeader + text})
	}
	if len(all) > 0 {
		kustomization["patches"] = all
	}
	return json.Marshal(kustomization)
}

const helperPatchHeader = `apiVersion: apps/v1
kind: DaemonSet
metadata: {name: reboot-operator-helper, namespace: reboot-operator-system}
`

// kubectl runs kubectl as the administrator.
func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, c.Kubectl(), append([]string{"--kubeconfig", c.Kubeconfig()}, args...)...)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, complaints.String())
	}
	return string(output), nil
}

func (c *cluster) startGuest(ctx context.Context, root image, archives []string, spec guestSpec) error {
	credentials, err := c.KubeletCredentials(spec.name, thisMachine(), spec.address)
	if err != nil {
		return err
	}
	port, err := c.Port()
	if err != nil {
		return err
	}
	server := net.JoinHostPort(thisMachine().String(), port)
	environment := fmt.Sprintf("NODE=%s\nADDRESS=%s\nAPI_SERVER=%s\n", spec.name, spec.address, server)
	disk := configDisk{images: archives, files: map[string][]byte{
		"/etc/hostname":                              []byte(spec.name + "\n"),
		"/etc/kubernetes/node.env":                   []byte(environment),
		"/etc/kubernetes/kubelet.kubeconfig":         credentials.Kubeconfig,
		"/etc/kubernetes/ca.crt":                     credentials.Authority,
		"/etc/kubernetes/serving.crt":                credentials.Certificate,
		"/etc/kubernetes/serving.key":                credentials.Key,
		"/etc/kubernetes/kubelet.conf.d/90-run.conf": []byte(kubeletHeader + spec.kubelet),
	}}
	path := filepath.Join(c.dir, spec.name+"-config.tar")
	if err := disk.write(path); err != nil {
		return fmt.Errorf("write the config disk of %s: %w", spec.name, err)
	}
	guest, err := startGuest(ctx, c.dir, spec.name, len(c.guests), root, path, spec.kernel, func(byGuest bool) {
		c.journal.add(spec.name, machineReset, "%s", map[bool]string{true: "by the guest itself", false: "by the test"}[byGuest])
	})
	if err != nil {
		return err
	}
	c.guests[spec.name] = guest
	c.journal.add(spec.name, said, "QEMU is started, pid %d", guest.process.Process.Pid)
	return nil
}

// stop ends the machines and the control plane at once.
func (c *cluster) stop() error {
	var errs []error
	for _, guest := range c.guests {
		errs = append(errs, guest.stop())
	}
	if c.Cluster != nil {
		errs = append(errs, c.Stop())
	}
	return errors.Join(errs...)
}
