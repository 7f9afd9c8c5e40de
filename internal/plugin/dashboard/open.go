package dashboard

import (
	"context"
	"os/exec"
	"runtime"
)

// openBrowser opens an address in the browser of the person. It does not wait for the browser.
func openBrowser(ctx context.Context, address string) error {
	name, args := browser(runtime.GOOS)
	command := exec.CommandContext(context.WithoutCancel(ctx), name, append(args, address)...)
	if err := command.Start(); err != nil {
		return err
	}
	// The program ends as soon as it has told the browser.
	go func() { _ = command.Wait() }()
	return nil
}

// browser is the program that opens addresses on a system.
func browser(system string) (name string, args []string) {
	switch system {
	case "darwin":
		return "open", nil
	case "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler"}
	}
	return "xdg-open", nil
}
