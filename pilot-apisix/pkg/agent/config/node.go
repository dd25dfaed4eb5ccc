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
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"istio.io/api/annotation"
	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/util/network"
	"istio.io/istio/pkg/bootstrap"
	"istio.io/istio/pkg/bootstrap/platform"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/model"
)

const (
	// MetadataProxyKind is the key of the node's metadata that tells an APISIX proxy from an Envoy one. istiod keeps
	// it in Proxy.Metadata.Raw.
	MetadataProxyKind = "PROXY_KIND"
	// ProxyKind is its value.
	ProxyKind = "apisix"

	// defaultClusterID is the one that istiod has when nothing else is said.
	defaultClusterID = "Kubernetes"

	// disableHBONESend makes istiod give endpoints by their real addresses: APISIX speaks no HBONE.
	disableHBONESend = "DISABLE_HBONE_SEND"
)

// newNode makes the node of xDS: "sidecar~IP~POD.NAMESPACE~NAMESPACE.svc.cluster.local" and the metadata that Istio's
// agent sends (bootstrap.GetNodeMetaData), from ISTIO_META_*, ISTIO_METAJSON_* and the files of the downward API.
func newNode(role string, args Args, pc *meshconfig.ProxyConfig, xdsRootCA string) (string, *core.Node, error) {
	namespace := podNamespaceVar.Get()
	if namespace == "" {
		return "", nil, fmt.Errorf("%s is not set: istiod needs the namespace of the workload; "+
			"on a host without Kubernetes set it, and the labels with ISTIO_METAJSON_LABELS='{\"app\":\"…\"}'", podNamespaceVar.Name)
	}
	name := podNameVar.Get()
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			return "", nil, fmt.Errorf("%s is not set, and the host has no name: %w", podNameVar.Name, err)
		}
		name = host
	}
	// These end up between separators of the node's id.
	for _, v := range []struct{ variable, value string }{{podNameVar.Name, name}, {podNamespaceVar.Name, namespace}} {
		if strings.ContainsAny(v.value, "~/ ") {
			return "", nil, fmt.Errorf("%s=%q: a name may not contain '~', '/' or a space", v.variable, v.value)
		}
	}
	workload := name + "." + namespace
	ips := addresses()
	id := strings.Join([]string{role, ips[0], workload, domainOf(args.Domain)}, "~")

	// What is set by hand stands later and wins.
	environ := append([]string{
		bootstrap.IstioMetaPrefix + disableHBONESend + "=true",
		bootstrap.IstioMetaPrefix + "CLUSTER_ID=" + defaultClusterID,
	}, os.Environ()...)
	node, err := bootstrap.GetNodeMetaData(bootstrap.MetadataOptions{
		ID:              id,
		Envs:            environ,
		Platform:        cloud(ips),
		InstanceIPs:     ips,
		StsPort:         args.StsPort,
		ProxyConfig:     withoutReadinessProbe(pc),
		XDSRootCert:     xdsRootCA,
		EnvoyStatusPort: envoyStatusPortVar.Get(),
	})
	if err != nil {
		return "", nil, fmt.Errorf("metadata of node %s: %w", id, err)
	}
	node.Metadata.InstanceName = name
	metadata, err := metadataStruct(node)
	if err != nil {
		return "", nil, fmt.Errorf("metadata of node %s: %w", id, err)
	}
	return workload, &core.Node{Id: id, Metadata: metadata, Locality: node.Locality}, nil
}

// domainOf is the workload's DNS suffix.
func domainOf(flag string) string {
	return orDefault(flag, podNamespaceVar.Get()+".svc."+constants.DefaultClusterLocalDomain)
}

// withoutReadinessProbe leaves out the probe of a WorkloadGroup. istiod would hold the workload unhealthy until somebody who has
// probed it says otherwise, and this agent does not probe.
func withoutReadinessProbe(pc *meshconfig.ProxyConfig) *meshconfig.ProxyConfig {
	if pc.GetReadinessProbe() == nil {
		return pc
	}
	log.Warnf("proxy configuration: the readinessProbe is not carried: the workload counts as healthy as long as it is registered")
	out := proto.CloneOf(pc)
	out.ReadinessProbe = nil
	return out
}

// metadataStruct is the node's metadata as Istio's agent writes it into Envoy's bootstrap: typed fields, then those of
// the environment that have no type.
func metadataStruct(node *model.Node) (*structpb.Struct, error) {
	b, err := json.Marshal(node.Metadata)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(b, &fields); err != nil {
		return nil, err
	}
	for k, v := range node.RawMetadata {
		if _, typed := fields[k]; !typed {
			fields[k] = v
		}
	}
	fields[MetadataProxyKind] = ProxyKind
	return structpb.NewStruct(fields)
}

// cloud is the platform that CLOUD_PLATFORM names. Unlike upstream, nothing is searched for when it is not set: that
// costs seconds at every start, and in a cluster istiod knows the locality from the node.
func cloud(ips []string) platform.Environment {
	if platform.CloudPlatform == "" {
		return &platform.Unknown{}
	}
	mode := model.DiscoverIPMode(ips)
	return platform.Discover(mode == model.IPv6 || mode == model.Dual)
}

// addresses are the workload's, the one that istiod knows it by first; at least one.
func addresses() []string {
	var ips []string
	if ip, err := netip.ParseAddr(instanceIPVar.Get()); err == nil {
		ips = append(ips, ip.String())
	}
	private, found := network.GetPrivateIPsIfAvailable()
	if len(ips) == 0 && !found {
		// The network of a host may still be coming up.
		private, found = network.GetPrivateIPs(context.Background())
	}
	if !found {
		private = []string{"127.0.0.1", "::1"}
	}
	excluded := excludedAddresses()
	for _, ip := range private {
		if !slices.Contains(ips, ip) && !slices.Contains(excluded, ip) {
			ips = append(ips, ip)
		}
	}
	if len(ips) == 0 {
		ips = []string{"127.0.0.1"}
	}
	return ips
}

// excludedAddresses are those of the interfaces that the annotation traffic.sidecar.istio.io/excludeInterfaces names.
func excludedAddresses() []string {
	annotations, err := bootstrap.ReadPodAnnotations("")
	if err != nil {
		return nil
	}
	names := annotations[annotation.SidecarTrafficExcludeInterfaces.Name]
	if names == "" {
		return nil
	}
	var out []string
	for name := range strings.SplitSeq(names, ",") {
		iface, err := net.InterfaceByName(strings.TrimSpace(name))
		if err != nil {
			log.Warnf("annotation %s: interface %q: %v", annotation.SidecarTrafficExcludeInterfaces.Name, name, err)
			continue
		}
		addrs, err := iface.Addrs()
		if err != nil {
			log.Warnf("annotation %s: addresses of interface %q: %v", annotation.SidecarTrafficExcludeInterfaces.Name, name, err)
			continue
		}
		for _, addr := range addrs {
			if prefix, err := netip.ParsePrefix(addr.String()); err == nil {
				out = append(out, prefix.Addr().Unmap().String())
			}
		}
	}
	return out
}
