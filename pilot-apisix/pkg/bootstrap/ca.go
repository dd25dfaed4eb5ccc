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

package bootstrap

import (
	"errors"
	"strings"

	meshconfig "istio.io/api/mesh/v1alpha1"
	istiobootstrap "istio.io/istio/pilot/pkg/bootstrap"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pkg/config/constants"
	istiolog "istio.io/istio/pkg/log"
	"istio.io/istio/security/pkg/pki/ca"
	caerror "istio.io/istio/security/pkg/pki/error"
	pkiutil "istio.io/istio/security/pkg/pki/util"

	"github.com/apisix-mesh/pilot-apisix/pkg/identity"
)

var calog = istiolog.RegisterScope("meshca", "certificates that nginx can check")

// namingCA signs with the built-in CA, and gives each certificate of a workload the DNS name that nginx checks beside its SPIFFE
// id. It stands in the place of a registration authority, which upstream prefers to its CA. Envoy looks at the id only.
type namingCA struct {
	server *istiobootstrap.Server
}

// nameWorkloads has the built-in CA's certificates carry names. Where another one signs there are none, and proxies refuse to
// connect to what they cannot check.
func nameWorkloads(server *istiobootstrap.Server) {
	if !features.EnableCAServer || strings.HasPrefix(features.PilotCertProvider, constants.CertProviderKubernetesSignerPrefix) {
		calog.Warnf("this istiod signs no certificates: those of another CA must carry DNS names \"<service account>.<namespace>._sa.<trust domain>\", " +
			"or APISIX proxies refuse to connect to their owners")
		return
	}
	// Upstream makes its own RA later when it is told to, and then it is used.
	server.RA = &namingCA{server: server}
}

// errNoCA has the type that upstream expects of a CA's errors.
var errNoCA = caerror.NewError(caerror.CANotReady, errors.New("the built-in CA is not ready"))

func (n *namingCA) withNames(opts ca.CertOpts) ca.CertOpts {
	ids := append([]string{}, opts.SubjectIDs...)
	for _, id := range opts.SubjectIDs {
		name, err := identity.DNSName(id)
		if err != nil {
			calog.Debugf("certificate of %s: %v", id, err)
			continue
		}
		ids = append(ids, name)
	}
	opts.SubjectIDs = ids
	return opts
}

// Sign implements the CA.
func (n *namingCA) Sign(csr []byte, opts ca.CertOpts) ([]byte, error) {
	if n.server.CA == nil {
		return nil, errNoCA
	}
	return n.server.CA.Sign(csr, n.withNames(opts))
}

// SignWithCertChain implements the CA.
func (n *namingCA) SignWithCertChain(csr []byte, opts ca.CertOpts) ([]string, error) {
	if n.server.CA == nil {
		return nil, errNoCA
	}
	return n.server.CA.SignWithCertChain(csr, n.withNames(opts))
}

// GetCAKeyCertBundle implements the CA.
func (n *namingCA) GetCAKeyCertBundle() *pkiutil.KeyCertBundle {
	if n.server.CA == nil {
		return &pkiutil.KeyCertBundle{}
	}
	return n.server.CA.GetCAKeyCertBundle()
}

// SetCACertificatesFromMeshConfig does nothing: there are no other signers.
func (*namingCA) SetCACertificatesFromMeshConfig([]*meshconfig.MeshConfig_CertificateData) {}

// GetRootCertFromMeshConfig has none, for the same reason.
func (*namingCA) GetRootCertFromMeshConfig(signer string) ([]byte, error) {
	return nil, errors.New("no signer " + signer + ": the built-in CA signs")
}
