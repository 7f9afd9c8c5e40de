package main

import (
	"bytes"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// verify compares the content of a descriptor, and of everything below it, with digests and sizes. Reading a layout does not: it returns
// whatever a file contains. The package validate of go-containerregistry does so for images, but takes a chart for a broken image.
func verify(folder layout.Path, one v1.Descriptor) error {
	content, err := folder.Bytes(one.Digest)
	if err != nil {
		return err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return err
	}
	if digest != one.Digest || size != one.Size {
		return fmt.Errorf("the content of %s has digest %s and %d bytes, expected %d bytes", one.Digest, digest, size, one.Size)
	}
	below, err := children(one, content)
	if err != nil {
		return fmt.Errorf("read %s: %w", one.Digest, err)
	}
	for _, child := range below {
		if err := verify(folder, child); err != nil {
			return err
		}
	}
	return nil
}

// children are what a manifest or an index names.
func children(one v1.Descriptor, content []byte) ([]v1.Descriptor, error) {
	switch {
	case one.MediaType.IsIndex():
		index, err := v1.ParseIndexManifest(bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		return index.Manifests, nil
	case one.MediaType.IsImage():
		image, err := v1.ParseManifest(bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		return append(image.Layers, image.Config), nil
	}
	return nil, nil
}
