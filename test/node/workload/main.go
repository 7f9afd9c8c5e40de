// Command workload runs in the pods of the test other than the operator's: the sandbox of every pod, applications that take their time to
// end, and a probe that tries what it may do.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// commands are the first argument and what it does. Each gets the other arguments.
var commands = map[string]func([]string) error{
	"pause": pause,
	"probe": probe,
	"serve": serve,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: workload pause | serve STOP-DURATION | probe NODE NAMESPACE POD")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pause holds a pod's sandbox open until it has to end.
func pause([]string) error {
	<-terminated()
	return nil
}

// serve runs until it has to end, and then for as long as the argument says.
func serve(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("serve: want one duration, got %q", args)
	}
	stop, err := time.ParseDuration(args[0])
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	say("started")
	<-terminated()
	say("told to stop")
	time.Sleep(stop)
	say("stopped in order")
	return nil
}

func say(what string) { fmt.Println(time.Now().UTC().Format(time.RFC3339Nano), what) }

func terminated() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	return signals
}
