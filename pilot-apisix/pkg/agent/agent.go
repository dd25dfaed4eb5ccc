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

package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	istiolog "istio.io/istio/pkg/log"
	"istio.io/istio/pkg/version"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/config"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/dns"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/intake"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/security"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/status"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
)

var log = istiolog.RegisterScope("agent", "the APISIX sidecar's agent")

// shutdownTimeout bounds how long requests to the status servers may still take at the end.
const shutdownTimeout = 2 * time.Second

// clusterHeader tells istiod which cluster's API server can review the token.
const clusterHeader = "ClusterID"

// Agent is one running agent.
type Agent struct {
	cfg     *config.Config
	started time.Time

	security *security.Manager
	store    *store.Store
	intake   *intake.Handler
	xds      *ads.Client
	// apisix is nil when the agent runs none.
	apisix *sidecar
	// dns is nil when it is off.
	dns *dns.Proxy

	gateway, readiness, stats, admin net.Listener

	// configured is closed when there is something to serve.
	configured     chan struct{}
	configuredOnce sync.Once
	// untrimmed are the bytes received since memory was given back, and large wakes trim when they are many.
	untrimmed atomic.Int64
	large     chan struct{}
	// ending is closed when the agent ends.
	ending chan struct{}
	// quit ends Run in order, as the end of its context does; quitting is done from then on.
	quit     context.CancelFunc
	quitting context.Context

	statsServer *http.Server
}

// New opens the state on disk and every port. The agent does nothing before Run, and Close ends it when Run is not
// called.
func New(cfg *config.Config) (a *Agent, err error) {
	a = &Agent{cfg: cfg, started: time.Now(), configured: make(chan struct{}), large: make(chan struct{}, 1), ending: make(chan struct{})}
	a.quitting, a.quit = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			_ = a.Close()
			a = nil
		}
	}()
	if a.security, err = security.New(cfg); err != nil {
		return a, err
	}
	if err = a.listen(); err != nil {
		return a, err
	}
	if a.statsServer, err = status.Stats(a, a.statsOptions()); err != nil {
		return a, err
	}
	a.store, err = store.Open(store.Options{Dir: cfg.DataDir, Workload: cfg.Workload})
	if err != nil {
		return a, err
	}
	if a.apisix, err = newSidecar(cfg.Proxy, a.gateway.Addr(), a.store, a.security); err != nil {
		return a, err
	}
	a.intake = intake.NewHandler(a.store, nil, a.applied)
	if a.dns, err = a.newDNS(); err != nil {
		return a, err
	}
	headers := map[string]string{clusterHeader: cfg.Security.ClusterID}
	for k, v := range cfg.XDS.Headers {
		headers[k] = v
	}
	a.xds = ads.New(ads.Options{
		Address:       cfg.XDS.Address,
		Dial:          a.dial,
		Node:          cfg.Node,
		Subscriptions: a.subscriptions(),
		Headers:       headers,
		Compression:   cfg.XDS.Compression,
		Failed:        a.security.Failed,
		Explain:       a.security.Explain,
	})
	if a.apisix != nil {
		a.apisix.refusals.intake, a.apisix.refusals.report = a.intake, a.xds.Report
	}
	a.check()
	return a, nil
}

func (a *Agent) listen() (err error) {
	if a.gateway, err = etcdapi.Listen(a.cfg.GatewayAddress); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	for _, l := range []struct {
		name, address string
		listener      *net.Listener
	}{
		{"readiness", a.cfg.ReadinessAddress, &a.readiness},
		{"status", a.cfg.StatusAddress, &a.stats},
		{"admin", a.cfg.AdminAddress, &a.admin},
	} {
		if *l.listener, err = net.Listen("tcp", l.address); err != nil {
			return fmt.Errorf("%s port: %w", l.name, err)
		}
	}
	return nil
}

func (a *Agent) dial() (*grpc.ClientConn, error) {
	options, err := a.security.DialOptions()
	if err != nil {
		return nil, err
	}
	return grpc.NewClient(a.cfg.XDS.Address, options...)
}

// check opens the gateway as soon as there is something to serve.
func (a *Agent) check() {
	if a.store.Len() > 0 || a.intake.Received() {
		a.configuredOnce.Do(func() { close(a.configured) })
	}
}

// Run serves until ctx ends or a port fails, then saves what is held.
func (a *Agent) Run(ctx context.Context) error {
	outer, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.quitting, func() { cancel(nil) })()
	log.Infof("agent of %s: istiod %s, gateway %s, readiness %s, status %s, admin %s, data %s", a.cfg.Node.GetId(), a.cfg.XDS.Address,
		a.gateway.Addr(), a.readiness.Addr(), a.stats.Addr(), a.admin.Addr(), a.cfg.DataDir)

	// All else goes on while APISIX ends what it has begun.
	ctx, end := context.WithCancel(context.WithoutCancel(outer))
	defer end()
	a.measure()
	// What a start leaves behind is worth giving back, too.
	a.large <- struct{}{}
	if a.dns != nil {
		a.dns.Start()
	}
	var wg sync.WaitGroup
	wg.Go(func() { a.security.Run(ctx) })
	wg.Go(func() { a.xds.Run(ctx) })
	wg.Go(func() { a.store.Run(ctx) })
	wg.Go(func() { a.trim(ctx) })
	var attended sync.WaitGroup
	if a.apisix != nil {
		attended.Go(func() { a.apisix.run(outer, a.configured) })
	}
	wg.Go(func() {
		if err := a.serveGateway(ctx); err != nil {
			cancel(err)
		}
	})
	for _, s := range []struct {
		name     string
		listener net.Listener
		server   *http.Server
	}{
		{"readiness", a.readiness, status.Readiness(a)},
		{"status", a.stats, a.statsServer},
		{"admin", a.admin, status.Admin(a, a.cfg.Profiling)},
	} {
		wg.Go(func() {
			if err := serve(ctx, s.server, s.listener); err != nil {
				cancel(fmt.Errorf("%s port: %w", s.name, err))
			}
		})
	}
	<-outer.Done()
	close(a.ending)
	if a.apisix != nil {
		attended.Wait()
		a.apisix.drain()
	}
	end()
	wg.Wait()
	err := a.Close()
	if cause := context.Cause(outer); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	log.Infof("agent of %s has ended", a.cfg.Node.GetId())
	return err
}

// serveGateway answers APISIX from the first configuration on.
func (a *Agent) serveGateway(ctx context.Context) error {
	select {
	case <-a.configured:
	case <-ctx.Done():
		return nil
	}
	handler := etcdapi.Handler(a.store.Etcd(), etcdapi.HandlerOptions{Logf: log.Infof})
	return etcdapi.Serve(ctx, a.gateway, handler)
}

// serve serves until ctx ends.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if err := server.Shutdown(end); err != nil {
			_ = server.Close()
		}
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close releases the ports and the directory. Run calls it; calling it again does nothing.
func (a *Agent) Close() error {
	for _, l := range []net.Listener{a.gateway, a.readiness, a.stats, a.admin} {
		if l != nil {
			// Mostly closed already, by its server.
			_ = l.Close()
		}
	}
	if a.dns != nil {
		a.dns.Close()
	}
	if a.store == nil {
		return nil
	}
	return a.store.Close()
}

// Ready implements status.Source.
func (a *Agent) Ready() error {
	select {
	case <-a.ending:
		return errors.New("the agent is ending")
	default:
	}
	select {
	case <-a.configured:
		return a.servicesReady()
	default:
	}
	reason := "no configuration yet, neither from istiod nor from disk"
	st := a.xds.Status()
	switch {
	case st.LastFailure != nil && st.State != ads.StateConnected:
		reason += ": " + st.LastFailure.String()
	case st.Note != "":
		reason += ": " + st.Note
	case len(st.LastNack) > 0:
		reason += ": every resource of istiod's was refused, see the admin page"
	}
	return errors.New(reason)
}

// Status implements status.Source.
func (a *Agent) Status() status.Status {
	st := status.Status{
		Version:  version.Info.Version,
		Started:  a.started,
		Gateway:  a.gateway.Addr().String(),
		XDS:      a.xds.Status(),
		Rejected: a.intake.Rejected(),
		Store:    a.store.Status(),
	}
	if err := a.Ready(); err != nil {
		st.NotReady = err.Error()
	}
	select {
	case <-a.configured:
		st.Serving = true
	default:
	}
	if a.apisix != nil {
		s := a.apisix.Status()
		st.APISIX = &s
		if a.apisix.ports != nil {
			ports := a.apisix.ports.Status()
			st.Listeners = &ports
		}
	}
	if c, used := a.security.Certificate(); used {
		st.Certificate = &c
	}
	return st
}

// Resources implements status.Source.
func (a *Agent) Resources() []*store.Resource {
	return a.store.Resources()
}

// Addresses are where the agent listens, for whoever let it choose the ports.
type Addresses struct {
	Gateway, Readiness, Status, Admin net.Addr
}

// Addresses are known from New on.
func (a *Agent) Addresses() Addresses {
	return Addresses{a.gateway.Addr(), a.readiness.Addr(), a.stats.Addr(), a.admin.Addr()}
}
