package hostfs

import (
	"strings"
	"testing"
)

const mountinfo = `1000 900 0:50 / / ro,relatime master:1 - overlay overlay rw
1001 1000 0:51 / /proc rw - proc proc rw
1010 1000 0:24 / /host/run ro,nosuid master:5 - tmpfs tmpfs rw,size=803940k
1011 1010 0:60 / /host/run/user/0 rw - tmpfs tmpfs rw
1012 1000 8:1 /var/lib/my\040updates /host/var/lib/my\040updates ro - ext4 /dev/sda1 rw
1013 1000 8:1 /srv/gone//deleted /host/srv/gone ro - ext4 /dev/sda1 rw
1014 1013 0:70 / /host/srv/gone ro - tmpfs tmpfs rw
1015 1000 8:1 /srv/old//deleted /host/srv/old ro - ext4 /dev/sda1 rw
`

func TestTheMountOfAPathIsTheOneThatIsSeenThere(t *testing.T) {
	for path, want := range map[string]mount{
		"/host/run":                     {"/", "/host/run"},
		"/host/run/reboot-required":     {"/", "/host/run"},
		"/host/runner":                  {"/", "/"},
		"/host/run/user/0/x":            {"/", "/host/run/user/0"},
		"/host/var/lib/my updates/file": {"/var/lib/my updates", "/host/var/lib/my updates"},
		"/host/etc":                     {"/", "/"},
		"/host/srv/gone/file":           {"/", "/host/srv/gone"},
		"/host/srv/old":                 {"/srv/old//deleted", "/host/srv/old"},
	} {
		if got, err := mountOf(path, strings.NewReader(mountinfo)); err != nil || got != want {
			t.Errorf("%s: error %v, mount %+v, want %+v", path, err, got, want)
		}
	}
	for name, content := range map[string]string{"empty": "", "no mountinfo": "a b c\n"} {
		if got, err := mountOf("/host", strings.NewReader(content)); err == nil {
			t.Errorf("%s: mount %+v", name, got)
		}
	}
}

func TestEscapesOfTheKernelAreUndone(t *testing.T) {
	for text, want := range map[string]string{
		`/plain`: "/plain", `/a\040b\011c\134d`: "/a b\tc\\d", `/odd\9`: `/odd\9`, `/odd\999\400`: `/odd\999\400`, `\`: `\`, `\04`: `\04`,
	} {
		if got := unescape(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestADirectoryThatIsNotMountedIsNotTheHosts(t *testing.T) {
	root := newRoot(t, nil, "run/file")
	for _, directory := range []string{"/run", "/missing/directory"} {
		err := root.CheckMounted(directory)
		want := "the directory " + directory + " is not mounted from the host: add a volume with hostPath " + directory + " to the pod"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	loop := newRoot(t, map[string]string{"loop": "loop"})
	for directory, want := range map[string]string{"run": "is not an absolute path", "/loop": "too many symbolic links"} {
		if err := loop.CheckMounted(directory); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", directory, err, want)
		}
	}
	if err := Root("/").CheckMounted("/missing"); err != nil {
		t.Errorf("outside of a container: %v", err)
	}
}
