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

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
)

// sidecar is a workload's pilot-agent.
type sidecar struct {
	d        *demo
	workload workload
	started  time.Time
	// apisix is nil before one is started.
	apisix *instance.Instance
}

func (s *sidecar) addr(port string) string { return net.JoinHostPort(s.workload.address, port) }
func (s *sidecar) adminURL() string        { return "http://" + s.addr("15000") }
func (s *sidecar) gatewayAddr() string     { return s.addr("15022") }
func (s *sidecar) outboundAddr() string    { return s.addr("15001") }

// listens are the addresses that it will have, APISIX included.
func (s *sidecar) listens() []string {
	return []string{s.addr("15000"), s.addr("15001"), s.addr("15020"), s.addr("15021"), s.addr("15022")}
}

// start runs the agent with what injection would tell it.
func (s *sidecar) start(ctx context.Context) error {
	token, err := s.d.control.token(ctx, s.workload)
	if err != nil {
		return err
	}
	labels, err := json.Marshal(s.workload.labels)
	if err != nil {
		return err
	}
	proxyConfig, err := json.Marshal(map[string]string{"discoveryAddress": s.d.control.addr("15012")})
	if err != nil {
		return err
	}
	dir := filepath.Dir(token)
	s.started = time.Now()
	_, err = s.d.procs.start(command{
		name: "pilot-agent-" + s.workload.name,
		argv: []string{
			filepath.Join(s.d.bin, "pilot-agent"), "proxy", "sidecar",
			"--gatewayAddress=" + s.gatewayAddr(), "--adminAddress=" + s.addr("15000"),
			"--statusAddress=" + s.addr("15020"), "--readinessAddress=" + s.addr("15021"),
			"--dataDir=" + filepath.Join(dir, "data"), "--tokenPath=" + token,
		},
		dir: dir, logs: s.d.logs,
		env: []string{
			"POD_NAME=" + s.workload.name,
			"POD_NAMESPACE=" + namespace,
			"INSTANCE_IP=" + s.workload.address,
			"SERVICE_ACCOUNT=" + s.workload.account,
			"ISTIO_METAJSON_LABELS=" + string(labels),
			"PROXY_CONFIG=" + string(proxyConfig),
			"ISTIOD_SAN=istiod.istio-system.svc",
			"XDS_ROOT_CA=" + s.d.control.rootCert(),
			"CA_ROOT_CA=" + s.d.control.rootCert(),
		},
	})
	return err
}

// ready asks the port that a kubelet asks.
func (s *sidecar) ready(ctx context.Context) error {
	return getOK(ctx, "http://"+s.addr("15021")+"/healthz/ready")
}

// identity is what the sidecar's certificate must say.
func (s *sidecar) identity() string {
	return "spiffe://cluster.local/ns/" + namespace + "/sa/" + s.workload.account
}

// certified fails unless the sidecar has a certificate with its identity.
func (s *sidecar) certified(ctx context.Context) error {
	st, err := s.status(ctx)
	switch {
	case err != nil:
		return err
	case st.Certificate == nil:
		return errors.New("it has none")
	case st.Certificate.Identity != s.identity():
		return fmt.Errorf("its identity is %q, want %s", st.Certificate.Identity, s.identity())
	}
	return nil
}

// agentStatus is the part of the agent's /status that the demonstration looks at.
type agentStatus struct {
	XDS struct {
		State    string `json:"state"`
		Streams  int    `json:"streams"`
		Acks     int    `json:"acks"`
		Nacks    int    `json:"nacks"`
		LastPush *push  `json:"lastPush"`
	} `json:"xds"`
	Store struct {
		Etcd struct {
			Revision int64
		} `json:"etcd"`
	} `json:"store"`
	Certificate *struct {
		Identity string `json:"identity"`
	} `json:"certificate"`
}

// push is the last response of the control plane's.
type push struct {
	Time      time.Time     `json:"time"`
	Nonce     string        `json:"nonce"`
	Resources int           `json:"resources"`
	Removed   int           `json:"removed"`
	Duration  time.Duration `json:"durationNanoseconds"`
}

// stored is when APISIX could read it.
func (p push) stored() time.Time {
	return p.Time.Add(p.Duration)
}

func (s *sidecar) status(ctx context.Context) (agentStatus, error) {
	var st agentStatus
	err := getJSON(ctx, s.adminURL()+"/status", &st)
	return st, err
}

// resource is one that the agent holds.
type resource struct {
	Name    string          `json:"name"`
	Version string          `json:"version"`
	Sources []string        `json:"sources"`
	Object  json.RawMessage `json:"object"`
}

// resources are all that the agent holds, in its order.
func (s *sidecar) resources(ctx context.Context) ([]resource, error) {
	var dump struct {
		Resources []resource `json:"resources"`
	}
	if err := getJSON(ctx, s.adminURL()+"/config_dump", &dump); err != nil {
		return nil, err
	}
	return dump.Resources, nil
}
