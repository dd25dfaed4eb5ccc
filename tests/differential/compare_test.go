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

package differential

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// disagreement is a call to which the two proxies do something different, and nothing tells of it.
type disagreement struct {
	scenario *scenario
	call     *call
	aspect   aspect
	envoy    *answer
	ours     *answer
}

func (d *disagreement) String() string {
	return fmt.Sprintf("%s\n  call:  %v\n  Envoy: %s\n         %s\n  ours:  %s\n         %s\n", d.signature(), d.call,
		d.envoy.aspects[d.aspect], d.envoy.where, d.ours.aspects[d.aspect], d.ours.where)
}

// attempts is how often Envoy's side is made anew before a difference counts: where Istio lets the order of a map decide, any
// of its answers will do.
const attempts = 100

// compare plays the calls on both sides. The result is nil for a configuration that cannot be generated at all.
func (s *scenario) compare(t *testing.T, calls []*call, n *counts) (found []*disagreement) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v\n%s\n%s", p, s, debug.Stack())
		}
	}()
	l := &lab{T: t}
	defer l.close()
	x, err := s.generate(l)
	if err != nil {
		if strings.Contains(err.Error(), "not simulated") {
			// Such as an expression on bytes outside of ASCII.
			n.add("a configuration not simulated: " + err.Error()[strings.LastIndex(err.Error(), ": ")+2:])
			return nil
		}
		n.add("DISAGREED")
		_, why, _ := strings.Cut(err.Error(), ": ")
		return []*disagreement{{scenario: s, call: calls[0], aspect: outcome, envoy: newAnswer("any"), ours: newAnswer(why)}}
	}
	for _, c := range calls {
		found = append(found, x.compare(t, c, n)...)
	}
	return found
}

// compare plays one call.
func (x *sides) compare(t *testing.T, c *call, n *counts) []*disagreement {
	ours, not := x.apisix.answer(c)
	if len(not) > 0 {
		n.add("not simulated: " + strings.Join(not, ", "))
		return nil
	}
	skip := ours.unplayed()
	ours.gather(skip)
	var first []*disagreement
	for i := range attempts {
		if i > 0 {
			x.generateEnvoy(t)
		}
		envoy := x.envoyAnswer(t, c)
		if envoy.aspects[outcome] == refused {
			n.add("refused by Envoy")
			return nil
		}
		envoy.gather(skip)
		diff := differences(envoy, ours)
		if len(diff) == 0 {
			if i > 0 {
				n.add("agreed, as one of several answers of Istio's")
			} else {
				n.add("agreed, " + kind(envoy))
			}
			return nil
		}
		var codes []string
		untold := slices.DeleteFunc(diff, func(k aspect) bool {
			code := x.told(c, k, envoy, ours)
			if code != "" {
				if os.Getenv("DIFF_TOLD") == code {
					t.Logf("%s: %s: Envoy %s (%s), ours %s (%s): %v", code, k, envoy.aspects[k], envoy.where, ours.aspects[k], ours.where, c)
				}
				codes = append(codes, code)
			}
			return code != ""
		})
		if len(untold) == 0 {
			for _, code := range slices.Compact(codes) {
				n.add("told by " + code)
			}
			return nil
		}
		if first == nil {
			for _, k := range untold {
				first = append(first, &disagreement{scenario: x.scenario, call: c, aspect: k, envoy: envoy, ours: ours})
			}
			if !slices.ContainsFunc(first, func(d *disagreement) bool { return d.class() == nil }) {
				break
			}
		}
	}
	if !slices.ContainsFunc(first, func(d *disagreement) bool { return !d.documented() }) {
		n.add("documented: " + first[0].class().name)
		return nil
	}
	n.add("DISAGREED")
	return first
}

// kind sorts agreements, to see that calls do not all end in 404.
func kind(a *answer) string {
	o := a.aspects[outcome]
	if o == forward && a.aspects[endpoints] == originalDestination {
		return "forward to the original destination"
	}
	if strings.HasPrefix(o, "answer 3") || strings.HasPrefix(o, "answer 2") {
		return "answered by the proxy"
	}
	return o
}

// environment is a number from the environment.
func environment(t *testing.T, name string, fallback uint64) uint64 {
	v := os.Getenv(name)
	if v == "" {
		return fallback
	}
	var n uint64
	if _, err := fmt.Sscanf(v, "%d", &n); err != nil {
		t.Fatalf("%s=%q: %v", name, v, err)
	}
	return n
}
