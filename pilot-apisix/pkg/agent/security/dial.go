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
	"crypto/tls"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	istiogrpc "istio.io/istio/pilot/pkg/grpc"
	"istio.io/istio/pkg/model"
	"istio.io/istio/security/pkg/nodeagent/caclient"
	pkiutil "istio.io/istio/security/pkg/pki/util"
)

// localIstiod is the name of istiod's certificate when it is reached by "localhost", as through a port forward.
const localIstiod = "istiod.istio-system.svc"

// DialOptions are the options for one connection to istiod. They are made anew for every connection, so that a rotated
// root is picked up. An error names the file that is missing and the remedy.
func (m *Manager) DialOptions() ([]grpc.DialOption, error) {
	// Keepalive, window and message sizes as Istio's agent has them; without TLS when there is none below.
	options, err := istiogrpc.ClientOptions(nil, nil)
	if err != nil {
		return nil, err
	}
	if m.cfg.XDS.Plaintext {
		return options, nil
	}
	root, err := m.xdsRoot()
	if err != nil {
		return nil, err
	}
	pool, err := rootPool(root)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.presented = false
	m.withheld, m.withholdNext = m.withholdNext, false
	m.mu.Unlock()
	config := &tls.Config{
		RootCAs:              pool,
		ServerName:           serverName(m.cfg.XDS.Address, m.cfg.XDS.SAN),
		MinVersion:           tls.VersionTLS12,
		GetClientCertificate: m.clientCertificate,
	}
	model.EnforceGoCompliance(config)
	options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if m.cfg.Security.CredFetcher != nil {
		options = append(options, grpc.WithPerRPCCredentials(tlsOnly{caclient.NewDefaultTokenProvider(m.cfg.Security)}))
	}
	return options, nil
}

// tlsOnly are credentials that gRPC refuses to send without TLS.
type tlsOnly struct {
	credentials.PerRPCCredentials
}

func (tlsOnly) RequireTransportSecurity() bool { return true }

// serverName is the name that istiod's certificate must carry (istiogrpc.TLSOptions has the same rules).
func serverName(address, san string) string {
	if san != "" {
		return san
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if strings.Contains(host, "localhost") {
		return localIstiod
	}
	return host
}

// clientCertificate answers istiod's request for a certificate; an empty one means that the token must do.
func (m *Manager) clientCertificate(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if key, cert := m.xdsKeyCert(); key != "" && cert != "" {
		expired, err := pkiutil.IsCertExpired(cert)
		switch {
		case err != nil:
			log.Warnf("certificate %s cannot be read, using the token instead: %v", cert, err)
			return &tls.Certificate{}, nil
		case expired:
			log.Warnf("certificate %s has expired, using the token instead", cert)
			return &tls.Certificate{}, nil
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		return &pair, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.workload
	if w == nil || m.withheld || time.Now().After(w.Leaf.NotAfter) || request.SupportsCertificate(w) != nil {
		return &tls.Certificate{}, nil
	}
	m.presented = true
	return w, nil
}

// Failed is told why a connection to istiod was lost, and whether istiod had accepted it before. If it had not, and was
// shown the workload's certificate, the next connection goes without: istiod may have a new root that does not know the
// certificate, which this side only sees as a connection that breaks. The token alone does then.
func (m *Manager) Failed(err error, accepted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.withholdNext = m.presented && !accepted && status.Code(err) == codes.Unavailable
	if m.withholdNext {
		log.Infof("the next connection to istiod goes without the workload's certificate, in case that istiod does not know its root")
	}
}

func serial(c *tls.Certificate) string {
	return c.Leaf.SerialNumber.Text(16)
}
