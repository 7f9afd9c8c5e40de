package manifests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// tool is the path of a program, without which the test is skipped.
func tool(t *testing.T, name, debianPackage string) string {
	t.Helper()
	for _, directory := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if path, err := exec.LookPath(filepath.Join(directory, name)); err == nil {
			return path
		}
	}
	t.Skipf("%s is missing (Debian package %s)", name, debianPackage)
	return ""
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, output)
	}
}

// appArmorProfile and selinuxModule are what has to be loaded on nodes for the components of these names.
const (
	appArmorProfile = "../../config/components/apparmor/reboot-operator-rebooter"
	selinuxModule   = "../../config/components/selinux/reboot_operator.te"
)

func TestTheAppArmorProfileIsOne(t *testing.T) {
	parser := tool(t, "apparmor_parser", "apparmor")
	run(t, parser, "--skip-kernel-load", "--skip-cache", appArmorProfile)
	// A parser that takes everything would prove nothing.
	broken := filepath.Join(t.TempDir(), "broken")
	content, err := os.ReadFile(appArmorProfile)
	if err == nil {
		err = os.WriteFile(broken, slices.Concat(content, []byte("}")), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.CommandContext(t.Context(), parser, "--skip-kernel-load", "--skip-cache", broken).Run(); err == nil {
		t.Error("the parser takes a broken profile")
	}
}

func TestTheSELinuxModuleCompiles(t *testing.T) {
	compiler := tool(t, "checkmodule", "checkpolicy")
	module := filepath.Join(t.TempDir(), "reboot_operator.mod")
	run(t, compiler, "-M", "-m", "-o", module, selinuxModule)
	if packer, err := exec.LookPath("semodule_package"); err == nil {
		run(t, packer, "-o", module+".pp", "-m", module)
	}
}

// One name, or several in braces.
var (
	allowRule = regexp.MustCompile(`(?m)^allow (\w+|\{[^}]*\}) (\w+|\{[^}]*\}):(\w+) (\w+|\{[^}]*\});$`)
	names     = regexp.MustCompile(`\w+`)
)

// A compiler does not know what a type needs. This much container-selinux does not give to every container_domain: container_t has it from
// container_manage_files_template, and may connect to no other container.
func TestTheSELinuxTypeMayDoWhatTheRebooterDoes(t *testing.T) {
	content, err := os.ReadFile(selinuxModule)
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, rule := range allowRule.FindAllStringSubmatch(string(content), -1) {
		for _, source := range names.FindAllString(rule[1], -1) {
			for _, target := range names.FindAllString(rule[2], -1) {
				for _, permission := range names.FindAllString(rule[4], -1) {
					allowed[source+" "+target+" "+rule[3]+" "+permission] = true
				}
			}
		}
	}
	for what, needs := range map[string]string{
		"run its program":             "reboot_operator_t container_file_t file: execute getattr map open read",
		"find its program and socket": "reboot_operator_t container_file_t dir: getattr search",
		"have /dev/null as its input": "reboot_operator_t container_file_t chr_file: read write",
		"make the socket":             "reboot_operator_t container_file_t dir: add_name remove_name write",
		"bind it":                     "reboot_operator_t container_file_t sock_file: create getattr setattr unlink",
		"connect to it for a probe":   "reboot_operator_t container_file_t sock_file: write",
		"be asked by the helper":      "container_t reboot_operator_t unix_stream_socket: connectto",
		"see sentinels come and go":   "reboot_operator_t var_run_t dir: getattr open read search watch",
		"reach the bus":               "reboot_operator_t system_dbusd_t unix_stream_socket: connectto",
		"ask logind":                  "reboot_operator_t systemd_logind_t dbus: send_msg",
		"hear what logind answers":    "systemd_logind_t reboot_operator_t dbus: send_msg",
		"know when the host booted":   "reboot_operator_t proc_t file: getattr open read",
	} {
		between, permissions, _ := strings.Cut(needs, ":")
		for _, permission := range strings.Fields(permissions) {
			if !allowed[between+" "+permission] {
				t.Errorf("it cannot %s: no rule allows %s %s", what, between, permission)
			}
		}
	}
}

var busCall = regexp.MustCompile(`[.]([A-Z]\w+)"[,)]|order\(ctx, manager, "(\w+)"`)

func TestTheAppArmorProfileAllowsWhatTheRebooterAsksOnTheBus(t *testing.T) {
	profile, err := os.ReadFile(appArmorProfile)
	if err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for _, members := range regexp.MustCompile(`member=(\w+|\{[^}]*\})`).FindAllStringSubmatch(string(profile), -1) {
		allowed = append(allowed, names.FindAllString(members[1], -1)...)
	}
	sources, err := filepath.Glob("../../internal/rebooter/machine/*.go")
	if err != nil {
		t.Fatal(err)
	}
	asked := []string{"Hello"} // by the library
	for _, source := range sources {
		content, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		for _, call := range busCall.FindAllStringSubmatch(string(content), -1) {
			asked = append(asked, call[1]+call[2])
		}
	}
	sorted := func(members []string) []string { return slices.Compact(slices.Sorted(slices.Values(members))) }
	if diff := cmp.Diff(sorted(asked), sorted(allowed)); diff != "" {
		t.Errorf("members (-asked for +allowed):\n%s", diff)
	}
}

// What is loaded on the nodes has the names that the pod asks for.
func TestTheNamesOfProfileAndTypeAreThoseInTheFiles(t *testing.T) {
	for path, declaration := range map[string]string{
		appArmorProfile: "\nprofile " + filepath.Base(appArmorProfile) + " ", selinuxModule: "\ntype reboot_operator_t;\n",
	} {
		content, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(content), declaration) {
			t.Errorf("%s: error %v, no %q", path, err, declaration)
		}
	}
}

func TestComponentsThatConfineTheRebooterChangeNothingElse(t *testing.T) {
	for component, want := range map[string]func(*corev1.SecurityContext){
		"apparmor": func(s *corev1.SecurityContext) {
			s.AppArmorProfile = &corev1.AppArmorProfile{
				Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: ptr.To(filepath.Base(appArmorProfile)),
			}
		},
		"selinux": func(s *corev1.SecurityContext) { s.SELinuxOptions.Type = "reboot_operator_t" },
	} {
		t.Run(component, func(t *testing.T) {
			installed, err := Render("default")
			if err != nil {
				t.Fatal(err)
			}
			pod, err := installed.HelperPod()
			if err != nil {
				t.Fatal(err)
			}
			want(container(t, pod, "rebooter").SecurityContext)
			confined, err := RenderWith(component)
			if err != nil {
				t.Fatal(err)
			}
			got, err := confined.HelperPod()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(pod, got); diff != "" {
				t.Errorf("pod (-want +got):\n%s", diff)
			}
			others := func(rendered Rendered) map[string]string {
				texts := map[string]string{}
				for _, object := range rendered {
					if object.Name() != "reboot-operator-helper" || object.Kind() != "DaemonSet" {
						texts[object.Kind()+" "+object.Name()] = YAML(object)
					}
				}
				return texts
			}
			if diff := cmp.Diff(others(installed), others(confined)); diff != "" {
				t.Errorf("other objects (-default +with the component):\n%s", diff)
			}
		})
	}
}
