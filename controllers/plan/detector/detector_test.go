package detector

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/reboot-operator/reboot-operator/internal/rebooter/check"
)

// The names are PRETTY_NAME of os-release, as kubelets report them.
func TestWhichHostsMakeNeitherFile(t *testing.T) {
	for osImage, want := range map[string]string{
		// These make one of the files, or are not known: silence.
		"":                                                   "",
		"Debian GNU/Linux 12 (bookworm)":                     "",
		"Ubuntu 24.04.1 LTS":                                 "",
		"SUSE Linux Enterprise Server 15 SP6":                "",
		"openSUSE Leap 15.6":                                 "",
		"openSUSE Tumbleweed":                                "",
		"openSUSE MicroOS":                                   "",
		"SUSE Linux Micro 6.0":                               "",
		"Raspbian GNU/Linux 11 (bullseye)":                   "",
		"Microsoft Azure Linux 3.0":                          "",
		"Container-Optimized OS from Google":                 "",
		"Flatcar Container Linux by Kinvolk 4081.2.0 (Oklo)": "",
		"Windows Server 2022 Datacenter":                     "",
		"Simulated Linux":                                    "",
		"A fork of Red Hat Enterprise Linux 9":               "",
		"Fedoraish 41":                                       "",

		"Red Hat Enterprise Linux 8.10 (Ootpa)":              "--sentinel-preset=yum-utils",
		"Red Hat Enterprise Linux 9.4 (Plow)":                "--sentinel-preset=dnf",
		"Red Hat Enterprise Linux 10.0 (Coughlan)":           "--sentinel-preset=dnf",
		"Red Hat Enterprise Linux Server 7.9 (Maipo)":        "--sentinel-preset=yum-utils",
		"Red Hat Enterprise Linux CoreOS 416.94.20240":       "Machine Config Operator",
		"CentOS Stream CoreOS 9.0.20250510-0":                "Machine Config Operator",
		"Rocky Linux 9.4 (Blue Onyx)":                        "--sentinel-preset=dnf",
		"AlmaLinux 8.10 (Cerulean Leopard)":                  "--sentinel-preset=yum-utils",
		"Oracle Linux Server 9.4":                            "--sentinel-preset=dnf",
		"CentOS Stream 9":                                    "--sentinel-preset=dnf",
		"CentOS Linux 7 (Core)":                              "--sentinel-preset=yum-utils",
		"Fedora Linux 40 (Server Edition)":                   "--sentinel-preset=dnf",
		"Fedora Linux 41 (Server Edition)":                   "--sentinel-preset=dnf5",
		"Fedora CoreOS 40.20240825.3.0":                      "--sentinel-preset=rpm-ostree",
		"Fedora Linux 42.20250512.3.0 (CoreOS)":              "--sentinel-preset=rpm-ostree",
		"Fedora Linux 41 (IoT Edition)":                      "--sentinel-preset=rpm-ostree",
		"Amazon Linux 2":                                     "--sentinel-preset=yum-utils",
		"Amazon Linux 2023.6.20241010":                       "--sentinel-preset=dnf",
		"Flatcar Container Linux by Kinvolk 2905.2.3 (Oklo)": "update Flatcar to 3067",
		"Arch Linux":                            "--sentinel-kernel",
		"Bottlerocket OS 1.26.1 (aws-k8s-1.31)": "exclude them",
		"Talos (v1.11.2)":                       "exclude them",
	} {
		got := Missing(osImage)
		preset, _, _ := strings.Cut(got+" ", " (")
		if (got == "") != (want == "") || !strings.Contains(got, want) || got != "" && !strings.HasPrefix(got, osImage+": ") {
			t.Errorf("%s: %q, want %q", osImage, got, want)
		}
		if _, name, named := strings.Cut(want, "preset="); named && !strings.HasSuffix(strings.TrimSpace(got), "preset="+name) {
			t.Errorf("%s: %q, want the preset %s (%s)", osImage, got, name, preset)
		}
	}
}

func TestThePresetsThatItNamesAreThere(t *testing.T) {
	for _, osImage := range []string{"Fedora Linux 42", "Fedora Linux 39", "CentOS Linux 7", "Fedora CoreOS 40"} {
		_, name, _ := strings.Cut(Missing(osImage), "--sentinel-preset=")
		if _, err := check.Preset(name); err != nil {
			t.Errorf("%s: %v", osImage, err)
		}
	}
}

// A kubelet may write anything, and what it writes becomes part of a status.
func TestTheNameOfAnOperatingSystemIsBounded(t *testing.T) {
	got := Missing("Fedora Linux 41\n\x00\xff" + strings.Repeat("ä", 4000))
	name, _, _ := strings.Cut(got, ": ")
	if len(name) > maxName || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\x00") {
		t.Errorf("%d bytes: %q", len(name), got)
	}
	if got := Missing("Fedora Linux " + strings.Repeat("9", 100)); !strings.Contains(got, "dnf5") {
		t.Errorf("a number that is too large: %q", got)
	}
}

func TestWhetherSomeoneChose(t *testing.T) {
	const first, second = "--sentinel=/run/reboot-required", "--sentinel=/run/reboot-needed"
	for name, test := range map[string]struct {
		args []string
		want bool
	}{
		"the default":                {[]string{"--reboot-method=Logind", first, second}, false},
		"in another order and form":  {[]string{"-sentinel", "/run/reboot-needed", first}, false},
		"a preset":                   {[]string{first, second, "--sentinel-preset=dnf"}, true},
		"a preset in two words":      {[]string{first, second, "--sentinel-preset", "dnf"}, true},
		"a command":                  {[]string{first, second, "--sentinel-command=/bin/x"}, true},
		"a preset that is empty":     {[]string{first, second, "--sentinel-preset="}, false},
		"a command that is empty":    {[]string{first, second, "--sentinel-command="}, false},
		"the kernel":                 {[]string{first, second, "--sentinel-kernel"}, true},
		"not the kernel":             {[]string{first, second, "--sentinel-kernel=false"}, false},
		"nothing, on purpose":        {[]string{"--no-sentinel"}, true},
		"a file of one's own":        {[]string{first, second, "--sentinel=/var/lib/updates/reboot"}, true},
		"one of the two, on purpose": {[]string{first}, true},
		"one is named again":         {[]string{first, second, first}, true},
		"a variable":                 {[]string{"--sentinel=$(SENTINEL)"}, true},
		"another flag":               {[]string{first, second, "--sentinel-timeout=1m"}, false},
		"cut off":                    {[]string{first, second, "--sentinel"}, false},
	} {
		if got := Chosen(test.args); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
