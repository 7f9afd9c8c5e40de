// Package snapshot is the command that saves what a plan depends on.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
)

const about = `Save all objects that a plan depends on to a file.

Look ahead from the file later, on another machine, or in a pull request, without a cluster:

  kubectl reboots snapshot -o cluster.yaml
  kubectl reboots plan --from cluster.yaml -f policy.yaml

The file is YAML: a List for each kind, with one object on each line. Of Pods, Nodes and workloads it has only what a plan reads: names,
labels, owners, whether they are ready. It has no Secrets, no environment variables, no receivers of notifications, and no commands of
containers but the options of the operator itself. NodeReboots are whole, with the names of the people who asked for them. Look at the file
before you make it public: names, labels, and URLs of gates may say something about you.

Exit codes: 0 if the file is complete, 1 if the cluster could not be read, 2 if the command line is wrong.`

// Command saves a snapshot.
func Command(a *app.App) *cobra.Command {
	file := ""
	command := &cobra.Command{
		Use: "snapshot [-o FILE]", Short: "Save to a file what a plan depends on", Long: about, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return run(command.Context(), a, file) },
	}
	command.Flags().StringVarP(&file, "output", "o", "", "The file to write; empty or - is the standard output")
	return command
}

func run(ctx context.Context, a *app.App, file string) error {
	if _, err := os.Stat(filepath.Dir(file)); err != nil { // known before a large cluster is read
		return fmt.Errorf("save the snapshot: %w", err)
	}
	c, err := a.Connect()
	if err != nil {
		return err
	}
	cluster, err := objects.Read(ctx, c, *a.Config.Namespace, a.Clock.Now())
	if err != nil {
		return err
	}
	if file == "" || file == "-" {
		err = cluster.Write(a.Out)
	} else {
		err = save(cluster, file)
	}
	if err != nil {
		return err
	}
	for _, unknown := range cluster.Unknown {
		if _, err := fmt.Fprintln(a.ErrOut, "note:", unknown); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(a.ErrOut, summary(cluster, file))
	return err
}

// summary says what was saved, and what comes next.
func summary(cluster *objects.Cluster, file string) string {
	saved := fmt.Sprintf("Saved %s, %s, %s and %s", model.Counted(len(cluster.Policies), "policy", "policies"),
		model.Count(len(cluster.Reboots), "NodeReboot"), model.Count(len(cluster.Nodes), "node"),
		model.Count(len(cluster.Pods), "pod"))
	if file == "" || file == "-" {
		return saved + "."
	}
	return fmt.Sprintf("%s to %s.\nSee what comes next: kubectl reboots plan --from %s", saved, file, file)
}

// save writes a file as a whole or not at all. It writes into anything that is not a regular file, such as a pipe.
func save(cluster *objects.Cluster, file string) (err error) {
	if info, statErr := os.Stat(file); statErr == nil && !info.Mode().IsRegular() {
		target, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("save the snapshot: %w", err)
		}
		return errors.Join(cluster.Write(target), target.Close())
	}
	target, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("save the snapshot: %w", err)
	}
	err = errors.Join(cluster.Write(target), target.Close())
	if err == nil {
		err = os.Rename(target.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("save the snapshot to %s: %w", file, err), os.Remove(target.Name()))
	}
	return nil
}
