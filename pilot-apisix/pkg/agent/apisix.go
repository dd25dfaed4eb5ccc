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
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/apisixconf"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/config"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/proxy"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/security"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
)

const (
	// identityDir and luaDir are below the proxy's directory.
	identityDir = "identity"
	luaDir      = "lua"

	// explicitPort is where a proxy listens that captures nothing, on loopback.
	explicitPort = 15001

	probeTimeout = time.Second
)

// sidecar is the APISIX that the agent runs, and what its config.yaml is made from.
type sidecar struct {
	*proxy.Proxy
	cfg     *config.Proxy
	gateway string
	store   *store.Store
	// identity is the directory of the workload's certificate; empty when it uses none.
	identity string
	// certified is closed when the certificate is there.
	certified     chan struct{}
	certifiedOnce sync.Once

	mu sync.Mutex
	// roots stands for the roots of the mesh.
	roots   string
	plugins usedPlugins
}

// newSidecar makes the proxy of a configuration; nil when there is to be none.
func newSidecar(cfg *config.Proxy, gateway net.Addr, s *store.Store, certificates *security.Manager) (*sidecar, error) {
	if cfg == nil {
		return nil, nil
	}
	if gateway.Network() != "tcp" {
		return nil, fmt.Errorf("APISIX reads its configuration over TCP, and the gateway is at %s", gateway)
	}
	installation, err := instance.At(cfg.Home)
	if err != nil {
		return nil, err
	}
	if err := lua.Write(filepath.Join(cfg.Dir, luaDir)); err != nil {
		return nil, fmt.Errorf("directory of the proxy: %w", err)
	}
	c := &sidecar{cfg: cfg, gateway: gateway.String(), store: s, certified: make(chan struct{})}
	identity, err := filepath.Abs(filepath.Join(cfg.Dir, identityDir))
	if err != nil {
		return nil, err
	}
	if certificates.SetOutput(&security.Output{Dir: identity, Written: c.written}) {
		c.identity = identity
	} else {
		close(c.certified)
	}
	c.Proxy = proxy.New(proxy.Options{Installation: installation, Dir: cfg.Dir, Config: c.config, Line: line})
	return c, nil
}

// written is told of another certificate. Its version is all that APISIX is sent.
func (c *sidecar) written(version, roots string) {
	c.mu.Lock()
	changed := c.roots != "" && c.roots != roots
	c.roots = roots
	c.mu.Unlock()
	json := fmt.Appendf(nil, `{"id":"mesh-peer","version":%q}`, version)
	c.store.Put(store.NewResource(apisix.PluginMetadata, "mesh-peer", version, json, ""))
	c.certifiedOnce.Do(func() { close(c.certified) })
	if changed {
		c.Changed()
	}
}

// run runs the proxy as soon as there are a configuration and a certificate.
func (c *sidecar) run(ctx context.Context, configured <-chan struct{}) {
	for _, ready := range []<-chan struct{}{configured, c.certified} {
		select {
		case <-ready:
		case <-ctx.Done():
			return
		}
	}
	c.Run(ctx)
}

// config renders config.yaml.
func (c *sidecar) config() ([]byte, error) {
	pack, err := filepath.Abs(filepath.Join(c.cfg.Dir, luaDir))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	uses := c.plugins.of(c.store.Resources())
	o := apisixconf.Options{
		Gateway: c.gateway, Plugins: uses.http, StreamPlugins: uses.stream, RetryClasses: uses.retryClasses,
		Workers: c.cfg.Workers, Identity: c.identity, Roots: c.roots,
		ExtraLuaPath: lua.Path(pack), LuaModuleHook: lua.Hook,
	}
	if c.cfg.Capture {
		o.Capture = apisixconf.DefaultCapture(c.cfg.IPv4, c.cfg.IPv6)
	} else {
		o.Listen = []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(explicitPort))}
	}
	if os.Geteuid() == 0 {
		// nginx would take another one for its workers, who could not read the certificate.
		me, err := user.Current()
		if err != nil {
			return nil, err
		}
		o.User = me.Username
	}
	return apisixconf.Render(o)
}

// statusURL is nginx's status page.
func (c *sidecar) statusURL() string {
	port := explicitPort
	host := "127.0.0.1"
	if c.cfg.Capture {
		o := apisixconf.DefaultCapture(c.cfg.IPv4, c.cfg.IPv6)
		port = o.FirstListener
		if !c.cfg.IPv4 {
			host = "::1"
		}
	}
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(port)), Path: "/apisix/nginx_status"}
	return u.String()
}

// ready is nil when APISIX answers.
func (c *sidecar) ready() error {
	if err := c.Ready(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.statusURL(), nil)
	if err != nil {
		return err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("APISIX does not answer: %w", err)
	}
	return response.Body.Close()
}

// drain ends the proxy in order.
func (c *sidecar) drain() {
	c.Drain(context.Background(), proxy.Drain{
		Duration: c.cfg.DrainDuration, OnZeroConnections: c.cfg.ExitOnZeroConnections, Minimum: c.cfg.MinimumDrainDuration, StatusURL: c.statusURL(),
	})
}

// objects are what APISIX writes of resources, which may have secrets in them, and everything behind.
var objects = regexp.MustCompile(`,? ?val(ue)?: .*`)

// line passes on a line of APISIX's error log.
func line(text string) {
	log.Warnf("APISIX: %s", objects.ReplaceAllString(text, ""))
}
