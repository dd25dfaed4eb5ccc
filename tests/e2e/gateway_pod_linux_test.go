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

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pems are a certificate with its chain, and its key.
func pems(t *testing.T, c tls.Certificate) (chain, key []byte) {
	t.Helper()
	for _, der := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// secret is a Secret of Kubernetes.
func secret(name string, data map[string][]byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: default}\ntype: Opaque\ndata:\n", name)
	for _, k := range []string{"tls.crt", "tls.key", "ca.crt"} {
		if v, ok := data[k]; ok {
			fmt.Fprintf(&b, "  %s: %s\n", k, base64.StdEncoding.EncodeToString(v))
		}
	}
	return b.String() + "---\n"
}

// credential is a Secret with a certificate for names, which is valid from now on.
func credential(t *testing.T, ca *authority, name, hosts string, roots []byte) string {
	t.Helper()
	chain, key := pems(t, ca.issue(t, time.Now().Add(-time.Minute), time.Hour, hosts))
	data := map[string][]byte{"tls.crt": chain, "tls.key": key}
	if roots != nil {
		data["ca.crt"] = roots
	}
	return secret(name, data)
}

// gatewayOf is a Gateway with servers.
func gatewayOf(name string, servers ...string) string {
	return fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: %s, namespace: default}\nspec:\n  selector: {istio: ingress}\n"+
		"  servers:\n  - %s\n---\n", name, strings.Join(servers, "\n  - "))
}

// routing is a VirtualService for gateways.
func routing(name, hosts, gateways, rules string) string {
	return fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: %s, namespace: default}\nspec:\n  hosts: [%q]\n  gateways: [%s]\n%s\n---\n",
		name, hosts, gateways, rules)
}

const toServer = `  http:
  - route: [{destination: {host: server, port: {number: 80}}}]`

// https sends a request over TLS for a server name.
func (p *pod) https(address, name string, config *tls.Config) string {
	if config == nil {
		config = &tls.Config{}
	}
	client := p.client(address)
	transport := client.Transport.(*http.Transport)
	transport.DisableKeepAlives = true
	transport.TLSClientConfig = config.Clone()
	return fetch(client, "https://"+name+"/")
}

// presented is the serial number of the certificate that a server shows.
func (p *pod) presented(address, name string) string {
	c, err := p.handshake(address, &tls.Config{ServerName: name})
	if err != nil {
		return "error: " + err.Error()
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// expecting waits for answers that begin with a text.
func expecting(m *mesh) func(what, want string, f func() string) {
	return func(what, want string, f func() string) {
		m.t.Helper()
		m.eventually(what, func() error {
			if got := f(); !strings.HasPrefix(got, want) {
				return errors.New(got)
			}
			return nil
		})
	}
}

// ports are the gateway's, as its agent has them.
func (p *pod) ports() (open []string, refused map[string]string, err error) {
	response, err := p.client("127.0.0.1:15000").Get("http://127.0.0.1:15000/status")
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	var st struct {
		Listeners struct {
			Open    []struct{ Address string }
			Refused []struct{ Address, Reason string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&st); err != nil {
		return nil, nil, err
	}
	refused = map[string]string{}
	for _, l := range st.Listeners.Open {
		open = append(open, l.Address)
	}
	for _, l := range st.Listeners.Refused {
		refused[l.Address] = l.Reason
	}
	return open, refused, nil
}

// rejected is what istiod knows of the pod's last NACK.
func (p *pod) rejected() string {
	request, err := http.NewRequest(http.MethodGet, "http://"+hubAddress+":8080/debug/apisixz", nil)
	if err != nil {
		return err.Error()
	}
	token, err := os.ReadFile(filepath.Join(p.dir, "token"))
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	var all []struct{ Proxy, Rejected string }
	if err := json.Unmarshal(body, &all); err != nil {
		return response.Status + ": " + string(body)
	}
	for _, other := range all {
		if other.Proxy == p.name+"."+namespace {
			return other.Rejected
		}
	}
	return ""
}

// gatewayService is the Service of a gateway, and its one pod.
func gatewayService(name, clusterIP, podIP, ports string) string {
	return serviceOf("istio", "disabled", name, clusterIP, podIP, ports) + "---\n"
}
