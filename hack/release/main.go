// Command release makes what a release publishes, from programs that `make build` has built: the image for all platforms, the packed chart,
// archives of the kubectl plugin and its manifest for krew, notes, and checksums. It reads no clock, so that everybody who runs it on one
// commit gets the same bytes. `make release` and `make push-to` run it; docs/releasing.md says how.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// command is one thing that the program does. What it prints for a caller goes to the writer.
type command func(ctx context.Context, args []string, out io.Writer) error

func commands() map[string]command {
	return map[string]command{
		"check":     checkCommand,
		"prepare":   prepareCommand,
		"image":     imageCommand,
		"chart":     chartCommand,
		"archive":   archiveCommand,
		"krew":      krewCommand,
		"notes":     notesCommand,
		"bill":      billCommand,
		"checksums": checksumsCommand,
		"push":      pushCommand,
		"tag":       tagCommand,
	}
}

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	all := commands()
	names := strings.Join(slices.Sorted(maps.Keys(all)), ", ")
	if len(args) == 0 {
		return fmt.Errorf("say what to do: %s", names)
	}
	chosen, ok := all[args[0]]
	if !ok {
		return fmt.Errorf("%q is none of %s", args[0], names)
	}
	return chosen(ctx, args[1:], out)
}

// parse reads flags and says which of them are missing: all have to be set. It returns what follows them.
func parse(flags *flag.FlagSet, args []string) ([]string, error) {
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	var missing []string
	flags.VisitAll(func(one *flag.Flag) {
		if one.Value.String() == "" {
			missing = append(missing, "-"+one.Name)
		}
	})
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: %s missing", flags.Name(), strings.Join(missing, ", "))
	}
	return flags.Args(), nil
}
