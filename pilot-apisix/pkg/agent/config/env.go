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
	"strings"
	"time"

	"istio.io/istio/pilot/cmd/pilot-agent/status"
	"istio.io/istio/pkg/config/constants"
	dnsclient "istio.io/istio/pkg/dns/client"
	"istio.io/istio/pkg/env"
	"istio.io/istio/pkg/jwt"
	istiosecurity "istio.io/istio/pkg/security"
)

// The environment of Istio's pilot-agent (pilot/cmd/pilot-agent/options), with its names and defaults. That package
// itself is not imported: it brings Envoy's whole agent along, which costs every sidecar 4 MB.
var (
	instanceIPVar     = env.Register("INSTANCE_IP", "", "The IP address of the workload.")
	podNameVar        = env.Register("POD_NAME", "", "The name of the workload; the host's name when empty.")
	podNamespaceVar   = env.Register("POD_NAMESPACE", "", "The namespace of the workload.")
	serviceAccountVar = env.Register("SERVICE_ACCOUNT", "", "Name of service account")
	clusterIDVar      = env.Register("ISTIO_META_CLUSTER_ID", "", "The cluster that the workload belongs to.")
	proxyConfigVar    = env.Register("PROXY_CONFIG", "",
		"The proxy configuration. This will be set by the injection - gateways will use file mounts.")

	jwtPolicyVar = env.Register("JWT_POLICY", jwt.PolicyThirdParty, "The JWT validation policy.")
	provCertVar  = env.Register("PROV_CERT", "", "Set to a directory containing provisioned certs, for VMs")
	xdsRootCAVar = env.Register("XDS_ROOT_CA", "",
		"Explicitly set the root CA to expect for the XDS connection.")
	caRootCAVar    = env.Register("CA_ROOT_CA", "", "Explicitly set the root CA to expect for the CA connection.")
	outputCertsVar = env.Register("OUTPUT_CERTS", "",
		"The output directory for the key and certificate. If empty, key and certificate will not be saved. "+
			"Must be set for VMs using provisioning certificates.")
	caProviderVar = env.Register("CA_PROVIDER", "Citadel", "name of authentication provider")
	caEndpointVar = env.Register("CA_ADDR", "",
		"Address of the spiffe certificate provider. Defaults to discoveryAddress")
	// With upstream's own words (pilot/pkg/features), as a second description of one variable would be warned of.
	pilotCertProviderVar = env.Register("PILOT_CERT_PROVIDER", constants.CertProviderIstiod,
		"The provider of Pilot DNS certificate. K8S RA will be used for k8s.io/NAME. 'istiod' value will sign"+
			" using Istio build in CA. Other values will not not generate TLS certs, but still "+
			" distribute ./etc/certs/root-cert.pem. Only used if custom certificates are not mounted.")
	trustDomainVar  = env.Register("TRUST_DOMAIN", "cluster.local", "The trust domain for spiffe certificates")
	secretTTLVar    = env.Register("SECRET_TTL", 24*time.Hour, "The cert lifetime requested by istio agent")
	fileDebounceVar = env.Register("FILE_DEBOUNCE_DURATION", 100*time.Millisecond,
		"The duration for which the file read operation is delayed once file update is detected")
	gracePeriodRatioVar = env.Register("SECRET_GRACE_PERIOD_RATIO", 0.5,
		"The grace period ratio for the cert rotation, by default 0.5.")
	gracePeriodRatioJitterVar = env.Register("SECRET_GRACE_PERIOD_RATIO_JITTER", .01,
		"Randomize the grace period ratio up or down by this amount to stagger cert renewals, by default .01 (~15 minutes over 24 hours).")
	rsaKeySizeVar = env.Register("WORKLOAD_RSA_KEY_SIZE", 2048,
		"Specify the RSA key size to use for workload certificates.")
	pkcs8KeysVar = env.Register("PKCS8_KEY", false, "Whether to generate PKCS#8 private keys")
	eccSigAlgVar = env.Register("ECC_SIGNATURE_ALGORITHM", "",
		"The type of ECC signature algorithm to use when generating private keys")
	eccCurveVar = env.Register("ECC_CURVE", "P256",
		"The elliptic curve to use when ECC_SIGNATURE_ALGORITHM is set to ECDSA")
	fileMountedCertsVar = env.Register("FILE_MOUNTED_CERTS", false, "")
	credFetcherTypeVar  = env.Register("CREDENTIAL_FETCHER_TYPE", istiosecurity.JWT,
		"The type of the credential fetcher. Currently supported types include GoogleComputeEngine")
	credIdentityProviderVar = env.Register("CREDENTIAL_IDENTITY_PROVIDER", "GoogleComputeEngine",
		"The identity provider for credential. Currently default supported identity provider is GoogleComputeEngine")
	certSignerVar = env.Register("ISTIO_META_CERT_SIGNER", "", "The cert signer info for workload cert")
	istiodSANVar  = env.Register("ISTIOD_SAN", "",
		"Override the ServerName used to validate Istiod certificate. "+
			"Can be used as an alternative to setting /etc/hosts for VMs - discovery address will be an IP:port")
	exitOnZeroVar = env.Register("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", false,
		"When set to true, terminates proxy when number of active connections become zero during draining")
	minimumDrainVar = env.Register("MINIMUM_DRAIN_DURATION", 5*time.Second,
		"The minimum duration for which agent waits before it checks for active connections and terminates proxy"+
			"when number of active connections become zero")
	appProbersVar = env.Register(status.KubeAppProberEnvName, "", "")

	dnsCaptureVar = env.Register("ISTIO_META_DNS_CAPTURE", false,
		"If set to true, enable the capture of outgoing DNS packets on port 53, redirecting to istio-agent on :15053")
	dnsServerVar = env.Register("ISTIO_META_ENABLE_DNS_SERVER", false,
		"If set to true, starts the DNS server on :15053. This won't automatically capture the DNS traffic and can be used "+
			"when we want Gateways to resolve DNS using this as Resolver for use cases like Dynamic Forward Proxy")
	dnsAddressVar = env.Register("DNS_PROXY_ADDR", constants.DefaultDNSProxyAddr,
		"Custom address for the DNS proxy. If it ends with :53 and running as root allows running without iptable DNS capture")
	dnsForwardParallelVar = env.Register("DNS_FORWARD_PARALLEL", false,
		"If set to true, agent will send parallel DNS queries to all upstream nameservers")
	dnsForwardTimeoutVar = env.Register("DNS_FORWARD_TIMEOUT", dnsclient.DefaultUpstreamTimeout,
		"Timeout for upstream DNS queries. Defaults to 5 seconds")

	envoyStatusPortVar = env.Register("ENVOY_STATUS_PORT", 15021, "The proxy's health status port value")
)

// What this agent adds to Istio's environment. Each one is also a flag, which wins.
var (
	plaintextVar = env.Register("ISTIOD_PLAINTEXT", false,
		"Connect to istiod without TLS and without credentials. Only for a network that nobody else can reach.")
	dataDirVar = env.Register("APISIX_AGENT_DATA_DIR", "",
		"The directory of the last good configuration. It must survive a restart of the agent.")
	gatewayAddressVar = env.Register("APISIX_GATEWAY_ADDRESS", "",
		"Where APISIX reads its configuration (etcd v3 over HTTP): a loopback host:port, or unix:///path.")
	apisixHomeVar = env.Register("APISIX_AGENT_APISIX_HOME", "",
		"The installation of the APISIX that the agent runs, such as /usr/local/apisix. Without it the agent runs none.")
	proxyMetricsVar = env.Register("APISIX_METRICS_ADDRESS", "",
		"Where APISIX serves its metrics: a loopback host:port. They join those of the status port.")
	compressionVar = env.Register("XDS_COMPRESSION", "",
		"Set to gzip to have istiod's pushes compressed: less network for more of istiod's CPU.")
)

const (
	// xdsHeaderPrefix and caHeaderPrefix mark variables that become headers of the connection to istiod and to the CA.
	xdsHeaderPrefix = "XDS_HEADER_"
	caHeaderPrefix  = "CA_HEADER_"
)

// headersFromEnv collects the variables with prefix, named by the rest of their name.
func headersFromEnv(environ []string, prefix string) map[string]string {
	headers := map[string]string{}
	for _, e := range environ {
		name, value, ok := strings.Cut(e, "=")
		if rest, found := strings.CutPrefix(name, prefix); ok && found && rest != "" {
			headers[rest] = value
		}
	}
	return headers
}
