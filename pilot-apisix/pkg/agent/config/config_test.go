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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"istio.io/istio/pkg/test/util/assert"
)

// sidecar sets the environment that Istio's injection gives a sidecar, in an empty working directory.
func sidecar(t *testing.T, environ map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	base := map[string]string{
		"POD_NAME":              "reviews-1",
		"POD_NAMESPACE":         "bookinfo",
		"INSTANCE_IP":           "10.1.2.3",
		"SERVICE_ACCOUNT":       "bookinfo-reviews",
		"ISTIO_META_CLUSTER_ID": "cluster1",
		"PROXY_CONFIG":          "",
	}
	for k, v := range environ {
		base[k] = v
	}
	for k, v := range base {
		t.Setenv(k, v)
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	assert.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	assert.NoError(t, os.WriteFile(file, []byte(content), 0o600))
}

func field(t *testing.T, s *structpb.Struct, key string) any {
	t.Helper()
	v, found := s.GetFields()[key]
	if !found {
		return nil
	}
	return v.AsInterface()
}

func TestNode(t *testing.T) {
	sidecar(t, map[string]string{
		"ISTIO_META_MESH_ID":       "mesh1",
		"ISTIO_META_OWN_FIELD":     "own",
		"ISTIO_METAJSON_LABELS":    `{"app":"static","zone":"z"}`,
		"ISTIO_META_WORKLOAD_NAME": "reviews",
	})
	write(t, "./etc/istio/pod/labels", "app=\"reviews\"\nversion=\"v1\"\npod-template-hash=\"abc\"\n")
	write(t, "./etc/istio/pod/annotations", "sidecar.istio.io/inject=\"true\"\n")
	c, err := New(Args{})
	assert.NoError(t, err)
	assert.Equal(t, c.Workload, "reviews-1.bookinfo")
	assert.Equal(t, c.Node.GetId(), "sidecar~10.1.2.3~reviews-1.bookinfo~bookinfo.svc.cluster.local")
	m := c.Node.GetMetadata()
	for key, want := range map[string]any{
		"NAME":               "reviews-1",
		"NAMESPACE":          "bookinfo",
		"SERVICE_ACCOUNT":    "bookinfo-reviews",
		"CLUSTER_ID":         "cluster1",
		"MESH_ID":            "mesh1",
		"WORKLOAD_NAME":      "reviews",
		"OWN_FIELD":          "own",
		"DISABLE_HBONE_SEND": "true",
		"PROXY_KIND":         "apisix",
		"LABELS":             map[string]any{"app": "reviews", "version": "v1", "zone": "z"},
		"ANNOTATIONS":        map[string]any{"sidecar.istio.io/inject": "true"},
	} {
		assert.Equal(t, field(t, m, key), want, key)
	}
	if v, _ := field(t, m, "ISTIO_VERSION").(string); v == "" {
		t.Error("no ISTIO_VERSION")
	}
	if ips, _ := field(t, m, "INSTANCE_IPS").(string); !strings.HasPrefix(ips, "10.1.2.3") {
		t.Errorf("INSTANCE_IPS %q do not begin with the instance's", ips)
	}
}

// TestReadinessProbe must not reach istiod, which would wait for its results.
func TestReadinessProbe(t *testing.T) {
	sidecar(t, map[string]string{"PROXY_CONFIG": "readinessProbe: {httpGet: {port: 8080, path: /ready}}\nstatusPort: 15020"})
	c, err := New(Args{})
	assert.NoError(t, err)
	pc, _ := field(t, c.Node.GetMetadata(), "PROXY_CONFIG").(map[string]any)
	assert.Equal(t, pc["statusPort"], any(15020.0))
	assert.Equal(t, pc["readinessProbe"], nil)
}

func TestNodeOfAHostWithoutKubernetes(t *testing.T) {
	sidecar(t, map[string]string{
		"POD_NAME": "", "ISTIO_META_CLUSTER_ID": "", "ISTIO_METAJSON_LABELS": `{"app":"ratings"}`,
		"ISTIO_META_DISABLE_HBONE_SEND": "false",
	})
	assert.NoError(t, os.Unsetenv("ISTIO_META_CLUSTER_ID"))
	c, err := New(Args{Domain: "example.org", Role: "router"})
	assert.NoError(t, err)
	host, err := os.Hostname()
	assert.NoError(t, err)
	assert.Equal(t, c.Node.GetId(), "router~10.1.2.3~"+host+".bookinfo~example.org")
	m := c.Node.GetMetadata()
	assert.Equal(t, field(t, m, "LABELS"), any(map[string]any{"app": "ratings"}))
	assert.Equal(t, field(t, m, "NAME"), any(host))
	assert.Equal(t, field(t, m, "CLUSTER_ID"), any("Kubernetes"))
	// What is set by hand wins.
	if v := field(t, m, "DISABLE_HBONE_SEND"); v == "true" {
		t.Errorf("DISABLE_HBONE_SEND is %v", v)
	}
}

func TestAddresses(t *testing.T) {
	sidecar(t, nil)
	c, err := New(Args{})
	assert.NoError(t, err)
	assert.Equal(t, c.XDS.Address, "istiod.istio-system.svc:15012")
	assert.Equal(t, c.XDS.Plaintext, false)
	assert.Equal(t, []string{c.GatewayAddress, c.ReadinessAddress, c.StatusAddress, c.AdminAddress},
		[]string{"127.0.0.1:15022", ":15021", ":15020", "127.0.0.1:15000"})
	assert.Equal(t, c.DataDir, "/var/lib/istio/data/apisix-mesh")
	assert.Equal(t, c.TokenPath, "./var/run/secrets/tokens/istio-token")
	assert.Equal(t, c.Security.CAEndpoint, c.XDS.Address)

	sidecar(t, map[string]string{
		"PROXY_CONFIG":           `{"discoveryAddress":"istiod.test:15012","statusPort":25020,"proxyAdminPort":25000}`,
		"ENVOY_STATUS_PORT":      "25021",
		"APISIX_GATEWAY_ADDRESS": "unix:///tmp/gateway",
		"APISIX_AGENT_DATA_DIR":  "/tmp/data",
		"XDS_HEADER_X_A":         "1=2",
		"CA_HEADER_X_B":          "3",
		"CA_ADDR":                "ca.test:15012",
		"XDS_COMPRESSION":        "gzip",
	})
	c, err = New(Args{})
	assert.NoError(t, err)
	assert.Equal(t, c.XDS.Address, "istiod.test:15012")
	assert.Equal(t, []string{c.GatewayAddress, c.ReadinessAddress, c.StatusAddress, c.AdminAddress, c.DataDir},
		[]string{"unix:///tmp/gateway", ":25021", ":25020", "127.0.0.1:25000", "/tmp/data"})
	assert.Equal(t, c.XDS.Headers, map[string]string{"X_A": "1=2"})
	assert.Equal(t, c.Security.CAHeaders, map[string]string{"X_B": "3"})
	assert.Equal(t, c.Security.CAEndpoint, "ca.test:15012")
	assert.Equal(t, c.XDS.Compression, "gzip")

	// Flags win over the environment.
	c, err = New(Args{GatewayAddress: "127.0.0.1:1", DataDir: "/d", ReadinessAddress: "127.0.0.1:2", StatusAddress: ":3", AdminAddress: "[::1]:4"})
	assert.NoError(t, err)
	assert.Equal(t, []string{c.GatewayAddress, c.ReadinessAddress, c.StatusAddress, c.AdminAddress, c.DataDir},
		[]string{"127.0.0.1:1", "127.0.0.1:2", ":3", "[::1]:4", "/d"})
}

// TestPrecedence is that of upstream: the mesh file, then PROXY_CONFIG, then the pod's annotation.
func TestPrecedence(t *testing.T) {
	sidecar(t, map[string]string{"PROXY_CONFIG": "discoveryAddress: environment:15012"})
	write(t, "mesh", "defaultConfig:\n  discoveryAddress: file:15012\n  statusPort: 7\n")
	c, err := New(Args{MeshConfigFile: "mesh"})
	assert.NoError(t, err)
	assert.Equal(t, c.XDS.Address, "environment:15012")
	assert.Equal(t, c.StatusAddress, ":7")
	write(t, "./etc/istio/pod/annotations", "proxy.istio.io/config=\"discoveryAddress: annotation:15012\"\n")
	c, err = New(Args{MeshConfigFile: "mesh"})
	assert.NoError(t, err)
	assert.Equal(t, c.XDS.Address, "annotation:15012")
}

func TestPlaintextOnlyWhenToldSo(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ map[string]string
		args    Args
		want    string
		err     string
	}{
		{name: "by default not"},
		{name: "by flag", args: Args{Plaintext: true}, want: "--plaintext"},
		{name: "by environment", environ: map[string]string{"ISTIOD_PLAINTEXT": "true"}, want: "ISTIOD_PLAINTEXT=true"},
		{
			name: "by proxy configuration", environ: map[string]string{"PROXY_CONFIG": "controlPlaneAuthPolicy: NONE"},
			want: "controlPlaneAuthPolicy: NONE",
		},
		{
			name: "not by the port", environ: map[string]string{"PROXY_CONFIG": "discoveryAddress: istiod.istio-system.svc:15010"},
			err: "--plaintext",
		},
		{
			name: "the port with the switch", environ: map[string]string{"PROXY_CONFIG": "discoveryAddress: istiod.istio-system.svc:15010"},
			args: Args{Plaintext: true}, want: "--plaintext",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sidecar(t, tt.environ)
			c, err := New(tt.args)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v does not say %q", err, tt.err)
				}
				return
			}
			assert.NoError(t, err)
			assert.Equal(t, c.XDS.PlaintextReason, tt.want)
			assert.Equal(t, c.XDS.Plaintext, tt.want != "")
		})
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ map[string]string
		args    Args
		want    string
	}{
		{"no namespace", map[string]string{"POD_NAMESPACE": ""}, Args{}, "POD_NAMESPACE"},
		{"a name with a separator", map[string]string{"POD_NAME": "a~b"}, Args{}, `POD_NAME="a~b"`},
		{"role", nil, Args{Role: "waypoint"}, `"waypoint"`},
		{"no port of istiod's", map[string]string{"PROXY_CONFIG": "discoveryAddress: istiod"}, Args{}, "discovery address"},
		{"proxy configuration", map[string]string{"PROXY_CONFIG": "{"}, Args{}, "proxy configuration"},
		{"compression", map[string]string{"XDS_COMPRESSION": "zip"}, Args{}, "XDS_COMPRESSION"},
		{"gateway", nil, Args{GatewayAddress: "here"}, "--gatewayAddress"},
		{"readiness", nil, Args{ReadinessAddress: "here"}, "--readinessAddress"},
		{"status", nil, Args{StatusAddress: "here"}, "--statusAddress"},
		{"admin", nil, Args{AdminAddress: "here"}, "--adminAddress"},
		{"admin for everybody", nil, Args{AdminAddress: ":15000"}, "not a loopback address"},
		{"metrics", nil, Args{ProxyMetricsAddress: "here"}, "--proxyMetricsAddress"},
		{"metrics of elsewhere", map[string]string{"APISIX_METRICS_ADDRESS": "10.0.0.1:9091"}, Args{}, "not a loopback address"},
		{"DNS capture", map[string]string{"ISTIO_META_DNS_CAPTURE": "perhaps"}, Args{}, `ISTIO_META_DNS_CAPTURE="perhaps"`},
		{
			"DNS capture in the proxy configuration",
			map[string]string{"PROXY_CONFIG": "proxyMetadata: {ISTIO_META_DNS_CAPTURE: perhaps}"},
			Args{},
			"proxyMetadata.ISTIO_META_DNS_CAPTURE",
		},
		{"DNS address", map[string]string{"ISTIO_META_DNS_CAPTURE": "true", "DNS_PROXY_ADDR": "here"}, Args{}, "DNS_PROXY_ADDR"},
		{"credential fetcher", map[string]string{"CREDENTIAL_FETCHER_TYPE": "cat"}, Args{}, "CREDENTIAL_FETCHER_TYPE"},
		{"two kinds of certificates", map[string]string{"PROV_CERT": "/x", "FILE_MOUNTED_CERTS": "true"}, Args{}, "exclude each other"},
		{"GKE without files", map[string]string{"CA_PROVIDER": "GkeWorkloadCertificate"}, Args{}, "not all there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sidecar(t, tt.environ)
			_, err := New(tt.args)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v does not say %q", err, tt.want)
			}
		})
	}
}

// TestStatusPort: what injection says of the application, for a sidecar and not for a gateway.
func TestStatusPort(t *testing.T) {
	sidecar(t, map[string]string{
		"ISTIO_KUBE_APP_PROBERS":       `{"/app-health/reviews/livez":{}}`,
		"ISTIO_PROMETHEUS_ANNOTATIONS": `{"scrape":"true"}`,
		"APISIX_METRICS_ADDRESS":       "127.0.0.1:9091",
	})
	c, err := New(Args{})
	assert.NoError(t, err)
	assert.Equal(t, []string{c.InstanceIP, c.AppProbers, c.PrometheusAnnotations, c.ProxyMetricsAddress},
		[]string{"10.1.2.3", `{"/app-health/reviews/livez":{}}`, `{"scrape":"true"}`, "127.0.0.1:9091"})
	c, err = New(Args{Role: "router", ProxyMetricsAddress: "localhost:1"})
	assert.NoError(t, err)
	assert.Equal(t, []string{c.PrometheusAnnotations, c.ProxyMetricsAddress}, []string{"", "localhost:1"})
}

// TestProxy: what the agent runs, for a sidecar and for a gateway.
func TestProxy(t *testing.T) {
	sidecar(t, map[string]string{"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true", "MINIMUM_DRAIN_DURATION": "7s"})
	for _, tt := range []struct {
		name string
		args Args
		want Proxy
	}{
		{"a sidecar", Args{}, Proxy{Capture: true, MetricsAddress: "127.0.0.1:15090"}},
		{"a gateway", Args{Role: "router"}, Proxy{Router: true, MetricsAddress: "127.0.0.1:15090"}},
		{"metrics", Args{ProxyMetricsAddress: "localhost:9091"}, Proxy{Capture: true, MetricsAddress: "127.0.0.1:9091", MetricsAlways: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.args.APISIXHome, tt.args.ProxyDir = "/usr/local/apisix", "/run/proxy"
			c, err := New(tt.args)
			assert.NoError(t, err)
			tt.want.Home, tt.want.Dir = "/usr/local/apisix", "/run/proxy/apisix"
			tt.want.DrainDuration, tt.want.ExitOnZeroConnections, tt.want.MinimumDrainDuration = 5*time.Second, true, 7*time.Second
			// These are the machine's.
			tt.want.IPv4, tt.want.IPv6 = c.Proxy.IPv4, c.Proxy.IPv6
			assert.Equal(t, *c.Proxy, tt.want)
		})
	}
	c, err := New(Args{})
	assert.NoError(t, err)
	assert.Equal(t, c.Proxy == nil, true)
}

func TestDNS(t *testing.T) {
	on := DNS{Address: "localhost:15053", Namespace: "bookinfo", Domain: "bookinfo.svc.cluster.local", ForwardTimeout: 5 * time.Second}
	for _, tt := range []struct {
		name    string
		environ map[string]string
		role    string
		want    *DNS
	}{
		{name: "by default not"},
		{name: "captured", environ: map[string]string{"ISTIO_META_DNS_CAPTURE": "true"}, want: &on},
		{name: "captured, by proxy configuration", environ: map[string]string{"PROXY_CONFIG": `proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true"}`}, want: &on},
		{
			name: "the environment wins", environ: map[string]string{
				"PROXY_CONFIG": `proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true"}`, "ISTIO_META_DNS_CAPTURE": "false",
			},
		},
		{name: "nothing is captured in a gateway", environ: map[string]string{"ISTIO_META_DNS_CAPTURE": "true"}, role: "router"},
		{name: "asked for in a gateway", environ: map[string]string{"ISTIO_META_ENABLE_DNS_SERVER": "true"}, role: "router", want: &on},
		{
			name: "all", environ: map[string]string{
				"ISTIO_META_DNS_CAPTURE": "true", "DNS_PROXY_ADDR": "127.0.0.1:53", "DNS_FORWARD_PARALLEL": "true", "DNS_FORWARD_TIMEOUT": "2s",
			},
			want: &DNS{
				Address: "127.0.0.1:53", Namespace: "bookinfo", Domain: "bookinfo.svc.cluster.local", ForwardParallel: true, ForwardTimeout: 2 * time.Second,
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sidecar(t, tt.environ)
			c, err := New(Args{Role: tt.role})
			assert.NoError(t, err)
			assert.Equal(t, c.DNS, tt.want)
		})
	}
	// istiod reads the metadata, wherever it comes from.
	sidecar(t, map[string]string{"ISTIO_META_DNS_CAPTURE": "true", "ISTIO_META_DNS_AUTO_ALLOCATE": "true"})
	c, err := New(Args{})
	assert.NoError(t, err)
	for _, key := range []string{"DNS_CAPTURE", "DNS_AUTO_ALLOCATE"} {
		assert.Equal(t, field(t, c.Node.GetMetadata(), key), any("true"), key)
	}
}

// TestUpstreamVariables holds this package to the names of upstream's environment.
func TestUpstreamVariables(t *testing.T) {
	sidecar(t, map[string]string{
		"TRUST_DOMAIN": "td", "SECRET_TTL": "2h", "WORKLOAD_RSA_KEY_SIZE": "4096", "PKCS8_KEY": "true",
		"ECC_SIGNATURE_ALGORITHM": "ECDSA", "ECC_CURVE": "P384", "OUTPUT_CERTS": "/o", "PILOT_CERT_PROVIDER": "custom",
		"XDS_ROOT_CA": "/x.pem", "CA_ROOT_CA": "/c.pem", "ISTIOD_SAN": "san", "SECRET_GRACE_PERIOD_RATIO": "0.25",
		"ISTIO_META_CERT_SIGNER": "signer", "PROV_CERT": "/p", "CA_PROVIDER": "Other",
	})
	c, err := New(Args{StsPort: 3, TokenPath: "/t"})
	assert.NoError(t, err)
	o := c.Security
	assert.Equal(t, o.TrustDomain, "td")
	assert.Equal(t, o.SecretTTL.String(), "2h0m0s")
	assert.Equal(t, o.WorkloadRSAKeySize, 4096)
	assert.Equal(t, o.Pkcs8Keys, true)
	assert.Equal(t, []string{o.ECCSigAlg, o.ECCCurve, o.OutputKeyCertToDir, o.PilotCertProvider}, []string{"ECDSA", "P384", "/o", "custom"})
	assert.Equal(t, []string{c.XDS.RootCA, c.CARootCA, c.XDS.SAN, o.CAEndpointSAN}, []string{"/x.pem", "/c.pem", "san", "san"})
	assert.Equal(t, o.SecretRotationGracePeriodRatio, 0.25)
	assert.Equal(t, []string{o.CertSigner, o.ProvCert, o.CAProviderName}, []string{"signer", "/p", "Other"})
	assert.Equal(t, []string{o.WorkloadNamespace, o.ServiceAccount, o.ClusterID}, []string{"bookinfo", "bookinfo-reviews", "cluster1"})
	assert.Equal(t, o.STSPort, 3)
	assert.Equal(t, c.TokenPath, "/t")
}
