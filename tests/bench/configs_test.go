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

package bench

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/spiffe"
	"istio.io/istio/pkg/test/util/assert"
)

// benchmarkCase is the input of a template in pilot/pkg/xds/testdata/benchmarks of Istio's module.
type benchmarkCase struct {
	Name      string
	Services  int
	Instances int
}

var istioModule = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio").Output()
	return strings.TrimSpace(string(out)), err
})

func quiet() {
	for _, s := range log.Scopes() {
		s.SetOutputLevel(log.NoneLevel)
	}
}

// start runs a discovery server on the case's configuration, and returns a proxy that is initialised as Istio's own
// benchmarks initialise theirs.
func (c benchmarkCase) start(b testing.TB) (*xds.FakeDiscoveryServer, *model.Proxy) {
	configs, services := c.configs(b)
	labels := map[string]string{"istio.io/benchmark": "true"}
	proxy := &model.Proxy{
		Type:        model.SidecarProxy,
		IPAddresses: []string{"1.1.1.1"},
		ID:          "v0.default",
		DNSDomain:   "default.example.org",
		Labels:      labels,
		Metadata: &model.NodeMetadata{
			Namespace: "default", Labels: labels, ClusterID: constants.DefaultClusterName, IstioVersion: "1.31.0",
		},
		ConfigNamespace:  "default",
		VerifiedIdentity: &spiffe.Identity{Namespace: "default"},
	}
	proxy.IstioVersion = model.ParseIstioVersion(proxy.Metadata.IstioVersion)
	proxy.DiscoverIPMode()
	s := xds.NewFakeDiscoveryServer(b, xds.FakeOptions{
		Configs: configs, KubernetesObjectString: services, DebounceTime: 10 * time.Millisecond,
	})
	push := s.PushContext()
	push.InitContext(s.Env(), nil, nil)
	proxy.SetSidecarScope(push)
	proxy.SetServiceTargets(s.Env().ServiceDiscovery)
	return s, proxy
}

// configs expands the template: Istio's kinds, and the Kubernetes services as YAML.
func (c benchmarkCase) configs(b testing.TB) ([]config.Config, string) {
	dir, err := istioModule()
	assert.NoError(b, err)
	file := c.Name + ".yaml"
	t, err := template.New("").Funcs(sprig.TxtFuncMap()).ParseFiles(filepath.Join(dir, "pilot/pkg/xds/testdata/benchmarks", file))
	assert.NoError(b, err)
	var out strings.Builder
	assert.NoError(b, t.ExecuteTemplate(&out, file, c))
	configs, _, err := crd.ParseInputs(out.String())
	assert.NoError(b, err)
	for i := range configs {
		if configs[i].Namespace == "" {
			configs[i].Namespace = "default"
		}
	}
	var services strings.Builder
	for doc := range strings.SplitSeq(out.String(), "\n---") {
		if strings.Contains(doc, "kind: Service\n") {
			services.WriteString(doc + "\n---\n")
		}
	}
	return configs, services.String()
}
