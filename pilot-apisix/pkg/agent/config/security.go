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

package config

import (
	"fmt"
	"os"
	"strings"

	"istio.io/istio/pkg/jwt"
	"istio.io/istio/pkg/log"
	istiosecurity "istio.io/istio/pkg/security"
	"istio.io/istio/security/pkg/credentialfetcher"
	"istio.io/istio/security/pkg/nodeagent/cafile"
)

// newSecurityOptions is upstream's options.NewSecurityOptions.
func newSecurityOptions(c *Config, stsPort int) (*istiosecurity.Options, error) {
	o := &istiosecurity.Options{
		CAEndpoint:                           caEndpointVar.Get(),
		CAProviderName:                       caProviderVar.Get(),
		PilotCertProvider:                    pilotCertProviderVar.Get(),
		OutputKeyCertToDir:                   outputCertsVar.Get(),
		ProvCert:                             provCertVar.Get(),
		ClusterID:                            clusterIDVar.Get(),
		FileMountedCerts:                     fileMountedCertsVar.Get(),
		WorkloadNamespace:                    podNamespaceVar.Get(),
		ServiceAccount:                       serviceAccountVar.Get(),
		TrustDomain:                          trustDomainVar.Get(),
		WorkloadRSAKeySize:                   rsaKeySizeVar.Get(),
		Pkcs8Keys:                            pkcs8KeysVar.Get(),
		ECCSigAlg:                            eccSigAlgVar.Get(),
		ECCCurve:                             eccCurveVar.Get(),
		SecretTTL:                            secretTTLVar.Get(),
		FileDebounceDuration:                 fileDebounceVar.Get(),
		SecretRotationGracePeriodRatio:       gracePeriodRatioVar.Get(),
		SecretRotationGracePeriodRatioJitter: gracePeriodRatioJitterVar.Get(),
		STSPort:                              stsPort,
		CertSigner:                           certSignerVar.Get(),
		CARootPath:                           cafile.CACertFilePath,
		CertChainFilePath:                    istiosecurity.DefaultCertChainFilePath,
		KeyFilePath:                          istiosecurity.DefaultKeyFilePath,
		RootCertFilePath:                     istiosecurity.DefaultRootCertFilePath,
		CAHeaders:                            headersFromEnv(os.Environ(), caHeaderPrefix),
		CredIdentityProvider:                 credIdentityProviderVar.Get(),
	}
	if policy := jwtPolicyVar.Get(); policy == jwt.PolicyFirstParty {
		log.Warnf("JWT_POLICY=%s is no longer supported by Istio; using %s", policy, jwt.PolicyThirdParty)
	}
	if o.CAEndpoint == "" {
		o.CAEndpoint = c.XDS.Address
		o.CAEndpointSAN = c.XDS.SAN
	}
	fetcher, err := credentialfetcher.NewCredFetcher(credFetcherTypeVar.Get(), o.TrustDomain, c.TokenPath, o.CredIdentityProvider)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", credFetcherTypeVar.Name, err)
	}
	o.CredFetcher = fetcher

	if o.CAProviderName == istiosecurity.GkeWorkloadCertificateProvider {
		if !istiosecurity.CheckWorkloadCertificate(istiosecurity.GkeWorkloadCertChainFilePath,
			istiosecurity.GkeWorkloadKeyFilePath, istiosecurity.GkeWorkloadRootCertFilePath) {
			return nil, fmt.Errorf("%s=%s: the files %s, %s and %s are not all there", caProviderVar.Name, o.CAProviderName,
				istiosecurity.GkeWorkloadCertChainFilePath, istiosecurity.GkeWorkloadKeyFilePath, istiosecurity.GkeWorkloadRootCertFilePath)
		}
		if o.ProvCert != "" {
			return nil, fmt.Errorf("%s and %s=%s exclude each other", provCertVar.Name, caProviderVar.Name, o.CAProviderName)
		}
		o.FileMountedCerts = true
		o.CertChainFilePath = istiosecurity.GkeWorkloadCertChainFilePath
		o.KeyFilePath = istiosecurity.GkeWorkloadKeyFilePath
		o.RootCertFilePath = istiosecurity.GkeWorkloadRootCertFilePath
		return o, nil
	}
	if strings.Contains(o.CAEndpoint, "googleapis.com") {
		o.CAProviderName = istiosecurity.GoogleCAProvider
	}
	if o.ProvCert != "" && o.FileMountedCerts {
		return nil, fmt.Errorf("%s and %s exclude each other", provCertVar.Name, fileMountedCertsVar.Name)
	}
	return o, nil
}
