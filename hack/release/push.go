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

// pushCommand pushes the one image, index or chart of an OCI layout by its digest, and then tags it. It prints the name with tag and
// digest. Nothing is sent unless every byte of the layout matches the digest. It uses the login of docker, podman or buildah.
func pushCommand(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("push", flag.ContinueOnError)
	from := flags.String("layout", "", "the folder with an OCI layout")
	tagged := flags.Bool("tag", true, "tag it; otherwise only check that the tag is free, for a later release tag")
	return toRegistry(ctx, flags, args, out, func(to target) error {
		pushed, err := readLayout(*from, to.want)
		if err != nil {
			return err
		}
		if err := to.push(pushed); err != nil || !*tagged {
			return err
		}
		return to.move()
	})
}

// tagCommand tags what is in the registry already. It prints the name with tag and digest.
func tagCommand(ctx context.Context, args []string, out io.Writer) error {
	return toRegistry(ctx, flag.NewFlagSet("tag", flag.ContinueOnError), args, out, target.move)
}

// toRegistry reads flags, does something in a registry, and prints the name with tag and digest.
func toRegistry(ctx context.Context, flags *flag.FlagSet, args []string, out io.Writer, do func(target) error) error {
	reference := flags.String("to", "", "the name, with a tag")
	want := flags.String("want", "", "the digest, such as sha256:2c26...")
	replace := flags.Bool("replace", false, "move a tag that names something else")
	insecure := flags.Bool("insecure", false, "try HTTP as well; everyone on the network can read credentials then")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	to, err := newTarget(ctx, *reference, *want, *insecure)
	if err != nil {
		return err
	}
	to.replace = *replace
	err = do(to)
	if denied(err) {
		return fmt.Errorf("push %s: log in as someone who may push there, such as by docker login %s: %w", to.tag, to.tag.RegistryStr(), err)
	}
	if err != nil {
		return fmt.Errorf("push %s: %w", to.tag, err)
	}
	_, err = fmt.Fprintf(out, "%s@%s\n", to.tag, to.want)
	return err
}

// target is what is pushed, and where to.
type target struct {
	tag  name.Tag
	want v1.Hash
	// replace lets a tag move that names something else.
	replace bool
	options []remote.Option
}

func newTarget(ctx context.Context, to, want string, insecure bool) (target, error) {
	const example = "registry.example.com/team/reboot-operator:v1.2.3"
	if strings.Contains(to, "://") {
		return target{}, fmt.Errorf("%q is no name of an image: write it without a scheme, such as %s", to, example)
	}
	digest, err := v1.NewHash(want)
	if err != nil {
		return target{}, fmt.Errorf("-want=%s is not a digest: %w", want, err)
	}
	options, through := []name.Option{}, http.RoundTripper(encrypted{remote.DefaultTransport})
	if insecure {
		options, through = append(options, name.Insecure), remote.DefaultTransport
	}
	tag, err := name.NewTag(to, options...)
	if err != nil {
		return target{}, fmt.Errorf("%q is no name of an image, such as %s: %w", to, example, err)
	}
	return target{tag: tag, want: digest, options: []remote.Option{
		remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(through),
	}}, nil
}

// push uploads by digest, and checks that the registry has it. It sends nothing if the tag is taken.
func (t target) push(pushed remote.Taggable) error {
	// Some registries deny this before anything was pushed. Whether one may push shows below, and move looks again.
	if err := t.free(); err != nil && !denied(err) {
		return err
	}
	digest := t.tag.Digest(t.want.String())
	var err error
	switch kind := pushed.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(digest, kind, t.options...)
	case v1.Image:
		err = remote.Write(digest, kind, t.options...)
	default:
		err = fmt.Errorf("%T is neither an image nor an index", pushed)
	}
	if err != nil {
		return err
	}
	return t.has(digest)
}

// move lets the tag name what has the digest. Nobody sees a version before that.
func (t target) move() error {
	pushed, err := remote.Get(t.tag.Digest(t.want.String()), t.options...)
	if err != nil {
		return err
	}
	if err := t.free(); err != nil {
		return err
	}
	if err := remote.Tag(t.tag, pushed, t.options...); err != nil {
		return err
	}
	return t.has(t.tag)
}

// free returns an error if the tag names something else.
func (t target) free() error {
	found, err := remote.Head(t.tag, t.options...)
	var answer *transport.Error
	switch {
	case errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound:
		return nil
	case err != nil:
		return err
	case found.Digest != t.want && !t.replace:
		return fmt.Errorf("the tag exists, with digest %s, and this is %s: what is published stays as it is, release the next version",
			found.Digest, t.want)
	}
	return nil
}

func (t target) has(reference name.Reference) error {
	found, err := remote.Head(reference, t.options...)
	if err != nil {
		return err
	}
	if found.Digest != t.want {
		return fmt.Errorf("the registry says that %s has digest %s, expected %s", reference, found.Digest, t.want)
	}
	return nil
}

func denied(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden)
}

// readLayout returns what an OCI layout consists of, after it has compared every byte with the digest.
func readLayout(folder string, want v1.Hash) (remote.Taggable, error) {
	root, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, err
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("%s has %d images, expected one", folder, len(manifest.Manifests))
	}
	only := manifest.Manifests[0]
	if only.Digest != want {
		return nil, fmt.Errorf("%s has %s, expected %s", folder, only.Digest, want)
	}
	if err := verify(layout.Path(folder), only); err != nil {
		return nil, err
	}
	if only.MediaType.IsIndex() {
		return root.ImageIndex(only.Digest)
	}
	return root.Image(only.Digest)
}
