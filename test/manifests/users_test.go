package manifests

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// unusedByHosts are the uids and gids that neither Linux distributions, nor systemd, nor images by custom give to anything.
const (
	firstUnused = 60706
	lastUnused  = 61183
)

// user is what one container runs as.
type user struct {
	container string
	uid, gid  int64
}

func usersOf(t *testing.T, objects Rendered) []user {
	t.Helper()
	helper, err := objects.HelperPod()
	if err != nil {
		t.Fatal(err)
	}
	manager, err := Find[appsv1.Deployment](objects, "Deployment", "reboot-operator-manager")
	if err != nil {
		t.Fatal(err)
	}
	var users []user
	for _, pod := range []*corev1.PodSpec{helper, &manager.Spec.Template.Spec} {
		for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
			for i := range containers {
				users = append(users, userOf(t, pod, &containers[i]))
			}
		}
	}
	return users
}

// userOf is the user of the container, otherwise of its pod. If neither names one, the image decides, which is not good enough.
func userOf(t *testing.T, pod *corev1.PodSpec, c *corev1.Container) user {
	t.Helper()
	uid, gid := c.SecurityContext.RunAsUser, c.SecurityContext.RunAsGroup
	if uid == nil {
		uid = pod.SecurityContext.RunAsUser
	}
	if gid == nil {
		gid = pod.SecurityContext.RunAsGroup
	}
	if uid == nil || gid == nil {
		t.Fatalf("container %s: the manifests do not say as whom it runs", c.Name)
	}
	if len(pod.SecurityContext.SupplementalGroups) > 0 {
		t.Errorf("container %s is in more groups: %v", c.Name, pod.SecurityContext.SupplementalGroups)
	}
	return user{container: c.Name, uid: *uid, gid: *gid}
}

func TestNoTwoProgramsShareAUserAndNoneHasOneOfOtherImages(t *testing.T) {
	for name, objects := range rendered(t) {
		t.Run(name, func(t *testing.T) {
			uids, gids := map[int64]string{}, map[int64]string{}
			for _, u := range usersOf(t, objects) {
				if other, taken := uids[u.uid]; taken {
					t.Errorf("%s and %s are both uid %d", other, u.container, u.uid)
				}
				if other, taken := gids[u.gid]; taken {
					t.Errorf("%s and %s are both gid %d", other, u.container, u.gid)
				}
				uids[u.uid], gids[u.gid] = u.container, u.container
				if u.container == "rebooter" {
					if u.uid != 0 {
						t.Errorf("logind does not listen to uid %d", u.uid)
					}
					continue
				}
				for _, id := range []int64{u.uid, u.gid} {
					if id < firstUnused || id > lastUnused {
						t.Errorf("%s runs as %d: choose a number from %d to %d, which nothing else uses", u.container, id, firstUnused, lastUnused)
					}
				}
			}
			if len(uids) != 3 {
				t.Errorf("users %v, want three", uids)
			}
		})
	}
}

func TestTheImageRunsAsTheManagersUser(t *testing.T) {
	content, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^USER (\d+):(\d+)$`).FindStringSubmatch(string(content))
	if found == nil {
		t.Fatal("the Dockerfile names no user by number")
	}
	for _, u := range usersOf(t, rendered(t)["default"]) {
		if u.container == "manager" && (found[1] != strconv.FormatInt(u.uid, 10) || found[2] != strconv.FormatInt(u.gid, 10)) {
			t.Errorf("the image runs as %s, the manager as %d:%d", strings.Join(found[1:], ":"), u.uid, u.gid)
		}
	}
}
