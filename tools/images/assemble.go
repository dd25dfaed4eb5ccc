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
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// source is where the images' sources are, licence the one of our part of them.
const (
	source  = "https://github.com/apisix-mesh/pilot-apisix"
	licence = "Apache-2.0"
)

// The keys of OCI's annotations, which are labels too, and the one by which containerd and docker name what they load.
const (
	ociPrefix      = "org.opencontainers.image."
	containerdName = "io.containerd.image.name"
)

// assemble writes the archive of an image and its bill of materials, and says its digest.
func (o options) assemble(ctx context.Context, r recipe) (v1.Hash, error) {
	scratch, err := os.MkdirTemp("", "images-")
	if err != nil {
		return v1.Hash{}, err
	}
	defer os.RemoveAll(scratch)
	b, err := o.openBaseOf(ctx, r, scratch)
	if err != nil {
		return v1.Hash{}, err
	}
	program, info, err := readProgram(filepath.Join(o.bin, r.program), o.platform)
	if err != nil {
		return v1.Hash{}, err
	}
	files := []file{{name: path.Join(binDir, r.program), content: program, mode: 0o755}}
	if r.lua {
		plugins, err := luaFiles(o.lua)
		if err != nil {
			return v1.Hash{}, err
		}
		files = append(files, plugins...)
	}
	layer, err := newLayer(files, r.writable, o.created)
	if err != nil {
		return v1.Hash{}, err
	}
	image, err := o.build(r, b, layer)
	if err != nil {
		return v1.Hash{}, err
	}
	digest, err := image.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	if err := o.writeArchive(r, image); err != nil {
		return v1.Hash{}, err
	}
	return digest, o.writeSBOM(bill{recipe: r, digest: digest, base: b, info: info, files: files})
}

// openBaseOf opens the base of an image in a part of scratch. What is wrong with it is said with the flag that mends it.
func (o options) openBaseOf(ctx context.Context, r recipe, scratch string) (base, error) {
	value := o.bases[r.name]
	b, err := openBase(ctx, value, o.platform, scratch)
	if err == nil && r.needs != "" {
		err = checkProgram(b, r.needs)
	}
	if err != nil {
		needs := ""
		if r.needs != "" {
			needs = " with " + r.needs
		}
		return b, fmt.Errorf("base image %s: %w: name an image for --platform=%s%s with --base %s=BASE", value, err, o.platform, needs, r.name)
	}
	return b, nil
}

// build puts the layer onto the base. The result has OCI's media types whatever the base has: some tools refuse a mixture.
func (o options) build(r recipe, b base, layer v1.Layer) (v1.Image, error) {
	layers, err := b.Layers()
	if err != nil {
		return nil, err
	}
	var all []mutate.Addendum
	for _, l := range layers {
		mediaType, err := l.MediaType()
		if err != nil {
			return nil, err
		}
		all = append(all, mutate.Addendum{Layer: l, MediaType: ociLayer(mediaType)})
	}
	all = append(all, mutate.Addendum{Layer: layer})
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, all...)
	if err != nil {
		return nil, err
	}
	config, err := o.config(r, b, image)
	if err != nil {
		return nil, err
	}
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, o.labels(r, b)).(v1.Image), nil
}

// ociLayer is OCI's name of one of docker's media types, and any other unchanged.
func ociLayer(t types.MediaType) types.MediaType {
	switch t {
	case types.DockerLayer:
		return types.OCILayer
	case types.DockerUncompressedLayer:
		return types.OCIUncompressedLayer
	case types.DockerForeignLayer:
		return types.OCIRestrictedLayer
	default:
		return t
	}
}

// config is the base's with what the Dockerfile of the image says.
func (o options) config(r recipe, b base, image v1.Image) (*v1.ConfigFile, error) {
	old, err := b.ConfigFile()
	if err != nil {
		return nil, err
	}
	appended, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := old.DeepCopy()
	config.RootFS = appended.RootFS
	config.Created = v1.Time{Time: o.created}
	config.History = append(config.History, v1.History{
		Created: v1.Time{Time: o.created}, CreatedBy: "make images", Comment: r.name + " " + o.version,
	})
	c := &config.Config
	c.User = r.user
	c.Entrypoint = []string{"/" + path.Join(binDir, r.program)}
	// A new entry point resets the base's arguments in a Dockerfile, too.
	c.Cmd = nil
	// Istio's flags have defaults that are relative to the root.
	c.WorkingDir = "/"
	// APISIX's image asks for SIGQUIT, upon which a Go program prints its goroutines and dies.
	c.StopSignal = "SIGTERM"
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	// That of the base's own base.
	delete(c.Labels, ociPrefix+"base.name")
	maps.Copy(c.Labels, o.labels(r, b))
	return config, nil
}

// labels are OCI's annotations of an image.
func (o options) labels(r recipe, b base) map[string]string {
	labels := map[string]string{
		ociPrefix + "title":       r.name,
		ociPrefix + "description": r.description,
		ociPrefix + "version":     o.version,
		ociPrefix + "revision":    o.revision,
		ociPrefix + "created":     o.created.Format(time.RFC3339),
		ociPrefix + "source":      source,
		ociPrefix + "licenses":    licence,
		ociPrefix + "base.digest": b.digest.String(),
	}
	if b.reference != "" {
		labels[ociPrefix+"base.name"] = b.reference
	}
	return labels
}

// writeArchive writes an OCI image layout with the one image, and packs it.
func (o options) writeArchive(r recipe, image v1.Image) error {
	dir, err := os.MkdirTemp(o.out, r.name+".*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	annotations := map[string]string{ociPrefix + "ref.name": o.version}
	if o.hub != "" {
		annotations[containerdName] = o.hub + "/" + r.name + ":" + o.version
	}
	if err := l.AppendImage(image, layout.WithPlatform(o.platform), layout.WithAnnotations(annotations)); err != nil {
		return err
	}
	return pack(dir, filepath.Join(o.out, r.name+".tar"), o.created)
}
