package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// pushCommand pushes the one image, index or chart of an OCI layout, byte by byte as it is, and prints its name with its digest. Whoever
// logged in with docker, podman or buildah is logged in here as well.
func pushCommand(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("push", flag.ContinueOnError)
	from, to := flags.String("layout", "", "the folder with an OCI layout"), flags.String("to", "", "the name, with a tag")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	const example = "registry.example.com/team/reboot-operator:v1.2.3"
	if strings.Contains(*to, "://") {
		return fmt.Errorf("%q is no name of an image: write it without a scheme, such as %s", *to, example)
	}
	tag, err := name.NewTag(*to)
	if err != nil {
		return fmt.Errorf("%q is no name of an image, such as %s: %w", *to, example, err)
	}
	digest, err := push(ctx, *from, tag)
	var refused *transport.Error
	if errors.As(err, &refused) && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden) {
		return fmt.Errorf("push %s: log in as someone who may push there, such as by docker login %s: %w", tag, tag.RegistryStr(), err)
	}
	if err != nil {
		return fmt.Errorf("push %s: %w", tag, err)
	}
	_, err = fmt.Fprintf(out, "%s@%s\n", tag, digest)
	return err
}

func push(ctx context.Context, from string, tag name.Tag) (v1.Hash, error) {
	root, err := layout.ImageIndexFromPath(from)
	if err != nil {
		return v1.Hash{}, err
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	if len(manifest.Manifests) != 1 {
		return v1.Hash{}, fmt.Errorf("%s has %d images, and should have one", from, len(manifest.Manifests))
	}
	only := manifest.Manifests[0]
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if only.MediaType.IsIndex() {
		index, err := root.ImageIndex(only.Digest)
		if err != nil {
			return v1.Hash{}, err
		}
		return only.Digest, remote.WriteIndex(tag, index, options...)
	}
	image, err := root.Image(only.Digest)
	if err != nil {
		return v1.Hash{}, err
	}
	return only.Digest, remote.Write(tag, image, options...)
}
