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
	"slices"
	"strings"
	"sync"
	"time"
)

// firstRequests starts an APISIX in each sidecar and sends requests through them, before there is any rule.
func firstRequests(ctx context.Context, d *demo) error {
	begun := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, len(d.sidecars))
	for i, s := range d.sidecars {
		wg.Go(func() { errs[i] = s.startAPISIX(ctx) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	err := d.await(ctx, "requests get through", func(ctx context.Context) error {
		// All of the way: v2 and v3 need the sidecars of reviews as well.
		return d.client.send(ctx, 5*concurrency, "").check()
	})
	if err != nil {
		return err
	}
	d.out.ok("%d APISIX from %s serve after %s", len(d.sidecars), d.installation.Home, millis(time.Since(begun)))

	const n = 300
	t := d.client.send(ctx, n, "")
	if err := t.check(); err != nil {
		return err
	}
	versions := slices.Sorted(maps.Keys(t.served))
	if want := []string{"reviews-v1", "reviews-v2", "reviews-v3"}; !slices.Equal(versions, want) {
		return fmt.Errorf("%d requests were served by %v, want each of %v", n, t.served, want)
	}
	// v1 asks for no stars.
	if want := t.served["reviews-v2"] + t.served["reviews-v3"]; t.rated["ratings-v1"] != want {
		return fmt.Errorf("%d reviews came with stars from ratings-v1, want %d", t.rated["ratings-v1"], want)
	}
	var parts []string
	for _, v := range versions {
		parts = append(parts, fmt.Sprintf("%d by %s", t.served[v], v))
	}
	d.out.ok("%d requests were served: %s; %d of them with stars from ratings-v1", n, strings.Join(parts, ", "), t.rated["ratings-v1"])
	return nil
}

// underLoad runs f while requests are sent, and fails when one of them does. Without an APISIX it only runs f, and there
// is no tally.
func (d *demo) underLoad(ctx context.Context, f func() error) (*tally, error) {
	if d.installation == nil {
		return nil, f()
	}
	t, err := d.client.during(ctx, f)
	if err != nil {
		return nil, err
	}
	return t, t.check()
}
