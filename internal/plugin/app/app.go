// Package app is what all commands of the plugin share: streams, the connection to the cluster, the clock, and exit codes.
package app

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// App is what all commands share. Tests replace its fields.
type App struct {
	genericiooptions.IOStreams
	// Config is what kubectl's usual flags say.
	Config *genericclioptions.ConfigFlags
	// Clock that times are compared with.
	Clock clock.PassiveClock
	// Zone that times are written in; that of the person.
	Zone *time.Location
	// Connect makes a client of the cluster.
	Connect func() (client.WithWatch, error)
	// Size of the terminal that Out is; zero if it is none.
	Size func() (columns, rows int)
	// NoColor turns colors off on a terminal.
	NoColor bool
}

// New is the plugin of a person at a terminal.
func New(streams genericiooptions.IOStreams) *App {
	a := &App{IOStreams: streams, Config: genericclioptions.NewConfigFlags(true), Clock: clock.RealClock{}, Zone: time.Local}
	a.Connect = a.connect
	a.Size = a.size
	return a
}

// AddFlags adds kubectl's usual flags.
func (a *App) AddFlags(flags *pflag.FlagSet) {
	a.Config.AddFlags(flags)
	flags.BoolVar(&a.NoColor, "no-color", false, "Write no colors, the same as the environment variable NO_COLOR")
}

// Scheme knows the kinds that the plugin reads and writes.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the kinds of Kubernetes: %w", err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the kinds of reboot-operator: %w", err)
	}
	return scheme, nil
}

// RESTConfig is how the cluster is reached.
func (a *App) RESTConfig() (*rest.Config, error) {
	config, err := a.Config.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	return config, nil
}

func (a *App) connect() (client.WithWatch, error) {
	config, err := a.RESTConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // the API server limits by itself, fairly; a limit of the client makes 1,000 nodes take minutes
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return c, nil
}

// descriptor is a stream that is a file.
type descriptor interface{ Fd() uintptr }

func (a *App) size() (columns, rows int) {
	file, is := a.Out.(descriptor)
	if !is {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, rows
}
