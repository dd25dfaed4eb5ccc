// Copyright The pilot-apisix Authors
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// base is an image that another one is built on.
type base struct {
	v1.Image
	digest v1.Hash
	// reference is the full name of what came from a registry. A local file has none: where it lies says nothing of what it is.
	reference string
}

// openBase finds the image for the platform. The value is oci:DIRECTORY, an OCI image layout; FILE.tar, an OCI archive or what
// `docker save` writes; else a reference. scratch is a directory that lives as long as the image is in use.
func openBase(ctx context.Context, value string, platform v1.Platform, scratch string) (base, error) {
	var (
		b   base
		err error
	)
	if dir, ok := strings.CutPrefix(value, "oci:"); ok {
		b.Image, err = openLayout(dir, platform)
	} else if strings.HasSuffix(value, ".tar") {
		b.Image, err = openArchive(value, platform, scratch)
	} else {
		b, err = pull(ctx, value, platform)
	}
	if err != nil {
		return b, err
	}
	if err := checkPlatform(b, platform); err != nil {
		return b, err
	}
	b.digest, err = b.Digest()
	return b, err
}

// pull takes an image from a registry, with the credentials that docker and podman use.
func pull(ctx context.Context, value string, platform v1.Platform) (base, error) {
	ref, err := name.ParseReference(value)
	if err != nil {
		return base{}, err
	}
	image, err := remote.Image(ref, remote.WithContext(ctx), remote.WithPlatform(platform), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return base{}, err
	}
	return base{Image: image, reference: ref.Name()}, nil
}

// openArchive opens an OCI archive or one of `docker save`; newer versions of that write both kinds at once. Older ones keep no
// manifest: the image's digest is then that of the manifest that is made here, and not the one that a registry knows it by.
func openArchive(file string, platform v1.Platform, scratch string) (v1.Image, error) {
	isLayout, err := holds(file, "oci-layout")
	if err != nil {
		return nil, err
	}
	if !isLayout {
		return tarball.ImageFromPath(file, nil)
	}
	if err := unpack(file, scratch); err != nil {
		return nil, err
	}
	return openLayout(scratch, platform)
}

// openLayout finds the platform's image in an OCI image layout.
func openLayout(dir string, platform v1.Platform) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	images, err := imagesOf(index)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, image := range images {
		err := checkPlatform(image, platform)
		if err == nil {
			return image, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil, fmt.Errorf("there is no image in %s", filepath.Join(dir, "index.json"))
	}
	return nil, errors.Join(errs...)
}

// imagesOf are the images of an index and of those in it.
func imagesOf(index v1.ImageIndex) ([]v1.Image, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var images []v1.Image
	for _, d := range manifest.Manifests {
		switch {
		case d.MediaType.IsIndex():
			child, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			below, err := imagesOf(child)
			if err != nil {
				return nil, err
			}
			images = append(images, below...)
		case d.MediaType.IsImage():
			image, err := index.Image(d.Digest)
			if err != nil {
				return nil, err
			}
			images = append(images, image)
		}
	}
	return images, nil
}

// checkPlatform says when an image is for another platform.
func checkPlatform(image v1.Image, want v1.Platform) error {
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	if config.OS != want.OS || config.Architecture != want.Architecture {
		return fmt.Errorf("it is for %s/%s, not for %s", config.OS, config.Architecture, want)
	}
	return nil
}

// programDirs are where programs are that are found without a path.
var programDirs = []string{"bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"}

// checkProgram says when an image lacks a program.
func checkProgram(image v1.Image, program string) error {
	files := mutate.Extract(image)
	defer files.Close()
	for r := tar.NewReader(files); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("it has no %s", program)
		}
		if err != nil {
			return err
		}
		dir, file := path.Split(path.Clean(header.Name))
		if file == program && slices.Contains(programDirs, path.Clean(strings.TrimPrefix(dir, "/"))) {
			return nil
		}
	}
}

// holds says whether a tar has a file of that name.
func holds(file, name string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if path.Clean(header.Name) == name {
			return true, nil
		}
	}
}
