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

package filemode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	istiobootstrap "istio.io/istio/pilot/pkg/bootstrap"
	"istio.io/istio/pilot/pkg/model"
	istioxds "istio.io/istio/pilot/pkg/xds"
	"istio.io/istio/pkg/config/constants"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/configdir"
)

// Offline is istiod on a set of files, for commands that look at a mesh: it serves nobody, and what it listens on are
// free ports of 127.0.0.1. The files are read once. It never leads: what upstream does only in the leader, such as writing
// statuses, it does not do, so that what it knows is what the files say.
type Offline struct {
	server   *istiobootstrap.Server
	cluster  *cluster
	contents map[string][]byte

	stop     chan struct{}
	stopOnce sync.Once
}

// NewOffline starts istiod on files, directories with all that is below them, and standard input
// (configdir.Stdin), and waits until it knows all that they say. Unlike a control plane, it serves nothing when one of
// them has mistakes: the error then has a line for each. ctx bounds the wait; Close ends what was started.
func NewOffline(ctx context.Context, paths []string) (*Offline, error) {
	if len(paths) == 0 {
		return nil, errors.New("no configuration: name files or directories")
	}
	contents, err := configdir.Read(paths, os.Stdin)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	snap := configdir.New(constants.IstioSystemNamespace).Update(contents)
	var errs []error
	for _, r := range snap.Refused {
		errs = append(errs, r)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	o := &Offline{cluster: newCluster(nil), contents: contents, stop: make(chan struct{})}
	o.cluster.replace(snap)
	if err := o.start(ctx); err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

func (o *Offline) start(ctx context.Context) error {
	if err := o.cluster.serve(nil); err != nil {
		return err
	}
	args := offlineArgs()
	o.cluster.configure(args)
	server, err := istiobootstrap.NewServer(args)
	o.cluster.hideKubeconfig()
	if err != nil {
		return fmt.Errorf("istiod: %w", err)
	}
	// Start returns when all is known, or when it is told to stop.
	defer context.AfterFunc(ctx, o.halt)()
	if err := server.Start(o.stop); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("istiod did not read the configuration in time: %w", ctx.Err())
		}
		return fmt.Errorf("istiod: %w", err)
	}
	// Only a server that has started can be waited for.
	o.server = server
	return nil
}

// offlineArgs are those of an istiod that nobody is to talk to. Addresses that are empty are served on the HTTP address.
func offlineArgs() *istiobootstrap.PilotArgs {
	return istiobootstrap.NewPilotArgs(func(p *istiobootstrap.PilotArgs) {
		p.Namespace = constants.IstioSystemNamespace
		p.ServerOptions = istiobootstrap.DiscoveryServerOptions{HTTPAddr: "127.0.0.1:0"}
		p.RegistryOptions.KubeOptions.DomainSuffix = constants.DefaultClusterLocalDomain
		p.ShutdownDuration = time.Millisecond
	})
}

// DiscoveryServer is istiod's xDS server, with upstream's generators.
func (o *Offline) DiscoveryServer() *istioxds.DiscoveryServer {
	return o.server.XDSServer
}

// Environment is istiod's view of the mesh; its PushContext has all that the files say.
func (o *Offline) Environment() *model.Environment {
	return o.server.XDSServer.Env
}

// Locate says where in the files an object is, as "FILE:LINE" of its field; empty for what no file has.
func (o *Offline) Locate(kind, namespace, name, field string) string {
	file, line, ok := configdir.Find(o.contents, kind, namespace, name, field)
	if !ok {
		return ""
	}
	return file + ":" + strconv.Itoa(line)
}

func (o *Offline) halt() {
	o.stopOnce.Do(func() { close(o.stop) })
}

// Close stops istiod and waits until it has.
func (o *Offline) Close() {
	o.halt()
	if o.server != nil {
		o.server.WaitUntilCompletion()
	}
	o.cluster.close()
}
