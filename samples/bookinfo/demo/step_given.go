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
)

// given shows what each sidecar has, and checks that every service can be reached by it, at all of its workloads.
func given(ctx context.Context, d *demo) error {
	now, err := d.settle(ctx)
	if err != nil {
		return err
	}
	rows := make([][]string, len(d.sidecars))
	endpoints := map[string][]string{}
	var services []string
	for _, w := range d.mesh.workloads {
		if _, seen := endpoints[w.service()]; !seen {
			services = append(services, w.service())
		}
		endpoints[w.service()] = append(endpoints[w.service()], w.name)
	}
	for i, s := range d.sidecars {
		counts, size := map[string]int{}, 0
		for _, r := range now[i].resources {
			kind, _, _ := strings.Cut(r.Name, "/")
			counts[kind]++
			size += len(r.Object)
		}
		first := now[i].status.XDS.LastPush
		if first == nil {
			return fmt.Errorf("%s was given nothing", s.workload.name)
		}
		rows[i] = []string{
			s.workload.name, fmt.Sprint(counts["routes"]), fmt.Sprint(counts["upstreams"]), fmt.Sprintf("%d bytes", size),
			millis(first.stored().Sub(s.started)),
		}
	}
	d.out.table([]string{"sidecar", "routes", "upstreams", "in all", "after its start"}, rows)

	all := make([]change, len(d.sidecars))
	for i, s := range d.sidecars {
		all[i] = change{sidecar: s, now: now[i]}
	}
	d.out.line("where each of them sends requests:")
	for _, service := range services {
		want := d.mesh.at(endpoints[service]...)
		if err := reach(all, service, want); err != nil {
			return err
		}
		d.out.line("  http://%s:9080/  ─▶ %s", service, strings.Join(want, ", "))
	}
	d.out.ok("%d sidecars reach %d services at %d workloads", len(d.sidecars), len(services), len(d.mesh.workloads))

	notes, err := d.control.diagnostics(ctx, d.sidecars[0].workload)
	if err != nil {
		return err
	}
	d.out.line("what is not as with Envoy, as the control plane tells at %s/debug/apisixz:", d.control.debugURL())
	for _, n := range notes {
		d.out.line("  %s: %s", n.Code, n.Message)
	}
	return nil
}
