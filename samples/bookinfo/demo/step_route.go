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
)

// routeAllToV1 applies a rule and checks that every sidecar sends requests for reviews to v1, and to nothing else.
func routeAllToV1(ctx context.Context, d *demo) error {
	var changes []change
	during, err := d.underLoad(ctx, func() (err error) {
		changes, err = d.apply(ctx, d.edit("destination-rule-all.yaml", "virtual-service-all-v1.yaml"))
		return err
	})
	if err != nil {
		return err
	}
	d.show(changes)
	if err := reach(changes, "reviews", d.mesh.at("reviews-v1")); err != nil {
		return err
	}
	d.out.ok("every sidecar sends requests for reviews to v1 only, %s after the file was written", spread(times(changes)))
	d.out.line("(of these, 50 ms are file mode and 100 ms istiod waiting for more changes)")
	if during != nil {
		d.out.ok("%d requests were under way meanwhile, and none failed", during.sent)
	}
	return nil
}

// thousandRequests checks that the rule holds.
func thousandRequests(ctx context.Context, d *demo) error {
	const n = 1000
	t := d.client.send(ctx, n, "")
	if err := t.all("reviews-v1"); err != nil {
		return err
	}
	d.out.ok("%d of %d requests through productpage's APISIX were served by reviews-v1", t.served["reviews-v1"], n)
	return nil
}

// jasonToV2 applies the next rule, after all that has happened, and checks it.
func jasonToV2(ctx context.Context, d *demo) error {
	var changes []change
	during, err := d.underLoad(ctx, func() (err error) {
		changes, err = d.apply(ctx, d.edit("virtual-service-reviews-test-v2.yaml"))
		return err
	})
	if err != nil {
		return err
	}
	d.show(changes)
	if err := reach(changes, "reviews", d.mesh.at("reviews-v2"), d.mesh.at("reviews-v1")); err != nil {
		return err
	}
	d.out.ok("every sidecar has it, %s after the file was written", spread(times(changes)))
	if during == nil {
		return nil
	}
	d.out.ok("%d requests were under way meanwhile, and none failed", during.sent)
	const n = 100
	jason, others := d.client.send(ctx, n, "jason"), d.client.send(ctx, n, "")
	if err := jason.all("reviews-v2"); err != nil {
		return fmt.Errorf("jason: %w", err)
	}
	if jason.rated["ratings-v1"] != n {
		return fmt.Errorf("jason got stars from ratings-v1 with %d of %d reviews", jason.rated["ratings-v1"], n)
	}
	if err := others.all("reviews-v1"); err != nil {
		return fmt.Errorf("others: %w", err)
	}
	d.out.ok("%d of %d requests of jason's were served by reviews-v2, with stars from ratings-v1; %d of %d others by reviews-v1", n, n, n, n)
	return nil
}
