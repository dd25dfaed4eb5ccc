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
	"time"
)

// restartControlPlane kills the control plane, starts it again, and checks that the sidecars went on, came back by
// themselves, and were sent nothing that they had already.
func restartControlPlane(ctx context.Context, d *demo) error {
	before, err := d.settle(ctx)
	if err != nil {
		return err
	}
	during, err := d.underLoad(ctx, func() error {
		d.control.proc.kill()
		for _, s := range d.sidecars {
			if err := s.ready(ctx); err != nil {
				return fmt.Errorf("without a control plane: %w", err)
			}
		}
		d.out.ok("without a control plane %d of %d sidecars are ready still", len(d.sidecars), len(d.sidecars))

		begun := time.Now()
		if err := d.control.start(ctx); err != nil {
			return err
		}
		d.out.ok("the control plane is ready again after %s", millis(time.Since(begun)))
		for i, s := range d.sidecars {
			err := d.await(ctx, s.workload.name+" has come back", func(ctx context.Context) error {
				st, err := s.status(ctx)
				if err == nil && (st.XDS.Streams == before[i].status.XDS.Streams || st.XDS.State == "waiting" || st.XDS.State == "connecting") {
					err = errors.New(st.XDS.State)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		d.out.ok("%d sidecars have come back after %s", len(d.sidecars), millis(time.Since(begun)))
		return nil
	})
	if err != nil {
		return err
	}
	after, err := d.settle(ctx)
	if err != nil {
		return err
	}
	for i, s := range d.sidecars {
		a, b := after[i], before[i]
		// An answer that says "nothing is new" is none.
		sent := a.status.pushes() != b.status.pushes() && a.status.XDS.LastPush.Resources+a.status.XDS.LastPush.Removed > 0
		if sent || a.status.Store.Etcd.Revision != b.status.Store.Etcd.Revision {
			return fmt.Errorf("%s was sent something again: %+v; revision %d became %d", s.workload.name, *a.status.XDS.LastPush,
				b.status.Store.Etcd.Revision, a.status.Store.Etcd.Revision)
		}
		if diff := difference(b.resources, a.resources); len(diff) > 0 {
			return fmt.Errorf("%s has other resources than before: %v", s.workload.name, diff)
		}
	}
	d.out.ok("nothing was sent again: 0 resources traveled, and every sidecar's revision is what it was")
	if during != nil {
		d.out.ok("%d requests were under way meanwhile, and none failed", during.sent)
	}
	return nil
}
