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
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
)

// demo is what the steps share.
type demo struct {
	options
	out   *printer
	procs *processes
	// dir holds everything that the demonstration writes.
	dir      string
	mesh     *mesh
	control  *controlPlane
	sidecars []*sidecar
	// installation is the APISIX to use; without says why there is none.
	installation *instance.Installation
	without      string
	client       *client
	// closing is set when processes are ended on purpose.
	closing atomic.Bool
}

// step is one part of the story.
type step struct {
	title string
	// traffic steps need an APISIX.
	traffic bool
	run     func(context.Context, *demo) error
}

var steps = []step{
	{title: "Start the control plane, the services and a sidecar for each", run: start},
	{title: "What each sidecar was given", run: given},
	{title: "An APISIX in each sidecar: requests from productpage to reviews to ratings", traffic: true, run: firstRequests},
	{title: "A rule: every request goes to v1", run: routeAllToV1},
	{title: "1,000 requests under that rule", traffic: true, run: thousandRequests},
	{title: "An endpoint comes, and leaves again", run: endpointLeaves},
	{title: "The control plane is killed, and started again", run: restartControlPlane},
	{title: "The next rule: jason sees the reviews of v2", run: jasonToV2},
}

func newDemo(o options, out *printer) (*demo, error) {
	d := &demo{options: o, out: out, procs: newProcesses()}
	for _, name := range []string{"pilot-discovery", "pilot-agent", "bookinfo"} {
		path, err := filepath.Abs(filepath.Join(o.bin, name))
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w: run \"make build\", or say with --bin where it is", err)
		}
	}
	var err error
	if d.bin, err = filepath.Abs(o.bin); err != nil {
		return nil, err
	}
	if d.logs, err = filepath.Abs(o.logs); err != nil {
		return nil, err
	}
	if d.dir, err = os.MkdirTemp("", "bookinfo-"); err != nil {
		return nil, err
	}
	if d.mesh, err = newMesh(filepath.Join(d.dir, "mesh"), o.samples); err != nil {
		d.close()
		return nil, err
	}
	if err := d.findAPISIX(); err != nil {
		d.close()
		return nil, err
	}
	d.client = newClient(d.mesh.workloads[0])
	return d, nil
}

// findAPISIX looks for an APISIX. There need be none.
func (d *demo) findAPISIX() error {
	if !d.apisix {
		d.without = "--apisix=false"
		return nil
	}
	found, err := instance.Find()
	switch {
	case err == nil:
		d.installation = &found
	case errors.Is(err, instance.ErrNotFound):
		d.without = err.Error()
	default:
		return err
	}
	return nil
}

// run takes one step after the other and stops at the first that did not happen.
func (d *demo) run(ctx context.Context) error {
	begun := time.Now()
	skipped := 0
	for i, s := range steps {
		d.out.step(i+1, len(steps), s.title)
		if s.traffic && d.installation == nil {
			d.out.line("skipped: %s", d.without)
			skipped++
			continue
		}
		if err := s.run(ctx, d); err != nil {
			return fmt.Errorf("step %d, %q: %w", i+1, s.title, err)
		}
	}
	d.out.end(len(steps)-skipped, skipped, time.Since(begun))
	if !d.keep {
		return nil
	}
	d.lookAround()
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.procs.died:
		return err
	}
}

// close ends every process and removes what was written.
func (d *demo) close() {
	d.stopAPISIX()
	d.procs.stopAll()
	if d.dir != "" {
		_ = os.RemoveAll(d.dir)
	}
}

// await asks until the answer is no error, and says what was awaited when that took too long, the demonstration was
// interrupted, or a process ended by itself.
func (d *demo) await(ctx context.Context, what string, ready func(context.Context) error) error {
	const limit, interval = 60 * time.Second, 5 * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w; last: %w", what, context.Cause(ctx), err)
		case err := <-d.procs.died:
			return fmt.Errorf("waiting until %s: %w", what, err)
		case <-time.After(interval):
		}
	}
}

// lookAround says what can be done with a mesh that stays up.
func (d *demo) lookAround() {
	page := d.sidecars[0]
	d.out.title("It stays up. Look around, from another terminal; Ctrl-C ends it.")
	d.out.line("the mesh's files; change them, and see what happens: %s", d.mesh.dir)
	d.out.line("logs:                                                %s", d.logs)
	d.out.line("a sidecar's page, and what it has:                   curl %s/", page.adminURL())
	d.out.line("                                                     curl %s/config_dump?kind=routes", page.adminURL())
	d.out.line("what APISIX reads from it:                           curl http://%s/v3/kv/range -d '%s'", page.gatewayAddr(),
		`{"key":"L2FwaXNpeC8=","range_end":"L2FwaXNpeDA="}`)
	d.out.line("the control plane's pages:                           curl %s/debug", d.control.debugURL())
	d.out.line("the shop, in a browser:                              http://%s/productpage", page.workload.appAddr())
}
