package completion_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

func TestEachShellHasACompletionOfItsOwn(t *testing.T) {
	t.Parallel()
	for shell, want := range map[string]string{
		"bash": "complete -o default -F __start_kubectl-reboots kubectl-reboots",
		"zsh":  "#compdef kubectl-reboots", "fish": "complete -c kubectl-reboots",
		"powershell": "-CommandName 'kubectl-reboots'", "kubectl": `exec kubectl-reboots __complete "$@"`,
	} {
		code, out, errOut := plugintest.New(t, 0).Run(plugin.Run, "completion", shell)
		if code != app.ExitOK || !strings.Contains(out, want) {
			t.Errorf("%s ended with %d: %s\n%s", shell, code, errOut, out)
		}
	}
	for _, args := range [][]string{{"completion"}, {"completion", "sh"}, {"completion", "bash", "zsh"}} {
		if code, _, _ := plugintest.New(t, 0).Run(plugin.Run, args...); code != app.ExitUsage {
			t.Errorf("%v ended with %d", args, code)
		}
	}
}

func TestTheCompletionForBashIsBash(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	_, out, _ := plugintest.New(t, 0).Run(plugin.Run, "completion", "bash")
	check := exec.CommandContext(t.Context(), bash, "-n")
	check.Stdin = strings.NewReader(out)
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

func TestCommandLinesAreCompleted(t *testing.T) {
	t.Parallel()
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	terminal := plugintest.New(t, 0, &corev1.Node{ObjectMeta: named("w1")}, &corev1.Node{ObjectMeta: named("w2")},
		&v1alpha1.RebootPolicy{ObjectMeta: named("workers")}, &v1alpha1.NodeReboot{ObjectMeta: named("w1-7")})
	for line, want := range map[string]string{
		"cancel w":               "w1\nw1-7\nw2\n:4\n",
		"skip w1 ":               "w2\n:4\n",
		"pause ":                 "workers\n:4\n",
		"wait w2":                "w2\n:4\n",
		"cancel --policy ":       "workers\n:4\n",
		"cancel -o ":             "json\nyaml\nname\n:4\n",
		"resume workers --mode ": "Enforce\nObserve\n:4\n",
		"wait --for ":            "proved\nidle\n:4\n",
		"completion k":           "kubectl\n:4\n",
	} {
		code, out, errOut := terminal.Run(plugin.Run, append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if code != app.ExitOK || out != want {
			t.Errorf("%q ended with %d: %s\n%s", line, code, out, errOut)
		}
	}
}

func TestKubectlCanRunItsProgram(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "kubectl-reboots"), []byte("#!/bin/sh\necho \"$# $*\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(t.Context(), "./kubectl_complete-reboots", "cancel", "a b")
	program.Env = []string{"PATH=" + folder + ":" + os.Getenv("PATH")}
	out, err := program.CombinedOutput()
	if err != nil || string(out) != "3 __complete cancel a b\n" {
		t.Errorf("%v: %s", err, out)
	}
}
