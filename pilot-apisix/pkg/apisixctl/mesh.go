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

package apisixctl

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"istio.io/istio/pilot/pkg/model"
	v3 "istio.io/istio/pilot/pkg/xds/v3"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/generate"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
)

// syncTimeout bounds the reading of the files, which takes less than a second.
const syncTimeout = 30 * time.Second

// meshOptions name a configuration in files, and one of its proxies.
type meshOptions struct {
	files []string
	proxy string
}

func (o *meshOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVarP(&o.files, "filename", "f", nil, "files and directories with the configuration")
	f.StringVar(&o.proxy, "proxy", "", "the workload whose proxy it is, as NAME.NAMESPACE")
	for _, required := range []string{"filename", "proxy"} {
		if err := cmd.MarkFlagRequired(required); err != nil {
			panic(err) // a flag that was not declared above
		}
	}
}

// translate runs the control plane on the files and asks it what the proxy gets. The caller closes the mesh.
func (o *meshOptions) translate(ctx context.Context) (*filemode.Offline, *translate.Output, error) {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	mesh, err := filemode.NewOffline(ctx, o.files)
	if err != nil {
		return nil, nil, err
	}
	proxy, err := mesh.Proxy(o.proxy)
	if err != nil {
		mesh.Close()
		return nil, nil, err
	}
	env := mesh.Environment()
	source := generate.NewSource(env.EndpointIndex).WithCredentials(mesh.DiscoveryServer().Generators[v3.SecretType])
	out, err := source.Generate(proxy, &model.PushRequest{Push: env.PushContext()}, nil)
	if err != nil {
		mesh.Close()
		return nil, nil, err
	}
	return mesh, out, nil
}
