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
	"strings"
	"time"
)

// secondReviews is a workload that comes and goes. It has no sidecar: nothing is called by it.
var secondReviews = workload{
	name:    "reviews-v1-second",
	address: "127.0.1.7",
	labels:  map[string]string{"app": "reviews", "version": "v1", "security.istio.io/tlsMode": "disabled"},
	account: "bookinfo-reviews",
}

// endpointLeaves lets a second workload of reviews-v1 join and leave, and checks that each of the two costs every
// sidecar one upstream, and nothing else.
func endpointLeaves(ctx context.Context, d *demo) error {
	// It serves before it is in the mesh and until it has left it, as a pod with a readiness probe does.
	if err := d.startService(secondReviews, ""); err != nil {
		return err
	}
	if err := d.awaitService(ctx, secondReviews); err != nil {
		return err
	}
	first := d.mesh.at("reviews-v1")
	for _, e := range []struct {
		what string
		edit func() (time.Time, error)
		want []string
	}{
		{"came", func() (time.Time, error) { return d.mesh.join(secondReviews) }, append(first, secondReviews.appAddr())},
		{"left", func() (time.Time, error) { return d.mesh.leave(secondReviews) }, first},
	} {
		var changes []change
		during, err := d.underLoad(ctx, func() (err error) {
			changes, err = d.apply(ctx, e.edit)
			return err
		})
		if err != nil {
			return err
		}
		d.show(changes)
		if err := oneUpstream(changes); err != nil {
			return err
		}
		if err := reach(changes, "reviews", e.want); err != nil {
			return err
		}
		d.out.ok("%s %s: one upstream traveled to each sidecar, %s after the file changed", secondReviews.appAddr(), e.what, spread(times(changes)))
		if during != nil {
			d.out.ok("%d requests were under way meanwhile, and none failed", during.sent)
		}
	}
	if d.installation == nil {
		return nil
	}
	const n = 200
	if err := d.client.send(ctx, n, "").all("reviews-v1"); err != nil {
		return err
	}
	d.out.ok("%d of %d requests were served by the one that is left", n, n)
	return nil
}

// oneUpstream fails unless one response with one upstream was all that each sidecar was sent.
func oneUpstream(changes []change) error {
	for _, c := range changes {
		if c.pushes != 1 || c.traveled != 1 || c.removed != 0 || len(c.names) != 1 || !strings.HasPrefix(c.names[0], "~ upstreams/") {
			return fmt.Errorf("%s was sent %d responses, the last one with %s and %s: %v; want one upstream",
				c.sidecar.workload.name, c.pushes, counted(c.traveled, "resource"), counted(c.removed, "removal"), c.names)
		}
	}
	return nil
}
