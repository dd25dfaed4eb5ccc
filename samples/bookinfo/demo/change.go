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
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// settled is how long nothing more must have come before a change counts as complete: several times what file mode and
// istiod wait to gather changes.
const settled = 500 * time.Millisecond

// snapshot is what a sidecar had at a moment.
type snapshot struct {
	status    agentStatus
	resources []resource
}

// snapshots are those of all sidecars, in their order.
func (d *demo) snapshots(ctx context.Context) ([]snapshot, error) {
	out := make([]snapshot, len(d.sidecars))
	for i, s := range d.sidecars {
		var err error
		if out[i].status, err = s.status(ctx); err != nil {
			return nil, err
		}
		if out[i].resources, err = s.resources(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// change is what came of a change of the mesh in one sidecar.
type change struct {
	sidecar *sidecar
	// pushes is the number of responses that the control plane sent; traveled and removed count what was in the last one.
	pushes, traveled, removed int
	// names are the resources that differ: "+" is new, "-" is gone, "~" is changed.
	names []string
	// took is the time from the first write until APISIX could read the last response.
	took time.Duration
	now  snapshot
}

// apply makes a change of the mesh, waits until every sidecar has it, and says what it was in each.
func (d *demo) apply(ctx context.Context, edit func() (begun time.Time, err error)) ([]change, error) {
	before, err := d.snapshots(ctx)
	if err != nil {
		return nil, err
	}
	begun, err := edit()
	if err != nil {
		return nil, err
	}
	for i, s := range d.sidecars {
		err := d.await(ctx, s.workload.name+" has the change", func(ctx context.Context) error {
			st, err := s.status(ctx)
			if err == nil && st.pushes() == before[i].status.pushes() {
				err = errors.New("nothing came")
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	after, err := d.settle(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]change, len(d.sidecars))
	for i, s := range d.sidecars {
		if after[i].status.XDS.Nacks > before[i].status.XDS.Nacks {
			return nil, fmt.Errorf("%s refused a resource: see %s/", s.workload.name, s.adminURL())
		}
		last := after[i].status.XDS.LastPush
		out[i] = change{
			sidecar:  s,
			pushes:   after[i].status.pushes() - before[i].status.pushes(),
			traveled: last.Resources,
			removed:  last.Removed,
			names:    difference(before[i].resources, after[i].resources),
			took:     last.stored().Sub(begun),
			now:      after[i],
		}
	}
	return out, nil
}

// pushes is the number of responses that the agent has answered.
func (s agentStatus) pushes() int {
	return s.XDS.Acks + s.XDS.Nacks
}

// settle waits until nothing has come to any sidecar for a while.
func (d *demo) settle(ctx context.Context) ([]snapshot, error) {
	last, err := d.snapshots(ctx)
	if err != nil {
		return nil, err
	}
	for since := time.Now(); time.Since(since) < settled; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case err := <-d.procs.died:
			return nil, err
		case <-time.After(settled / 10):
		}
		now, err := d.snapshots(ctx)
		if err != nil {
			return nil, err
		}
		if !slices.EqualFunc(last, now, func(a, b snapshot) bool { return a.status.pushes() == b.status.pushes() }) {
			since = time.Now()
		}
		last = now
	}
	return last, nil
}

// difference names the resources that differ, in the order of their names.
func difference(before, after []resource) []string {
	old := map[string]string{}
	for _, r := range before {
		old[r.Name] = r.Version
	}
	var out []string
	for _, r := range after {
		version, was := old[r.Name]
		switch {
		case !was:
			out = append(out, "+ "+r.Name)
		case version != r.Version:
			out = append(out, "~ "+r.Name)
		}
		delete(old, r.Name)
	}
	for name := range old {
		out = append(out, "- "+name)
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Compare(a[2:], b[2:]) })
	return out
}

// show writes what changed: the names once where all sidecars have the same ones, and the times.
func (d *demo) show(changes []change) {
	same := !slices.ContainsFunc(changes, func(c change) bool { return !slices.Equal(c.names, changes[0].names) })
	rows := make([][]string, len(changes))
	for i, c := range changes {
		rows[i] = []string{c.sidecar.workload.name, fmt.Sprint(len(c.names)), fmt.Sprint(c.traveled), fmt.Sprint(c.removed), millis(c.took)}
	}
	d.out.table([]string{"sidecar", "differ", "sent", "removed", "file to store"}, rows)
	if same {
		d.out.line("in each of them:")
		for _, n := range changes[0].names {
			d.out.line("  %s", n)
		}
		return
	}
	for _, c := range changes {
		d.out.line("%s: %s", c.sidecar.workload.name, strings.Join(c.names, ", "))
	}
}

// times are how long the changes took.
func times(changes []change) []time.Duration {
	out := make([]time.Duration, len(changes))
	for i, c := range changes {
		out[i] = c.took
	}
	return out
}

// route is the part of an APISIX route that the demonstration looks at.
type route struct {
	Hosts      []string        `json:"hosts"`
	Priority   int             `json:"priority"`
	UpstreamID string          `json:"upstream_id"`
	Vars       json.RawMessage `json:"vars"`
}

// upstream is the part of an APISIX upstream that the demonstration looks at.
type upstream struct {
	Nodes []struct {
		Host string `json:"host"`
		Port int    `json:"port"`
	} `json:"nodes"`
}

// destinations are the endpoints that requests for http://HOST:9080 go to: those of each route that has an upstream, in
// the order in which APISIX tries the routes.
func destinations(resources []resource, host string) ([][]string, error) {
	upstreams := map[string][]string{}
	var routes []route
	for _, r := range resources {
		kind, id, _ := strings.Cut(r.Name, "/")
		switch kind {
		case "upstreams":
			var u upstream
			if err := json.Unmarshal(r.Object, &u); err != nil {
				return nil, fmt.Errorf("%s: %w", r.Name, err)
			}
			nodes := []string{}
			for _, n := range u.Nodes {
				nodes = append(nodes, fmt.Sprintf("%s:%d", n.Host, n.Port))
			}
			slices.Sort(nodes)
			upstreams[id] = nodes
		case "routes":
			var rt route
			if err := json.Unmarshal(r.Object, &rt); err != nil {
				return nil, fmt.Errorf("%s: %w", r.Name, err)
			}
			// Other ports of the host are other routes.
			if slices.Contains(rt.Hosts, host) && rt.UpstreamID != "" && strings.Contains(string(rt.Vars), `"9080"`) {
				routes = append(routes, rt)
			}
		}
	}
	slices.SortStableFunc(routes, func(a, b route) int { return cmp.Compare(b.Priority, a.Priority) })
	var out [][]string
	for _, rt := range routes {
		nodes, ok := upstreams[rt.UpstreamID]
		if !ok {
			return nil, fmt.Errorf("a route of %s names the upstream %s, which is not there", host, rt.UpstreamID)
		}
		out = append(out, nodes)
	}
	return out, nil
}

// reach fails unless, in every sidecar, requests for http://HOST:9080 go to the endpoints want, route by route.
func reach(changes []change, host string, want ...[]string) error {
	for _, c := range changes {
		got, err := destinations(c.now.resources, host)
		if err != nil {
			return err
		}
		if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
			return fmt.Errorf("%s sends requests for %s to %v, want %v", c.sidecar.workload.name, host, got, want)
		}
	}
	return nil
}

// at are the endpoints of workloads, by name.
func (m *mesh) at(names ...string) []string {
	var out []string
	for _, w := range m.workloads {
		if slices.Contains(names, w.name) {
			out = append(out, w.appAddr())
		}
	}
	slices.Sort(out)
	return out
}
