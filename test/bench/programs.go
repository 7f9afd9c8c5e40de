package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	programsNode = "programs"
	sentinelFile = "reboot-required"
	goalHelper   = 25
)

// programs measures the memory of the helper and the rebooter as the processes that they are on a node: idle, and after the
// host has asked for a reboot. It is asked for nothing else, and the rebooter does not reboot this machine.
func programs(ctx context.Context, say Say) (m Measured, err error) {
	s := scenario{nodes: testbed.Fleet(11, 3, 0), slots: 1, limit: 5 * time.Minute}
	f, err := s.start(ctx, say)
	defer func() { err = errors.Join(err, f.stop()) }()
	if err != nil {
		return Measured{}, err
	}
	if _, err := f.cluster.AddNode(ctx, testbed.NodeOptions{Name: programsNode, Zone: "a", WithoutHelper: true}); err != nil {
		return Measured{}, err
	}
	dir, err := os.MkdirTemp("", "bench-programs-")
	if err != nil {
		return Measured{}, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	say("building the helper and the rebooter")
	for _, program := range []string{"helper", "rebooter"} {
		if _, err := testbed.Build(ctx, dir, program); err != nil {
			return Measured{}, err
		}
	}
	helper, rebooter, err := startPrograms(ctx, f, dir)
	defer func() { err = errors.Join(err, end(helper), end(rebooter)) }()
	if err != nil {
		return Measured{}, err
	}
	return measurePrograms(ctx, say, f, filepath.Join(dir, sentinelFile), helper.Process.Pid, rebooter.Process.Pid)
}

// startPrograms starts both, the helper with the token of its pod.
func startPrograms(ctx context.Context, f *fleet, dir string) (helper, rebooter *exec.Cmd, err error) {
	pod, err := helperPodOn(ctx, f, programsNode)
	if err != nil {
		return nil, nil, err
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := podKubeconfig(ctx, f.cluster, pod, kubeconfig); err != nil {
		return nil, nil, err
	}
	socket := filepath.Join(dir, "socket")
	rebooter, err = startProgram(dir, "rebooter", "--socket="+socket, "--helper-uid="+strconv.Itoa(os.Getuid()),
		"--sentinel="+filepath.Join(dir, sentinelFile), "--dry-run")
	if err != nil {
		return nil, nil, err
	}
	helper, err = startProgram(dir, "helper", "--node-name="+programsNode, "--rebooter-socket="+socket, "--kubeconfig="+kubeconfig,
		"--pod-namespace="+pod.Namespace, "--pod-name="+pod.Name, "--health-probe-bind-address=127.0.0.1:0")
	return helper, rebooter, err
}

func startProgram(dir, name string, args ...string) (*exec.Cmd, error) {
	command := exec.Command(filepath.Join(dir, name), args...)
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	defer func() { _ = log.Close() }() // the child has its own
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	return command, nil
}

func end(command *exec.Cmd) error {
	if command == nil {
		return nil
	}
	if err := command.Process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("end %s, which should run: %w", command.Path, err)
	}
	_ = command.Wait() // it was killed
	return nil
}

func helperPodOn(ctx context.Context, f *fleet, node string) (*corev1.Pod, error) {
	var found *corev1.Pod
	err := untilHolds(ctx, f.cluster, &corev1.PodList{}, "the helper's pod", func(pod *corev1.Pod) bool {
		found = pod
		return pod.Namespace == f.cluster.Namespace() && pod.Spec.NodeName == node && pod.Status.Phase == corev1.PodRunning
	})
	return found, err
}

// podKubeconfig writes a kubeconfig with what a pod holds.
func podKubeconfig(ctx context.Context, cluster *testbed.Cluster, pod *corev1.Pod, path string) error {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: ptr.To[int64](3600),
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	accounts := cluster.Kubernetes().CoreV1().ServiceAccounts(pod.Namespace)
	answer, err := accounts.CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("request the helper's token: %w", err)
	}
	connection := cluster.Config()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: connection.Host, CertificateAuthorityData: connection.CAData}
	config.AuthInfos["a"] = &clientcmdapi.AuthInfo{Token: answer.Status.Token}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "a"}
	config.CurrentContext = "x"
	return clientcmd.WriteToFile(*config, path)
}

// measurePrograms reads the memory when nothing is to be done, lets the host ask for a reboot, and reads the most when that was
// reported.
func measurePrograms(ctx context.Context, say Say, f *fleet, sentinel string, helper, rebooter int) (Measured, error) {
	say("letting the programs settle")
	if err := pause(ctx, 15*time.Second); err != nil {
		return Measured{}, err
	}
	idleHelper, err := resident(helper, "VmRSS")
	if err != nil {
		return Measured{}, err
	}
	idleRebooter, err := resident(rebooter, "VmRSS")
	if err != nil {
		return Measured{}, err
	}
	say("the host asks for a reboot")
	if err := os.WriteFile(sentinel, nil, 0o600); err != nil {
		return Measured{}, fmt.Errorf("let the host ask for a reboot: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	err = untilHolds(limited, f.cluster, &v1alpha1.NodeRebootList{}, "the report of the helper", func(r *v1alpha1.NodeReboot) bool {
		return r.Spec.NodeName == programsNode && r.Status.Phase != ""
	})
	if err != nil {
		return Measured{}, err
	}
	mostHelper, err := resident(helper, "VmHWM")
	if err != nil {
		return Measured{}, err
	}
	mostRebooter, err := resident(rebooter, "VmHWM")
	return Measured{Figures: []Figure{
		memory("helper and rebooter together, most", mostHelper+mostRebooter).goal(goalHelper),
		memory("helper, idle", idleHelper),
		memory("rebooter, idle", idleRebooter),
	}}, err
}

// resident is memory of a process by its name in /proc, in bytes.
func resident(pid int, name string) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of a process: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				return 0, fmt.Errorf("read the memory of a process: %w", err)
			}
			return kib * 1024, nil
		}
	}
	return 0, fmt.Errorf("no %s of process %d", name, pid)
}
