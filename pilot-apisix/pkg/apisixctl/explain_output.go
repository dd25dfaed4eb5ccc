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

package apisixctl

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// explanationWriters are the formats of explain's output.
var explanationWriters = map[string]func(io.Writer, *explanation) error{
	"text": writeExplanation,
	"json": func(w io.Writer, e *explanation) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(e)
	},
	"yaml": func(w io.Writer, e *explanation) error {
		b, err := yaml.Marshal(e)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	},
}

// writeExplanation prints what a person reads: the rule, what becomes of the request, and why.
func writeExplanation(w io.Writer, e *explanation) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	switch {
	case e.Rule != nil && e.At != "":
		line("%s (%s)", e.Rule, e.At)
	case e.Rule != nil:
		line("%s", e.Rule)
	default:
		line("no rule takes it")
	}
	if e.Closed {
		line("  closed")
	}
	if e.HTTP != "" {
		line("  HTTP: %s, for which there is --request", e.HTTP)
	}
	for _, f := range e.Faults {
		if f.Abort != nil {
			line("  fault: %v%% are answered with %d %q", f.Percent, f.Abort.Status, f.Abort.Body)
		} else {
			line("  fault: %v%% are delayed by %s", f.Percent, f.Delay)
		}
	}
	if r := e.Response; r != nil {
		line("  answered by the proxy: %d", r.Status)
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			line("    %s: %s", name, strings.Join(r.Header[name], ", "))
		}
		if r.Body != "" {
			line("    body: %q", r.Body)
		}
	}
	for _, d := range e.Destinations {
		writeDestination(line, &d)
	}
	for _, m := range e.Mirrors {
		line("  mirrored: %v%% to %s", m.Percent, m.UpstreamID)
	}
	if r := e.Retry; r != nil {
		writeRetry(line, r)
	}
	for _, d := range e.Diagnostics {
		line("  not as on Envoy: %s", d)
	}
	for _, n := range e.NotSimulated {
		line("  not known: %s has a part in this", n)
	}
	line("why:")
	for _, reason := range e.Why {
		line("  %s", reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeDestination(line func(string, ...any), d *explainedDestination) {
	if d.OriginalDst.IsValid() {
		line("  %.4g%% to the original destination: where the client connected to", d.Share)
	} else {
		line("  %.4g%% to %s: %s", d.Share, d.UpstreamID, strings.Join(d.Endpoints, ", "))
	}
	if d.Status != 0 {
		line("    answered with %d: there is nobody to forward to", d.Status)
	}
	if d.Closed {
		line("    closed: there is nobody to connect to")
	}
	if d.Request.Method != "" {
		line("    as %s %s, host %s", d.Request.Method, d.Request.Path, d.Request.Host)
	}
	for _, c := range d.Request.Changes {
		line("    request header: %s", c)
	}
	for _, c := range d.ResponseChanges {
		line("    response header: %s", c)
	}
	for _, s := range d.Sources {
		line("    made from %s", s)
	}
}

func writeRetry(line func(string, ...any), r *simulate.Retry) {
	if r.Timeout > 0 {
		line("  timeout: %s in all", r.Timeout)
	}
	if r.PerTryTimeout > 0 {
		line("  timeout: %s for each try", r.PerTryTimeout)
	}
	if r.Attempts >= 0 {
		after := slices.Clone(r.On)
		for _, status := range r.Statuses {
			after = append(after, strconv.Itoa(status))
		}
		line("  retries: %d, after %s", r.Attempts, strings.Join(after, ", "))
	}
}
