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
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// cors reads a cross-origin policy (TranslateCORSPolicy).
func cors(in *networking.CorsPolicy) *ir.CORS {
	if in == nil {
		return nil
	}
	out := &ir.CORS{
		AllowMethods: in.AllowMethods, AllowHeaders: in.AllowHeaders, ExposeHeaders: in.ExposeHeaders,
		AllowCredentials:          in.AllowCredentials.GetValue(),
		AnswerUnmatchedPreflights: in.UnmatchedPreflights == networking.CorsPolicy_IGNORE,
	}
	if in.AllowOrigins != nil {
		for _, o := range in.AllowOrigins {
			if m := stringMatch(o); m != nil {
				out.AllowOrigins = append(out.AllowOrigins, *m)
			}
		}
	} else {
		for _, o := range in.AllowOrigin { //nolint:staticcheck // deprecated, and still honoured by Istio
			out.AllowOrigins = append(out.AllowOrigins, ir.StringMatch{Kind: ir.MatchExact, Value: o})
		}
	}
	if in.MaxAge != nil {
		age := time.Duration(in.MaxAge.GetSeconds()) * time.Second
		out.MaxAge = &age
	}
	return out
}
