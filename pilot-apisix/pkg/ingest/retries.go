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

package ingest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// defaultRetryOn are the conditions of Istio's default policy (retry.DefaultPolicy).
const defaultRetryOn = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"

// defaultAttempts are the further tries of Istio's default policy.
const defaultAttempts = 2

// retries reads a retry policy, or the mesh's default one (retry.ConvertPolicy); nil is Istio's own default. hashed says that the
// endpoint is chosen by a key: by default further tries go to the same one then.
func (b *builder) retries(in *networking.HTTPRetry, hashed bool) *ir.Retries {
	if in == nil {
		in = b.in.Push.Mesh.GetDefaultHttpRetryPolicy()
	}
	if in == nil {
		if !hashed {
			return nil
		}
		in = &networking.HTTPRetry{Attempts: defaultAttempts}
	}
	if in.Attempts <= 0 {
		return &ir.Retries{}
	}
	out := &ir.Retries{
		Attempts: int(in.Attempts), PerTryTimeout: in.PerTryTimeout.AsDuration(), Backoff: in.Backoff.AsDuration(),
		RemoteLocalities: in.RetryRemoteLocalities.GetValue(),
		PreviousHosts:    hashed,
	}
	if p := in.RetryIgnorePreviousHosts; p != nil {
		out.PreviousHosts = !p.GetValue()
	}
	on := in.RetryOn
	if on == "" {
		on, out.DefaultOn = defaultRetryOn, true
	}
	for condition := range strings.SplitSeq(on, ",") {
		condition = strings.TrimSpace(condition)
		status, err := strconv.Atoi(condition)
		switch {
		case condition == "":
		case err == nil && http.StatusText(status) != "":
			out.Statuses = append(out.Statuses, status)
		default:
			out.On = append(out.On, condition)
		}
	}
	slices.Sort(out.On)
	slices.Sort(out.Statuses)
	return out
}
