// Package completion is the command that writes what shells need to complete command lines of the plugin.
package completion

import (
	_ "embed" // the program that kubectl runs
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// forKubectl is a program that kubectl runs to complete "kubectl reboots".
//
//go:embed kubectl_complete-reboots
var forKubectl string

const about = `Print a script that completes command lines, with the names of nodes, policies and NodeReboots of the cluster.

"kubectl reboots" is completed by kubectl, if a program kubectl_complete-reboots is in the PATH. The archives of a release have it next to
kubectl-reboots; this writes it, too:

  kubectl reboots completion kubectl > ~/bin/kubectl_complete-reboots
  chmod +x ~/bin/kubectl_complete-reboots

The others complete "kubectl-reboots" in a shell. For bash, for example:

  source <(kubectl-reboots completion bash)`

// Command is "completion".
func Command(a *app.App) *cobra.Command {
	shells := map[string]func(*cobra.Command, io.Writer) error{
		"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":        func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
		"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) },
		"kubectl":    func(_ *cobra.Command, w io.Writer) error { _, err := io.WriteString(w, forKubectl); return err },
	}
	names := []string{"bash", "fish", "kubectl", "powershell", "zsh"}
	return &cobra.Command{
		Use: "completion (bash | fish | kubectl | powershell | zsh)", Short: "Print a completion script for your shell", Long: about,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || shells[args[0]] == nil {
				return app.UsageError{Err: fmt.Errorf("write one of %v", names)}
			}
			return nil
		},
		ValidArgs: names, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			defer func(use string) { root.Use = use }(root.Use)
			root.Use = "kubectl-reboots" // the name of the program that shells complete
			if err := shells[args[0]](root, a.Out); err != nil {
				return fmt.Errorf("write the completion: %w", err)
			}
			return nil
		},
	}
}
