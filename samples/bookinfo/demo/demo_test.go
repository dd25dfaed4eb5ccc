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
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// samples is the sample that this package is a part of.
const samples = ".."

func testResource(name, version, object string) resource {
	return resource{Name: name, Version: version, Object: json.RawMessage(object)}
}

func TestDifference(t *testing.T) {
	before := []resource{testResource("upstreams/a", "1", ""), testResource("upstreams/b", "1", ""), testResource("routes/c", "1", "")}
	after := []resource{testResource("upstreams/a", "1", ""), testResource("upstreams/b", "2", ""), testResource("routes/d", "1", "")}
	if got, want := difference(before, after), []string{"- routes/c", "+ routes/d", "~ upstreams/b"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := difference(after, after); len(got) != 0 {
		t.Errorf("nothing differs, got %v", got)
	}
}

func TestDestinations(t *testing.T) {
	resources := []resource{
		testResource("upstreams/v1", "1", `{"nodes":[{"host":"127.0.1.7","port":9080},{"host":"127.0.1.4","port":9080}]}`),
		testResource("upstreams/v2", "1", `{"nodes":[]}`),
		testResource("routes/low", "1", `{"hosts":["reviews"],"priority":1,"upstream_id":"v1","vars":[["original_dst_port","==","9080"]]}`),
		testResource("routes/high", "1", `{"hosts":["reviews"],"priority":2,"upstream_id":"v2","vars":[["original_dst_port","==","9080"]]}`),
		testResource("routes/port", "1", `{"hosts":["reviews"],"upstream_id":"v1","vars":[["original_dst_port","==","9081"]]}`),
		testResource("routes/404", "1", `{"hosts":["reviews"],"vars":[["original_dst_port","==","9080"]]}`),
		testResource("routes/other", "1", `{"hosts":["ratings"],"upstream_id":"v1","vars":[["original_dst_port","==","9080"]]}`),
	}
	got, err := destinations(resources, "reviews")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{}, {"127.0.1.4:9080", "127.0.1.7:9080"}}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := destinations(resources[1:], "reviews"); err == nil {
		t.Error("a route whose upstream is not there is no error")
	}
}

func TestOneUpstream(t *testing.T) {
	good := change{sidecar: &sidecar{}, pushes: 1, traveled: 1, names: []string{"~ upstreams/a"}}
	if err := oneUpstream([]change{good, good}); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*change){
		"two responses": func(c *change) { c.pushes = 2 },
		"two resources": func(c *change) { c.traveled = 2 },
		"a removal":     func(c *change) { c.removed = 1 },
		"a route":       func(c *change) { c.names = []string{"~ routes/a"} },
		"a new one":     func(c *change) { c.names = []string{"+ upstreams/a"} },
	} {
		bad := good
		spoil(&bad)
		if oneUpstream([]change{good, bad}) == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestTally(t *testing.T) {
	ok := newTally()
	ok.add(reviews{ServedBy: "reviews-v1"}, nil)
	ok.add(reviews{ServedBy: "reviews-v2", RatingsServedBy: "ratings-v1"}, nil)
	if err := ok.all("reviews-v1", "reviews-v2"); err != nil {
		t.Error(err)
	}
	if ok.all("reviews-v1") == nil {
		t.Error("all by v1, though one was served by v2")
	}
	if ok.rated["ratings-v1"] != 1 {
		t.Errorf("rated %v", ok.rated)
	}
	failed := newTally()
	failed.add(reviews{}, errors.New("no"))
	if failed.check() == nil || failed.all() == nil {
		t.Error("a failed request passes")
	}
}

// TestMesh edits a copy of the sample: rules replace one another, workloads come and go, and the sample stays as it is.
func TestMesh(t *testing.T) {
	m, err := newMesh(filepath.Join(t.TempDir(), "mesh"), samples)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.workloads) != 6 || m.workloads[0].service() != "productpage" {
		t.Fatalf("workloads %v", m.workloads)
	}
	if got, want := m.at("reviews-v3", "reviews-v1"), []string{"127.0.1.4:9080", "127.0.1.6:9080"}; !slices.Equal(got, want) {
		t.Errorf("at %v, want %v", got, want)
	}
	for _, rule := range []string{"virtual-service-all-v1.yaml", "virtual-service-reviews-50-v3.yaml"} {
		if _, err := m.apply("destination-rule-all.yaml", rule); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(m.dir, "rules.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(samples, "networking", rule))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what is in force", rule)
		}
	}
	if _, err := m.join(secondReviews); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(m.dir, "local", secondReviews.name+".yaml")
	if w, err := readWorkload(file); err != nil || w.address != secondReviews.address || w.account != secondReviews.account {
		t.Errorf("read back %v, %v", w, err)
	}
	if _, err := m.leave(secondReviews); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the workload is still there: %v", err)
	}
	if _, err := m.apply("no-such-rule.yaml"); err == nil {
		t.Error("a rule that is not there was applied")
	}
}

func TestProcesses(t *testing.T) {
	dir := t.TempDir()
	p := newProcesses()
	t.Cleanup(p.stopAll)
	sh := func(name, script string) *process {
		t.Helper()
		proc, err := p.start(command{name: name, argv: []string{"/bin/sh", "-c", script}, dir: dir, logs: dir, env: []string{"WHO=" + name}})
		if err != nil {
			t.Fatal(err)
		}
		return proc
	}

	// One that ends by itself is told of, with its last words.
	sh("failing", `echo "$WHO: not today"; exit 3`)
	select {
	case err := <-p.died:
		if got := err.Error(); got != "failing ended by itself: exit status 3" {
			t.Errorf("got %q", got)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody was told")
	}
	if got := string(tail(filepath.Join(dir, "failing.log"), 5)); got != "failing: not today" {
		t.Errorf("log %q", got)
	}

	// One that does not listen is ended with its children, and nobody is told.
	stubborn := sh("stubborn", `trap "" TERM; (trap "" TERM; while :; do sleep 1; done) & while :; do sleep 1; done`)
	stubborn.kill()
	// One that does, likewise.
	sh("obedient", `sleep 1000 & wait`)
	p.stopAll()
	select {
	case err := <-p.died:
		t.Errorf("told of one that was ended on purpose: %v", err)
	default:
	}
	if p.mu.Lock(); len(p.running) != 0 {
		t.Errorf("%d are still running", len(p.running))
	}
	p.mu.Unlock()
}

func TestTail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte("1\n2\n3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for lines, want := range map[int]string{1: "3", 2: "2\n3", 3: "1\n2\n3", 9: "1\n2\n3"} {
		if got := string(tail(file, lines)); got != want {
			t.Errorf("%d lines: %q, want %q", lines, got, want)
		}
	}
	if got := string(tail(file+".not", 1)); got == "" {
		t.Error("a log that is not there is not told of")
	}
}
