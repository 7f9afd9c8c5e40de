// Command rebooter runs next to the helper on every node: it reports the host's state to the helper, and asks the host to reboot when the
// helper says so. It has no access to the API server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/logging"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/check"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/machine"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/sentinel"
	"github.com/reboot-operator/reboot-operator/internal/version"
)

// probeTimeout is how long the rebooter may take to answer a probe.
const probeTimeout = 3 * time.Second

// flags are the command line.
type flags struct {
	socket    string
	helperUID uint
	probe     bool
	version   bool
	machine   machine.Options
	log       logging.Options
}

func main() {
	f, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	}
	if f.version {
		fmt.Println(version.Describe("rebooter"))
		return
	}
	log := slog.New(f.log.Handler(os.Stderr))
	if err := run(f, log); err != nil {
		log.Error("Rebooter ended", "error", err)
		os.Exit(1)
	}
}

// parse reads the command line and says on output what is wrong with it.
func parse(args []string, output io.Writer) (flags, error) {
	f := flags{machine: machine.Options{
		After: time.After,
		Sentinel: machine.SentinelCommand{
			Program: check.Program{Timeout: time.Minute}, Interval: sentinel.DefaultInterval,
		},
	}}
	set := flag.NewFlagSet("rebooter", flag.ContinueOnError)
	set.SetOutput(output)
	set.StringVar(&f.socket, "socket", rebooter.DefaultSocket, "The socket on which to listen for the helper.")
	set.UintVar(&f.helperUID, "helper-uid", rebooter.DefaultHelperUID, "The ID of the user that the helper runs as. Requests of other users "+
		"are refused.")
	set.BoolVar(&f.probe, "probe", false,
		"Only ask the rebooter that listens on the socket for an answer; the exit status says whether it came.")
	set.StringVar(&f.machine.Method, "reboot-method", rebooter.MethodLogind, "How to reboot: "+machine.MethodNames()+".")
	set.Func("allowed-reboot-methods", "More methods that a policy may choose, separated by commas.", func(value string) error {
		f.machine.Allowed = strings.Split(value, ",")
		return nil
	})
	set.Func("reboot-command", "The program for the method Command, with its path; repeat it for each argument.", func(value string) error {
		f.machine.Command = append(f.machine.Command, value)
		return nil
	})
	set.StringVar(&f.machine.HostRoot, "host-root", "/", "The directory below which the host's files are mounted.")
	set.Func("sentinel", "A file of the host that exists when it needs a reboot, by its absolute path there. Can be repeated. "+
		"Its directory has to be a volume, below the directory of --host-root.", func(value string) error {
		f.machine.Sentinels = append(f.machine.Sentinels, value)
		return nil
	})
	set.BoolVar(&f.machine.NoSentinel, "no-sentinel", false,
		"The host itself never asks for a reboot. Only people and conditions of its node do.")
	sentinelFlags(set, &f.machine)
	set.BoolVar(&f.machine.HostNamespaces, "host-namespaces", false,
		"Run commands as programs of the host, in its namespaces. The pod needs the host's process namespace, the container privileges.")
	set.BoolVar(&f.machine.DryRun, "dry-run", false, "Log that the host would be rebooted, and do not reboot it.")
	f.log.AddFlags(set.Func)
	set.BoolVar(&f.version, "version", false, "Print the version and exit.")
	if err := set.Parse(args); err != nil {
		return flags{}, err
	}
	if set.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q", set.Arg(0))
		_, _ = fmt.Fprintln(output, err)
		return flags{}, err
	}
	return f, nil
}

// sentinelFlags are those of the program that says whether the host needs a reboot, and of what needs none.
func sentinelFlags(set *flag.FlagSet, options *machine.Options) {
	set.BoolVar(&options.SentinelKernel, "sentinel-kernel", false,
		"The host needs a reboot when a newer kernel of the running one's flavor was installed since it booted. "+
			"Needs the host's /lib/modules and /boot as volumes below the directory of --host-root.")
	command := &options.Sentinel
	set.Func("sentinel-preset", "A program of a distribution that says whether the host needs a reboot: "+
		strings.Join(check.PresetNames(), ", ")+".", func(name string) error {
		if len(command.Command) > 0 {
			return errors.New("there can be only one sentinel command or preset")
		}
		preset, err := check.Preset(name)
		command.Command, command.ExitCodes, command.RequiredOutput = preset.Command, preset.ExitCodes, preset.RequiredOutput
		return err
	})
	set.Func("sentinel-command", "A program that says by its exit code whether the host needs a reboot, with its path; "+
		"repeat it for each argument.", func(value string) error {
		command.Command = append(command.Command, value)
		return nil
	})
	set.Func("sentinel-exit-codes", "What the exit codes of the sentinel command mean, such as 0=NotRequired,1=Required. "+
		"All others mean that it is unknown.", func(value string) (err error) {
		command.ExitCodes, err = check.ParseExitCodes(value)
		return err
	})
	set.StringVar(&command.RequiredOutput, "sentinel-required-output", "",
		"Text that the output of the sentinel command must contain for an exit code that means Required to count.")
	set.DurationVar(&command.Timeout, "sentinel-timeout", command.Timeout, "How long the sentinel command may take.")
	set.DurationVar(&command.Interval, "sentinel-command-interval", command.Interval, "How often to run the sentinel command.")
}

func run(f flags, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if f.probe {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		return (&rebooter.Client{Socket: f.socket, Now: time.Now}).Ping(ctx)
	}
	f.machine.Log = log
	host, err := machine.New(ctx, f.machine)
	if err != nil {
		return err
	}
	listener, err := rebooter.Listen(ctx, f.socket)
	if err != nil {
		return fmt.Errorf("listen for the helper: %w", err)
	}
	log.Info("Listening for the helper", "socket", f.socket, "method", f.machine.Method, "allowed", f.machine.Allowed)
	server := &rebooter.Server{Machine: host, HelperUID: uint32(f.helperUID), Log: log, Now: time.Now, After: time.After}
	return server.Serve(ctx, listener)
}
