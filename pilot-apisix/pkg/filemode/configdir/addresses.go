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
	"encoding/binary"
	"hash/fnv"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"istio.io/istio/pkg/config/schema/gvk"
)

// clusterIPs is where Services that name no address of their own get one, as in a cluster. The range is one that nobody
// routes (RFC 1112, class E), and beside 240.240.0.0/16, from which Istio gives ServiceEntries theirs.
var clusterIPs = netip.MustParsePrefix("240.96.0.0/14")

// allocator gives each Service an address that stays the same as long as the Service is there, and, unless two
// Services' names fall together, over restarts as well.
type allocator struct {
	byService map[string]netip.Addr
}

// assign gives all Services in objs that need an address one.
func (a *allocator) assign(objs []Object) {
	taken := map[netip.Addr]bool{}
	var need []*Object
	for i := range objs {
		o := &objs[i]
		if o.Resource.Kind != gvk.Service.Kind || o.Resource.Group != gvk.Service.Group {
			continue
		}
		ip, _, _ := unstructured.NestedString(o.Value.Object, "spec", "clusterIP")
		kind, _, _ := unstructured.NestedString(o.Value.Object, "spec", "type")
		if addr, err := netip.ParseAddr(ip); err == nil {
			taken[addr] = true
		} else if ip == "" && kind != string(corev1.ServiceTypeExternalName) {
			need = append(need, o)
		}
	}
	// Those that have an address keep it, before new ones choose.
	next := make(map[string]netip.Addr, len(need))
	var fresh []*Object
	for _, o := range need {
		if addr, ok := a.byService[o.ID()]; ok && !taken[addr] {
			taken[addr], next[o.ID()] = true, addr
		} else {
			fresh = append(fresh, o)
		}
	}
	for _, o := range fresh {
		if addr, ok := firstFree(preferred(o.ID()), taken); ok {
			taken[addr], next[o.ID()] = true, addr
		}
	}
	for _, o := range need {
		// With no address left, Istio listens for the Service on all addresses.
		if addr, ok := next[o.ID()]; ok {
			o.clusterIP = addr.String()
		}
	}
	a.byService = next
}

// size is the number of addresses in clusterIPs, with the first, which is not given.
func size() uint32 {
	return 1 << (32 - clusterIPs.Bits())
}

// firstFree goes once around from addr.
func firstFree(addr netip.Addr, taken map[netip.Addr]bool) (netip.Addr, bool) {
	for range size() - 1 {
		if !taken[addr] {
			return addr, true
		}
		if addr = addr.Next(); !clusterIPs.Contains(addr) {
			addr = clusterIPs.Addr().Next()
		}
	}
	return addr, false
}

// preferred is the address that a Service gets when it is free.
func preferred(service string) netip.Addr {
	h := fnv.New32a()
	h.Write([]byte(service))
	base := clusterIPs.Addr().As4()
	// The first address, that of the network itself, is left out.
	n := binary.BigEndian.Uint32(base[:]) + 1 + h.Sum32()%(size()-1)
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}
