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
	"os"
	"path/filepath"
	"strings"
	"time"
)

// start brings everything up, and checks that each sidecar has the identity of its workload.
func start(ctx context.Context, d *demo) error {
	d.control = newControlPlane(d)
	addrs := d.control.listens()
	for _, w := range d.mesh.workloads {
		s := &sidecar{d: d, workload: w}
		d.sidecars = append(d.sidecars, s)
		addrs = append(addrs, append(s.listens(), w.appAddr())...)
	}
	if err := checkFree(append(addrs, secondReviews.appAddr())...); err != nil {
		return err
	}
	// Not before it is known that no other demonstration writes there.
	if err := os.RemoveAll(d.logs); err != nil {
		return err
	}
	if err := os.MkdirAll(d.logs, 0o755); err != nil {
		return err
	}

	begun := time.Now()
	if err := d.control.start(ctx); err != nil {
		return err
	}
	d.out.ok("the control plane reads %s and is ready after %s", d.mesh.dir, millis(time.Since(begun)))

	for _, s := range d.sidecars {
		if err := d.startService(s.workload, s.outboundAddr()); err != nil {
			return err
		}
	}
	for _, w := range d.mesh.workloads {
		if err := d.awaitService(ctx, w); err != nil {
			return err
		}
	}
	d.out.ok("%d services answer on port 9080, each on an address of its own", len(d.mesh.workloads))

	begun = time.Now()
	for _, s := range d.sidecars {
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	for _, s := range d.sidecars {
		if err := d.await(ctx, "the sidecar of "+s.workload.name+" is ready", s.ready); err != nil {
			return err
		}
		if err := d.await(ctx, "the sidecar of "+s.workload.name+" has its certificate", s.certified); err != nil {
			return err
		}
	}
	d.out.ok("%d sidecars are ready after %s; each has a certificate, such as %s",
		len(d.sidecars), millis(time.Since(begun)), d.sidecars[0].identity())
	return nil
}

// startService runs one service of Bookinfo. Its calls go to the sidecar's outbound listener where an APISIX will listen
// there; in a pod iptables lead them to it.
func (d *demo) startService(w workload, outbound string) error {
	argv := []string{
		filepath.Join(d.bin, "bookinfo"), w.service(), "--listen=" + w.appAddr(), "--version=" + w.version(), "--name=" + w.name,
	}
	if w.service() == "productpage" || w.service() == "reviews" {
		if d.installation != nil {
			argv = append(argv, "--outbound="+outbound)
		} else {
			argv = append(argv, "--resolve="+d.direct())
		}
	}
	_, err := d.procs.start(command{name: "bookinfo-" + w.name, argv: argv, dir: d.dir, logs: d.logs})
	return err
}

// direct is where the services reach each other without a sidecar: the first workload of each.
func (d *demo) direct() string {
	seen := map[string]bool{}
	var out []string
	for _, w := range d.mesh.workloads {
		if !seen[w.service()] {
			seen[w.service()] = true
			out = append(out, w.service()+":9080="+w.appAddr())
		}
	}
	return strings.Join(out, ",")
}

func (d *demo) awaitService(ctx context.Context, w workload) error {
	return d.await(ctx, w.name+" answers", func(ctx context.Context) error {
		return getOK(ctx, "http://"+w.appAddr()+"/health")
	})
}
