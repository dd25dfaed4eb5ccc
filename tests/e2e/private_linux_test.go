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
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestPrivate looks at all that the sidecar tells from inside of the pod, where there may be no key, and from outside, where most of
// it must not be told at all.
func TestPrivate(t *testing.T) {
	m := newMesh(t, twoServices())
	m.apply("peers", peerAuthentication("PERMISSIVE"))
	server, client := m.newPod("server", "10.88.0.10").inject(), m.newPod("client", "10.88.0.11").inject()
	stranger := m.newPod("stranger", "10.88.0.12")
	server.serveHTTP(8080)
	server.ready()
	client.ready()
	m.expect("requests are served", "200 server", func() string { return client.get("10.96.0.10:80", "server") })

	file := filepath.Join(server.dir, "apisix/identity/key.pem")
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, mode %s", file, err, fi.Mode())
	}
	// A line of the key, which no page has by chance.
	line := strings.Split(string(key), "\n")[1]
	for _, page := range []string{
		"15000/", "15000/ready", "15000/status", "15000/config_dump", "15000/config_dump?include_eds", "15000/stats/prometheus", "15000/debug/pprof/heap",
		"15000/certs", "15020/stats/prometheus", "15020/healthz/ready", "15020/config_dump", "15021/healthz/ready", "15021/", "15022/version", "15022/health",
	} {
		got := fetch(server.client("127.0.0.1:"+page[:5]), "http://127.0.0.1:"+page)
		if strings.HasPrefix(got, "error:") {
			t.Errorf("%s: %s", page, got)
		}
		search(t, page, got, line)
	}
	search(t, "etcd", server.etcd(), line)

	for _, port := range []int{15000, 15022, 15053, 15080, 15081, 15082, 15083, 15084, 15085, 9090, 9091} {
		for _, from := range []*pod{stranger, client} {
			for _, host := range []string{"127.0.0.1", "localhost"} {
				address := fmt.Sprintf("10.88.0.10:%d", port)
				if got := from.get(address, host); strings.HasPrefix(got, "200") || strings.Contains(got, "etcd") {
					t.Errorf("%s answers %s: %q", address, from.name, got)
				}
			}
		}
	}
	// What listens for others is what Istio's sidecars have, and the application.
	for address := range strings.Lines(run(t, "ip", "netns", "exec", server.netns, "cat", "/proc/net/tcp", "/proc/net/tcp6")) {
		f := strings.Fields(address)
		if len(f) < 4 || f[3] != "0A" {
			continue
		}
		host, port, _ := strings.Cut(f[1], ":")
		number, err := strconv.ParseInt(port, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		loopback := host == "0100007F" || host == "00000000000000000000000001000000"
		switch number {
		case 15001, 15006, 15020, 15021, 8080:
		default:
			if !loopback {
				t.Errorf("port %d is open to others", number)
			}
		}
	}
}

func search(t *testing.T, where, text, key string) {
	t.Helper()
	if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, key) {
		t.Errorf("%s tells the private key", where)
	}
}

// etcd is all that the agent's etcd has, as text.
func (p *pod) etcd() string {
	p.t.Helper()
	body, err := json.Marshal(map[string]string{
		"key": base64.StdEncoding.EncodeToString([]byte{0}), "range_end": base64.StdEncoding.EncodeToString([]byte{0}),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	var answers strings.Builder
	for _, keys := range [][]byte{
		body,
		[]byte(`{"key":"` + base64.StdEncoding.EncodeToString([]byte("/apisix")) + `","range_end":"` + base64.StdEncoding.EncodeToString([]byte("/apisiy")) + `"}`),
	} {
		response, err := p.client("127.0.0.1:15022").Post("http://127.0.0.1:15022/v3/kv/range", "application/json", bytes.NewReader(keys))
		if err != nil {
			p.t.Fatal(err)
		}
		b, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			p.t.Fatal(err)
		}
		var answer struct {
			KVs []struct{ Key, Value []byte }
		}
		if response.StatusCode == http.StatusOK {
			if err := json.Unmarshal(b, &answer); err != nil {
				p.t.Fatal(err)
			}
		}
		for _, kv := range answer.KVs {
			fmt.Fprintf(&answers, "%s %s\n", kv.Key, kv.Value)
		}
	}
	if !strings.Contains(answers.String(), "/apisix/routes/") {
		p.t.Errorf("there are no routes: %q", answers.String())
	}
	return answers.String()
}
