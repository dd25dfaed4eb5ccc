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

package security

import (
	"crypto/x509"
	"fmt"
	"os"
	"path"

	"istio.io/istio/pkg/config/constants"
	istiosecurity "istio.io/istio/pkg/security"
)

const (
	// caCertDir is where the ConfigMap istio-ca-root-cert is mounted (istioagent.CitadelCACertPath).
	caCertDir = "./var/run/secrets/istio"

	// Keys of ProxyConfig.proxyMetadata for file mounted certificates (istioagent.MetadataClient…).
	metadataClientKey       = "ISTIO_META_TLS_CLIENT_KEY"
	metadataClientCertChain = "ISTIO_META_TLS_CLIENT_CERT_CHAIN"
	metadataClientRootCert  = "ISTIO_META_TLS_CLIENT_ROOT_CERT"
)

// xdsRoot is the file of the root for istiod; "" means the system's roots. It is istioagent.Agent.FindRootCAForXDS.
func (m *Manager) xdsRoot() (string, error) {
	o := m.cfg.Security
	var file string
	switch {
	case m.cfg.XDS.RootCA == istiosecurity.SystemRootCerts:
		return "", nil
	case m.cfg.XDS.RootCA != "":
		file = m.cfg.XDS.RootCA
	case fileExists(istiosecurity.DefaultRootCertFilePath):
		return istiosecurity.DefaultRootCertFilePath, nil
	case o.ProvCert != "":
		file = path.Join(o.ProvCert, constants.RootCertFilename)
	case o.FileMountedCerts:
		file = m.cfg.ProxyConfig.GetProxyMetadata()[metadataClientRootCert]
	case o.PilotCertProvider == constants.CertProviderNone:
		return "", fmt.Errorf("PILOT_CERT_PROVIDER is %q: set XDS_ROOT_CA to the root certificate of istiod", constants.CertProviderNone)
	default:
		file = path.Join(caCertDir, constants.CACertNamespaceConfigMapDataName)
	}
	if !fileExists(file) {
		return "", fmt.Errorf("root certificate of istiod %q does not exist: mount the ConfigMap istio-ca-root-cert there, or set XDS_ROOT_CA", file)
	}
	return file, nil
}

// caRoot is the file of the root for the CA; "" means the system's roots. It is istioagent.Agent.FindRootCAForCA.
func (m *Manager) caRoot() (string, error) {
	o := m.cfg.Security
	var file string
	switch {
	case m.cfg.CARootCA == istiosecurity.SystemRootCerts:
		return "", nil
	case m.cfg.CARootCA != "":
		file = m.cfg.CARootCA
	case o.PilotCertProvider == constants.CertProviderCustom:
		file = istiosecurity.DefaultRootCertFilePath
	case o.ProvCert != "":
		file = path.Join(o.ProvCert, constants.RootCertFilename)
	case o.PilotCertProvider == constants.CertProviderNone:
		return "", fmt.Errorf("PILOT_CERT_PROVIDER is %q: set CA_ROOT_CA to the root certificate of the CA", constants.CertProviderNone)
	default:
		file = path.Join(caCertDir, constants.CACertNamespaceConfigMapDataName)
	}
	if !fileExists(file) {
		return "", fmt.Errorf("root certificate of the CA %q does not exist: mount the ConfigMap istio-ca-root-cert there, or set CA_ROOT_CA", file)
	}
	return file, nil
}

// xdsKeyCert are the files of the client certificate for istiod, if it comes from files.
func (m *Manager) xdsKeyCert() (key, cert string) {
	o := m.cfg.Security
	switch {
	case o.ProvCert != "":
		return m.provisioned()
	case o.FileMountedCerts:
		metadata := m.cfg.ProxyConfig.GetProxyMetadata()
		return metadata[metadataClientKey], metadata[metadataClientCertChain]
	default:
		return "", ""
	}
}

// provisioned are the files of PROV_CERT.
func (m *Manager) provisioned() (key, cert string) {
	dir := m.cfg.Security.ProvCert
	if dir == "" {
		return "", ""
	}
	return path.Join(dir, constants.KeyFilename), path.Join(dir, constants.CertChainFilename)
}

// rootPool reads the certificates of file, or the system's when file is empty.
func rootPool(file string) (*x509.CertPool, error) {
	if file == "" {
		return x509.SystemCertPool()
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("root certificate %s: no certificate in PEM form", file)
	}
	return pool, nil
}

func fileExists(file string) bool {
	fi, err := os.Stat(file)
	return err == nil && fi.Mode().IsRegular()
}
