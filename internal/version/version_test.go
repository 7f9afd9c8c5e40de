package version

import (
	"runtime"
	"testing"
)

func TestAProgramSaysItsVersion(t *testing.T) {
	defer func(was string) { stamped = was }(stamped)
	stamped = ""
	if Get() == "" {
		t.Error("a build that was given no version says none")
	}
	stamped = "v1.2.3"
	if want := "reboot-operator helper v1.2.3 " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH; Describe("helper") != want {
		t.Errorf("got %q, want %q", Describe("helper"), want)
	}
}
