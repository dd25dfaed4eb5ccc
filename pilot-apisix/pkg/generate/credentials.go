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

package generate

import (
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/util/sets"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/ingest"
)

// credentials asks Istio's generator of SDS for what a gateway names, as Envoy would: whether the proxy may have it, in which
// cluster it is and what becomes of a Secret is decided there.
type credentials struct {
	sds model.XdsResourceGenerator
}

// Get implements ingest.Credentials.
func (c credentials) Get(proxy *model.Proxy, push *model.PushContext, names []string) map[string]ingest.Credential {
	out := make(map[string]ingest.Credential, len(names))
	// It logs what it refuses, and an error is never made.
	resources, _, err := c.sds.Generate(proxy, &model.WatchedResource{ResourceNames: sets.New(names...)}, &model.PushRequest{
		Push: push, Forced: true,
	})
	if err != nil {
		return out
	}
	for _, r := range resources {
		var s tls.Secret
		if err := r.GetResource().UnmarshalTo(&s); err == nil {
			out[r.Name] = credential(&s)
		}
	}
	return out
}

func credential(s *tls.Secret) ingest.Credential {
	var out ingest.Credential
	switch {
	case s.GetTlsCertificate() != nil:
		c := s.GetTlsCertificate()
		out.Chain, out.Key = inline(c.CertificateChain), inline(c.PrivateKey)
		if c.PrivateKeyProvider != nil {
			out.Unreadable = "ProxyConfig.privateKeyProvider is for Envoy only: take it away"
		}
	case s.GetValidationContext() != nil:
		v := s.GetValidationContext()
		out.CA, out.CRL = inline(v.TrustedCa), len(inline(v.Crl)) > 0
	}
	return out
}

func inline(s *core.DataSource) []byte { return s.GetInlineBytes() }
