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
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	istiobootstrap "istio.io/istio/pilot/pkg/bootstrap"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode"
)

// Extension adds something to upstream's server: generators, debug pages, controllers. It is called when the server has
// been made, with all of its parts, and before anything is served.
type Extension func(*istiobootstrap.Server) error

// Instance is one control plane.
type Instance struct {
	// Server is upstream's server.
	Server *istiobootstrap.Server
	// Mesh is the mesh of files; nil with Kubernetes.
	Mesh *filemode.Mesh
}

// NewInstance makes a control plane from args, which it may change. files says where a mesh of files is, and must be nil
// with Kubernetes.
func NewInstance(args *istiobootstrap.PilotArgs, files *filemode.Options, extensions ...Extension) (*Instance, error) {
	i := &Instance{}
	if files != nil {
		mesh, err := filemode.Open(*files)
		if err != nil {
			return nil, err
		}
		i.Mesh = mesh
		mesh.Configure(args)
	}
	if err := i.assemble(args, extensions); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

func (i *Instance) assemble(args *istiobootstrap.PilotArgs, extensions []Extension) error {
	server, err := istiobootstrap.NewServer(args, nameWorkloads)
	if err != nil {
		return fmt.Errorf("failed to create discovery service: %w", err)
	}
	i.Server = server
	if i.Mesh != nil {
		if err := i.Mesh.Attach(server); err != nil {
			return err
		}
		if err := AddDebugHandler(server, filesPage, i.serveFiles); err != nil {
			return err
		}
	}
	for _, extend := range extensions {
		if err := extend(server); err != nil {
			return fmt.Errorf("failed to extend discovery service: %w", err)
		}
	}
	return nil
}

// Start serves, and returns when the server is ready or has failed. It ends when stop is closed.
func (i *Instance) Start(stop <-chan struct{}) error {
	if err := i.Server.Start(stop); err != nil {
		i.close()
		return fmt.Errorf("failed to start discovery service: %w", err)
	}
	if i.Mesh != nil {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-stop
			cancel()
		}()
		go i.Mesh.Follow(ctx)
	}
	return nil
}

// WaitUntilCompletion waits, after stop was closed, until all has ended.
func (i *Instance) WaitUntilCompletion() {
	i.Server.WaitUntilCompletion()
	i.close()
}

func (i *Instance) close() {
	if i.Mesh != nil {
		i.Mesh.Close()
	}
}

// filesPage is the debug page that shows which configuration files are served, and which are refused and why.
const filesPage = "/debug/filez"

func (i *Instance) serveFiles(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	// An error means that the reader went away.
	_ = out.Encode(i.Mesh.Status())
}
