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

// Command images assembles the container images as OCI archives: a base image, and on it a layer with our files. It needs no
// daemon and no root, and the same input makes the same bytes. `make images` calls it; docs/development tells of both.
//
// What comes in are base images, the programs of `make build-linux` and the Lua plugins; what goes out is for each image
// <name>.tar, an OCI image layout in a tar, and <name>.spdx.json, its software bill of materials.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// options are what the command line and the environment say.
type options struct {
	// bases are base images by the name of the image on them; see openBase for the values.
	bases    map[string]string
	platform v1.Platform
	// bin has the programs, lua the directory "apisix" of the plugins; out is where the archives go.
	bin, lua, out string
	// version and revision are labels; hub, when there is one, is the repository prefix that the archives' names have.
	version, revision, hub string
	// created is the one time that anything in an image has.
	created time.Time
}

// platforms are those that both the bases and Istio's images exist for.
var platforms = []string{"linux/amd64", "linux/arm64"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv("SOURCE_DATE_EPOCH"), os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "images:", err)
		}
		os.Exit(1)
	}
}

// run assembles every image and prints its archive and its digest.
func run(ctx context.Context, args []string, epoch string, stdout io.Writer) error {
	o, err := parse(args, epoch)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	for _, r := range recipes {
		digest, err := o.assemble(ctx, r)
		if err != nil {
			return fmt.Errorf("image %s: %w", r.name, err)
		}
		fmt.Fprintln(stdout, filepath.Join(o.out, r.name+".tar"), digest)
	}
	return nil
}

// parse reads the command line; epoch is SOURCE_DATE_EPOCH.
func parse(args []string, epoch string) (options, error) {
	o := options{bases: map[string]string{}}
	flags := flag.NewFlagSet("images", flag.ContinueOnError)
	flags.Func("base", "NAME=BASE: the base of image NAME, a reference, an archive (FILE.tar) or an OCI layout (oci:DIRECTORY); once for each",
		func(value string) error {
			name, base, ok := strings.Cut(value, "=")
			if !ok || base == "" || !known(name) {
				return fmt.Errorf("want NAME=BASE, where NAME is one of %s", names())
			}
			o.bases[name] = base
			return nil
		})
	platform := flags.String("platform", platforms[0], "platform of the images: "+strings.Join(platforms, " or "))
	flags.StringVar(&o.bin, "bin", "", "directory with pilot-discovery and pilot-agent, built for the platform")
	flags.StringVar(&o.lua, "lua", "pilot-apisix/lua", "directory with the Lua plugins, in apisix/")
	flags.StringVar(&o.out, "out", "out/images", "directory for the archives")
	flags.StringVar(&o.version, "version", "", "version, as tools/version.sh prints it")
	flags.StringVar(&o.revision, "revision", "", "commit that the programs were built from")
	flags.StringVar(&o.hub, "hub", "", "repository prefix of the names in the archives, such as registry.example/mesh")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: everything is a flag, see --help", flags.Arg(0))
	}
	return o, o.complete(*platform, epoch)
}

// complete checks what was given, and says of what is missing how to give it.
func (o *options) complete(platform, epoch string) error {
	for _, p := range platforms {
		if p == platform {
			o.platform.OS, o.platform.Architecture, _ = strings.Cut(p, "/")
		}
	}
	if o.platform.OS == "" {
		return fmt.Errorf("--platform=%s: want %s", platform, strings.Join(platforms, " or "))
	}
	for name, value := range map[string]string{"bin": o.bin, "version": o.version, "revision": o.revision} {
		if value == "" {
			return fmt.Errorf("--%s is missing: `make images` has it", name)
		}
	}
	for _, r := range recipes {
		if o.bases[r.name] == "" {
			return fmt.Errorf("image %s has no base: give one with --base %s=BASE, a reference, an archive (FILE.tar) or an OCI layout (oci:DIRECTORY)",
				r.name, r.name)
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds < 0 {
		return fmt.Errorf("SOURCE_DATE_EPOCH=%q: set it to the seconds since 1970 that the images shall carry, such as $(git log -1 --format=%%ct)", epoch)
	}
	o.created = time.Unix(seconds, 0).UTC()
	return nil
}
