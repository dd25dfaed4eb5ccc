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

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rounds is how often each way is measured, in turns, so that what else the machine does hits all of them; the median counts.
const rounds = 5

// way is one path from a client to the application.
type way struct {
	name string
	// from is where wrk runs; to and host are what it asks for.
	from     *pod
	to, host string
	// proxies are the pods whose APISIX is on the way.
	proxies []*pod
}

// measured is what wrk says of a run.
type measured struct {
	perSecond float64
	p50, p99  time.Duration
	// cpu is what the proxies' processors spent on one request. It depends less than the rest on what else the machine does.
	cpu time.Duration
}

var (
	wrkRate    = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkLatency = regexp.MustCompile(`\s(50|99)%\s+([0-9.]+(?:us|ms|s))`)
	wrkTotal   = regexp.MustCompile(`([0-9]+) requests in`)
	wrkErrors  = regexp.MustCompile(`Socket errors:.*|Non-2xx.*`)
)

// wrk sends requests over so many connections for a while.
func wrk(b *testing.B, w way, connections int) measured {
	b.Helper()
	before := w.cpu(b)
	out := run(b, "ip", "netns", "exec", w.from.netns, "wrk", "-t1", "-c"+strconv.Itoa(connections), "-d"+seconds(), "--latency", "-H", "Host: "+w.host, "http://"+w.to+"/")
	if e := wrkErrors.FindString(out); e != "" {
		b.Errorf("%s: %s", w.name, e)
	}
	var m measured
	rate := wrkRate.FindStringSubmatch(out)
	if rate == nil {
		b.Fatalf("%s: %s", w.name, out)
	}
	m.perSecond, _ = strconv.ParseFloat(rate[1], 64)
	total, _ := strconv.Atoi(wrkTotal.FindStringSubmatch(out)[1])
	m.cpu = (w.cpu(b) - before) / time.Duration(max(total, 1))
	for _, l := range wrkLatency.FindAllStringSubmatch(out, -1) {
		d, err := time.ParseDuration(l[2])
		if err != nil {
			b.Fatal(err)
		}
		if l[1] == "50" {
			m.p50 = d
		} else {
			m.p99 = d
		}
	}
	return m
}

// cpu is what the workers of the proxies have used up.
func (w way) cpu(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, p := range w.proxies {
		for _, pid := range p.processes("nginx: worker") {
			used, parent := usage(b, pid)
			if parent != p.app {
				sum += used
			}
		}
	}
	return sum
}

// usage is the processor time that a process has used up, and the number of its parent (proc(5): utime, stime, ppid; 100 ticks a second).
func usage(b *testing.B, pid int) (used time.Duration, parent int) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	// The second field may have spaces.
	f := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
	parent, _ = strconv.Atoi(f[1])
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, parent
}

// seconds is how long one run takes (BENCH_SECONDS, 3).
func seconds() string {
	if s := os.Getenv("BENCH_SECONDS"); s != "" {
		return s + "s"
	}
	return "3s"
}

// compare measures the ways in turns and prints a table; the second one is what the first one is held against.
func compare(b *testing.B, title string, ways []way) {
	b.Helper()
	for _, connections := range []int{1, 32} {
		all := make([][]measured, len(ways))
		for range rounds {
			for i, w := range ways {
				all[i] = append(all[i], wrk(b, w, connections))
			}
		}
		var table strings.Builder
		fmt.Fprintf(&table, "\n| %s, %d connections | requests/s | p50 | p99 | CPU of the proxies per request |\n|---|---|---|---|---|\n", title, connections)
		medians := make([]measured, len(ways))
		for i, w := range ways {
			medians[i] = measured{
				perSecond: median(all[i], func(m measured) float64 { return m.perSecond }),
				p50:       time.Duration(median(all[i], func(m measured) float64 { return float64(m.p50) })),
				p99:       time.Duration(median(all[i], func(m measured) float64 { return float64(m.p99) })),
				cpu:       time.Duration(median(all[i], func(m measured) float64 { return float64(m.cpu) })),
			}
			fmt.Fprintf(&table, "| %s | %.0f | %s | %s | %s |\n", w.name, medians[i].perSecond, medians[i].p50, medians[i].p99, medians[i].cpu.Round(100*time.Nanosecond))
		}
		ratio := 100 * (medians[0].perSecond/medians[1].perSecond - 1)
		cpu := 100 * (float64(medians[0].cpu)/float64(medians[1].cpu) - 1)
		// Each round is a pair of its own: how far they differ says what the median is worth.
		pairs := make([]string, 0, rounds)
		for i := range rounds {
			pairs = append(pairs, fmt.Sprintf("%+.0f%%", 100*(all[0][i].perSecond/all[1][i].perSecond-1)))
		}
		fmt.Fprintf(&table, "\n%s against %s: %+.1f%% requests/s (rounds: %s), %+.1f%% CPU per request\n", ways[0].name, ways[1].name, ratio, strings.Join(pairs, " "), cpu)
		fmt.Print(table.String())
		b.ReportMetric(ratio, strings.ReplaceAll(title, " ", "-")+"/"+strconv.Itoa(connections)+"-%")
		b.ReportMetric(cpu, strings.ReplaceAll(title, " ", "-")+"/"+strconv.Itoa(connections)+"-cpu-%")
	}
}

func median(all []measured, f func(measured) float64) float64 {
	values := make([]float64, 0, len(all))
	for _, m := range all {
		values = append(values, f(m))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkCaptured compares the way of a request through two sidecars, captured on both, with two APISIX and a route for each that
// somebody wrote by hand, and with no proxy at all.
func BenchmarkCaptured(b *testing.B) {
	need(b)
	if _, err := exec.LookPath("wrk"); err != nil {
		b.Skip("SKIPPED: there is no wrk")
	}
	ca := newAuthority(b, "mesh")
	m := newMeshOf(b, ca, twoServices())
	m.apply("peers", peerAuthentication("DISABLE"))
	server, client := m.newPod("server", "10.88.0.10").inject(), m.newPod("client", "10.88.0.11").inject()
	bare, app := m.newPod("bare", "10.88.0.12"), m.newPod("app", "10.88.0.13")
	byHand, front := m.newPod("byhand", "10.88.0.20"), m.newPod("front", "10.88.0.21")
	for _, p := range []*pod{server, app, byHand} {
		p.serveFast(8080)
	}
	byHand.runAPISIX(inFront(b, ca))
	front.runAPISIX(forward(b, ca))
	server.ready()
	client.ready()

	captured := way{"captured", client, "10.96.0.10:80", "server", []*pod{client, server}}
	direct := way{"direct", bare, "10.88.0.13:8080", "server", nil}
	ways := []way{captured, {"by hand", front, "127.0.0.1:9080", "plain", []*pod{front, byHand}}, direct}
	for _, w := range ways {
		m.expect(w.name, "200", func() string { return w.from.get(w.to, w.host) })
	}
	compare(b, "HTTP", ways)
	m.apply("peers", strict)
	m.expect("mutual TLS is on", "error:", func() string { return bare.get("10.88.0.10:8080", "server") })
	ways = []way{captured, {"by hand", front, "127.0.0.1:9080", "secured", []*pod{front, byHand}}}
	for _, w := range ways {
		m.expect(w.name, "200", func() string { return w.from.get(w.to, w.host) })
	}
	compare(b, "mutual TLS", ways)
}

// BenchmarkAgent tells what a sidecar's agent needs at rest, and its APISIX, with so many services.
func BenchmarkAgent(b *testing.B) {
	need(b)
	for _, n := range []int{100, 1000} {
		b.Run(strconv.Itoa(n)+" services", func(b *testing.B) {
			m := newMesh(b, twoServices()+manyServices(n-2))
			m.apply("peers", strict)
			client := m.newPod("client", "10.88.0.11").inject().ready()
			// It gives memory back a while after a large push.
			time.Sleep(15 * time.Second)
			agents, workers := client.processes("pilot-agent proxy"), client.processes("nginx: worker")
			if len(agents) != 1 || len(workers) == 0 {
				b.Fatalf("the processes are %v and %v", agents, workers)
			}
			before, _ := usage(b, agents[0])
			time.Sleep(30 * time.Second)
			after, _ := usage(b, agents[0])
			rss, own := memory(b, agents[0])
			proxy, _ := memory(b, workers[0])
			idle := 100 * (after - before).Seconds() / 30
			fmt.Printf("\n%d services: the agent has %.1f MB resident, of which %.1f MB are its own, and takes %.2f%% of a core at rest; the worker of its APISIX has %.1f MB\n",
				n, rss, own, idle, proxy)
			b.ReportMetric(rss, "agent-MB")
			b.ReportMetric(own, "agent-own-MB")
			b.ReportMetric(idle, "agent-core-%")
			b.ReportMetric(proxy, "worker-MB")
		})
	}
}

// memory is the resident memory of a process, and the part of it that no other process shares.
func memory(b *testing.B, pid int) (megabytes, anonymous float64) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	field := func(name string) float64 {
		found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(text)
		if found == nil {
			b.Fatalf("no %s in %s", name, text)
		}
		kB, _ := strconv.Atoi(string(found[1]))
		return float64(kB) / 1024
	}
	return field("VmRSS"), field("RssAnon")
}

// manyServices are n services of one workload each.
func manyServices(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(service(fmt.Sprintf("service-%d", i), fmt.Sprintf("10.97.%d.%d", i/250, i%250+1), fmt.Sprintf("10.99.%d.%d", i/250, i%250+1), both))
	}
	return b.String()
}
