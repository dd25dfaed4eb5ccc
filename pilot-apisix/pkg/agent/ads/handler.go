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

package ads

import (
	"fmt"
	"strings"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// Handler takes what istiod sends. Its methods are called one at a time.
type Handler interface {
	// Versions are the versions of all that is held, by name.
	Versions() map[string]string
	// Handle applies what it can of one response and returns what it refused. What was refused leaves the last good
	// content of that name, and its version, as they are.
	Handle(resources []*discovery.Resource, removed []string) []Rejection
}

// Stander is a Handler that may find out later that something is wrong with what it accepted.
type Stander interface {
	// Standing are the resources of which istiod's present content is refused by now although Handle took it. They are named in every answer,
	// as long as they are: an answer without them would say that all is well.
	Standing() []Rejection
}

// Rejection is a resource that was refused, and why.
type Rejection struct {
	// Name is what istiod called it; it may be anything.
	Name string `json:"name"`
	// Reason does not repeat content of the resource, which may be secret.
	Reason string `json:"reason"`
}

const (
	// maxNamedRejections and maxReason (bytes, of a name as well) bound what a NACK says: istiod logs it and keeps it for /debug/syncz.
	maxNamedRejections = 50
	maxReason          = 300
)

// nackMessage names each rejection.
func nackMessage(rejections []Rejection) string {
	var b strings.Builder
	noun := "resources"
	if len(rejections) == 1 {
		noun = "resource"
	}
	fmt.Fprintf(&b, "%d %s refused: ", len(rejections), noun)
	for i, r := range rejections {
		if i == maxNamedRejections {
			fmt.Fprintf(&b, "; and %d more", len(rejections)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%q: %s", truncate(r.Name, maxReason), truncate(r.Reason, maxReason))
	}
	return b.String()
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
