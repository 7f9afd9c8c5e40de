package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The images that the machines get. They are in no registry, so nothing can pull them.
const (
	operatorImage = "localhost/reboot-operator:node-test"
	workloadImage = "localhost/workload:node-test"
)

// imageArchives builds both images from the source and returns archives of them, in dir.
func imageArchives(ctx context.Context, source, dir string) ([]string, error) {
	// The operator's image is built as everybody builds it.
	if err := run(ctx, source, "make", "docker-build", "CONTAINER_TOOL=buildah", "IMG="+operatorImage); err != nil {
		return nil, fmt.Errorf("build the operator's image: %w", err)
	}
	if err := buildWorkload(ctx, source, filepath.Join(dir, "workload")); err != nil {
		return nil, fmt.Errorf("build the image of the workload: %w", err)
	}
	var archives []string
	for name, image := range map[string]string{"operator": operatorImage, "workload": workloadImage} {
		archive := filepath.Join(dir, name+".tar")
		if err := buildah(ctx, "push", image, "docker-archive:"+archive+":"+image); err != nil {
			return nil, err
		}
		archives = append(archives, archive)
	}
	return archives, buildah(ctx, "rmi", operatorImage, workloadImage)
}

func buildWorkload(ctx context.Context, source, dir string) error {
	binary := filepath.Join(dir, "workload")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./test/node/workload")
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, output)
	}
	dockerfile := filepath.Join(dir, "Dockerfile")
	const content = "FROM scratch\nCOPY workload /workload\nENTRYPOINT [\"/workload\"]\nCMD [\"pause\"]\n"
	if err := os.WriteFile(dockerfile, []byte(content), plainFile); err != nil {
		return err
	}
	return buildah(ctx, "bud", "--isolation", "chroot", "--tag", workloadImage, "--file", dockerfile, dir)
}

func buildah(ctx context.Context, command string, args ...string) error {
	return run(ctx, "", "buildah", append([]string{command, "--storage-driver", "vfs"}, args...)...)
}
