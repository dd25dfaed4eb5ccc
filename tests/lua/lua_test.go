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

package lua

import (
	"strings"
	"testing"
)

// TestPlugins runs one APISIX through everything: starting one costs more than all the requests.
func TestPlugins(t *testing.T) {
	p := start(t)
	for _, tt := range []struct {
		name string
		run  func(*proxy)
	}{
		{"CORS", testCORS},
		{"Fault", testFault},
		{"Redirect", testRedirect},
		{"DirectResponse", testDirectResponse},
		{"GRPCAnswers", testGRPCAnswers},
		{"Split", testSplit},
		{"Hash", testHash},
		{"Rewrite", testRewrite},
		{"RewriteGRPC", testRewriteGRPC},
		{"Headers", testHeaders},
		{"Order", testOrder},
		{"Mirror", testMirror},
		{"MirrorBounds", testMirrorBounds},
		{"Retry", testRetry},
		{"RetryBody", testRetryBody},
		{"RetryNodes", testRetryNodes},
		{"RetryPauses", testRetryPauses},
		{"RetryPreviousHosts", testRetryPreviousHosts},
		{"PerTryTimeout", testPerTryTimeout},
		{"Timeout", testTimeout},
		{"TimeoutOfBodies", testTimeoutOfBodies},
		{"RetryGRPC", testRetryGRPC},
		{"Origination", testOrigination},
		{"MirrorSecured", testMirrorSecured},
		{"RBAC", testRBAC},
		{"Upgrade", testUpgrade},
		{"HTTP2", testHTTP2},
		{"Refused", testRefused},
		{"BalancerPolicies", testBalancerPolicies},
		{"OutlierDetection", testOutlierDetection},
		{"Locality", testLocality},
		{"Warmup", testWarmup},
		{"Limits", testLimits},
		{"DNS", testDNS},
		{"DynamicDNS", testDynamicDNS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sub := *p
			sub.t = t
			tt.run(&sub)
			// Whatever else the log has, no plugin stumbles.
			if log := sub.Log(); strings.Contains(log, "attempt to ") {
				t.Error(log)
			}
		})
	}
}
