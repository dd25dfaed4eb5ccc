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

package differential

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/ptr"
)

// serviceHosts are those of ServiceEntries. They overlap with the Kubernetes Services', and with each other.
var serviceHosts = []string{
	"a.example", "b.example", "sub.a.example", "single", "*.example", "*.a.example", "deep.sub.b.example",
	"a.default.svc.cluster.local", "a.ns1.svc.cluster.local", "b.ns2.svc.cluster.local", "b.default.svc.cluster.local", "*.ns1.svc.cluster.local",
}

// httpPorts and otherPorts are those that services listen on.
var (
	httpPorts = []*networking.ServicePort{
		{Number: 80, Name: "http", Protocol: "HTTP"},
		{Number: 80, Name: "http", Protocol: "HTTP"},
		{Number: 80, Name: "http2", Protocol: "HTTP2"},
		{Number: 80, Name: "grpc", Protocol: "GRPC"},
		{Number: 8080, Name: "http-alt", Protocol: "HTTP"},
		{Number: 9090, Name: "grpc-alt", Protocol: "GRPC"},
		{Number: 8080, Name: "http-alt", Protocol: "HTTP", TargetPort: 18080},
	}
	otherPorts = []*networking.ServicePort{
		{Number: 443, Name: "tls", Protocol: "TLS"},
		{Number: 443, Name: "https", Protocol: "HTTPS"},
		{Number: 3306, Name: "tcp", Protocol: "TCP"},
		{Number: 80, Name: "tcp-web", Protocol: "TCP"},
		{Number: 7000, Name: "auto"},
		{Number: 80, Name: "auto-web"},
	}
)

var exports = [][]string{nil, nil, nil, nil, {"."}, {"*"}, {"ns1"}, {"default", "ns2"}, {"~"}}

func (r *random) serviceEntry() (config.GroupVersionKind, proto.Message) {
	se := &networking.ServiceEntry{
		Hosts:      some(r, serviceHosts, 2),
		Location:   networking.ServiceEntry_Location(r.IntN(2)),
		Resolution: pick(r, []networking.ServiceEntry_Resolution{networking.ServiceEntry_STATIC, networking.ServiceEntry_STATIC, networking.ServiceEntry_DNS, networking.ServiceEntry_NONE, networking.ServiceEntry_DNS_ROUND_ROBIN, networking.ServiceEntry_DYNAMIC_DNS}),
		ExportTo:   pick(r, exports),
	}
	if se.Resolution == networking.ServiceEntry_DYNAMIC_DNS {
		r.dynamic = true
		se.Hosts, se.Location = []string{pick(r, []string{"*.example", "*.dynamic.example"})}, networking.ServiceEntry_MESH_EXTERNAL
	}
	for range r.times(1, 3) {
		p := pick(r, httpPorts)
		if r.maybe(7) {
			p = pick(r, otherPorts)
		}
		se.Ports = append(se.Ports, proto.Clone(p).(*networking.ServicePort))
	}
	switch {
	case r.maybe(4):
		se.Addresses = []string{fmt.Sprintf("10.6.%d.1", r.names)}
	case r.maybe(12):
		// Where two services have one address, Istio lets the order of a map decide.
		se.Addresses = some(r, []string{"10.3.0.1", "10.3.0.2", "10.3.0.3", "10.4.0.0/24", "2001:db8::1"}, 2)
	}
	switch se.Resolution {
	case networking.ServiceEntry_STATIC:
		if r.maybe(8) {
			se.WorkloadSelector = &networking.WorkloadSelector{Labels: map[string]string{"app": "w"}}
			break
		}
		for i := range r.times(0, 3) {
			se.Endpoints = append(se.Endpoints, r.endpoint(fmt.Sprintf("10.1.%d.%d", r.names, i+1), se.Ports))
		}
	case networking.ServiceEntry_DNS, networking.ServiceEntry_DNS_ROUND_ROBIN:
		if r.maybe(2) {
			se.Endpoints = append(se.Endpoints, r.endpoint("backend.test", se.Ports))
		}
	}
	r.hosts = append(r.hosts, se.Hosts...)
	return gvk.ServiceEntry, se
}

func (r *random) endpoint(address string, ports []*networking.ServicePort) *networking.WorkloadEntry {
	e := &networking.WorkloadEntry{Address: address, Labels: map[string]string{"version": pick(r, versions)}}
	if r.maybe(3) {
		e.Weight = uint32(r.times(1, 5))
	}
	if r.maybe(3) {
		e.Ports = map[string]uint32{pick(r, ports).Name: 18000}
	}
	if r.maybe(2) {
		e.Locality = pick(r, []string{"r1/z1/s1", "r1/z2", "r2/z1", "r3"})
	}
	return e
}

// workloadEntry is an endpoint of the ServiceEntries that select it.
func (r *random) workloadEntry() (config.GroupVersionKind, proto.Message) {
	return gvk.WorkloadEntry, &networking.WorkloadEntry{
		Address: fmt.Sprintf("10.2.0.%d", r.times(1, 9)), Labels: map[string]string{"app": "w", "version": pick(r, versions)}, Weight: uint32(r.IntN(3)),
	}
}

// kubeService adds a Kubernetes Service: with an address, headless, or an alias.
func (r *random) kubeService() {
	svc := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Name: pick(r, []string{"a", "b", "c"}), Namespace: pick(r, namespaces), CreationTimestamp: metav1.NewTime(born(r.IntN(20)))},
		Spec:       corev1.ServiceSpec{ClusterIP: fmt.Sprintf("10.5.0.%d", 1+len(r.scenario.objects))},
	}
	for _, o := range r.scenario.objects {
		if o.service != nil && o.service.Name == svc.Name && o.service.Namespace == svc.Namespace {
			return
		}
	}
	seen := map[int32]bool{}
	for range r.times(1, 2) {
		p := pick(r, httpPorts)
		if r.maybe(7) {
			p = pick(r, otherPorts)
		}
		port := corev1.ServicePort{Name: p.Name, Port: int32(p.Number)}
		if p.Protocol == "" {
			port.AppProtocol = ptr.Of("unknown")
		}
		if !seen[port.Port] {
			svc.Spec.Ports = append(svc.Spec.Ports, port)
		}
		seen[port.Port] = true
	}
	switch r.IntN(10) {
	case 0:
		svc.Spec.ClusterIP = corev1.ClusterIPNone
	case 1:
		if slices.Contains(r.hosts, svc.Name+"."+svc.Namespace+".svc."+domain) {
			break
		}
		svc.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: pick(r, serviceHosts), Ports: svc.Spec.Ports}
	}
	if r.maybe(8) {
		svc.Annotations = map[string]string{"networking.istio.io/exportTo": pick(r, []string{".", "*", "ns1", "~"})}
	}
	r.hosts = append(r.hosts, svc.Name+"."+svc.Namespace+".svc."+domain)
	r.scenario.objects = append(r.scenario.objects, object{service: svc})
}
