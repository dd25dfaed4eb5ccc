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

package configdir

import (
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"istio.io/istio/pkg/ptr"
)

// complete adds to an object what a Kubernetes API server adds, as far as Istio looks at it, and checks what Istio takes
// for granted because Kubernetes has checked it.
func (it *item) complete(value *unstructured.Unstructured, typed runtime.Object) {
	switch o := typed.(type) {
	case *corev1.Service:
		it.completeService(o)
	case *corev1.Secret:
		it.completeSecret(o)
	case *discoveryv1.EndpointSlice:
		it.completeEndpointSlice(o)
	case *gatewayv1.HTTPRoute:
		it.completeHTTPRoute(o)
	case *gatewayv1.GRPCRoute:
		it.completeGRPCRoute(o)
	case *gatewayv1.TCPRoute:
		completeTCPRoute(o)
	case *gatewayv1.TLSRoute:
		completeTLSRoute(o)
	case *corev1.Namespace:
		completeNamespace(value)
		return
	default:
		return
	}
	full, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		it.refuse(it.node.Line, "%v", err)
		return
	}
	for key, v := range full {
		if m, ok := v.(map[string]any); ok && len(m) == 0 && key == "status" {
			continue
		}
		// The metadata is complete already.
		if key != "metadata" {
			value.Object[key] = v
		}
	}
	if _, ok := full["stringData"]; !ok {
		delete(value.Object, "stringData")
	}
}

func (it *item) completeService(s *corev1.Service) {
	if s.Spec.Type == "" {
		s.Spec.Type = corev1.ServiceTypeClusterIP
	}
	if s.Spec.SessionAffinity == "" {
		s.Spec.SessionAffinity = corev1.ServiceAffinityNone
	}
	if ip := s.Spec.ClusterIP; ip != "" && ip != corev1.ClusterIPNone {
		if _, err := netip.ParseAddr(ip); err != nil {
			it.refuse(lineOf(it.node, fieldPath{"spec", "clusterIP"}), "spec.clusterIP %q is neither an IP address nor None", ip)
		}
	}
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		if bad := validation.IsDNS1123Subdomain(strings.TrimSuffix(s.Spec.ExternalName, ".")); len(bad) > 0 {
			it.refuse(lineOf(it.node, fieldPath{"spec", "externalName"}), "spec.externalName %q: %s", s.Spec.ExternalName, bad[0])
		}
	}
	names := map[string]bool{}
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		at := fieldPath{"spec", "ports", i}
		if p.Protocol == "" {
			p.Protocol = corev1.ProtocolTCP
		}
		if p.TargetPort == (intstr.IntOrString{}) {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
		it.checkPort(append(at, "port"), p.Port)
		if p.TargetPort.Type == intstr.Int {
			it.checkPort(append(at, "targetPort"), p.TargetPort.IntVal)
		}
		if p.Name == "" && len(s.Spec.Ports) > 1 {
			it.refuse(lineOf(it.node, at), "%s: a name is needed, because there are several ports", at)
		}
		if names[p.Name] {
			it.refuse(lineOf(it.node, append(at, "name")), "%s: a port named %q is there already", at, p.Name)
		}
		names[p.Name] = true
	}
}

func (it *item) checkPort(at fieldPath, port int32) {
	if port < 1 || port > 65535 {
		it.refuse(lineOf(it.node, at), "%s: %d is no port: it must be between 1 and 65535", at, port)
	}
}

// completeSecret moves stringData into data.
func (it *item) completeSecret(s *corev1.Secret) {
	if s.Type == "" {
		s.Type = corev1.SecretTypeOpaque
	}
	if len(s.StringData) > 0 && s.Data == nil {
		s.Data = map[string][]byte{}
	}
	for k, v := range s.StringData {
		s.Data[k] = []byte(v)
	}
	s.StringData = nil
}

func (it *item) completeEndpointSlice(s *discoveryv1.EndpointSlice) {
	switch s.AddressType {
	case discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6:
		for i, e := range s.Endpoints {
			for j, a := range e.Addresses {
				if _, err := netip.ParseAddr(a); err != nil {
					at := fieldPath{"endpoints", i, "addresses", j}
					it.refuse(lineOf(it.node, at), "%s: %q is no IP address", at, a)
				}
			}
		}
	case discoveryv1.AddressTypeFQDN:
	default:
		it.refuse(lineOf(it.node, fieldPath{"addressType"}), "addressType %q: it must be IPv4, IPv6 or FQDN", s.AddressType)
	}
	for i := range s.Ports {
		p := &s.Ports[i]
		if p.Name == nil {
			p.Name = ptr.Of("")
		}
		if p.Protocol == nil {
			p.Protocol = ptr.Of(corev1.ProtocolTCP)
		}
		if p.Port != nil {
			it.checkPort(fieldPath{"ports", i, "port"}, *p.Port)
		}
	}
}
