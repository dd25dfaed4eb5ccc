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
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"istio.io/api/annotation"
	"istio.io/api/label"
	clientv1 "istio.io/client-go/pkg/apis/networking/v1"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/util"
	"istio.io/istio/pilot/pkg/serviceregistry/provider"
	labelutil "istio.io/istio/pilot/pkg/serviceregistry/util/label"
	istiocluster "istio.io/istio/pkg/cluster"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/schema/collections"
	istioresource "istio.io/istio/pkg/config/schema/resource"
	pm "istio.io/istio/pkg/model"
	"istio.io/istio/pkg/network"
	"istio.io/istio/pkg/spiffe"
	"istio.io/istio/pkg/version"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/configdir"
)

// workload is what an agent would know of the workload beside it.
type workload struct {
	name, namespace string
	address         string
	labels          map[string]string
	annotations     map[string]string
	serviceAccount  string
	// locality is "region/zone/subzone".
	locality string
	network  string
	node     string
}

// Proxy gives the proxy of the workload NAME.NAMESPACE, a WorkloadEntry or a Pod of the configuration, in the state that
// it has in istiod when it has connected.
func (o *Offline) Proxy(id string) (*model.Proxy, error) {
	i := strings.LastIndexByte(id, '.')
	if i <= 0 || i == len(id)-1 {
		return nil, fmt.Errorf("proxy %q: write NAME.NAMESPACE, the name of a WorkloadEntry or of a Pod and its namespace", id)
	}
	w, err := o.workload(id[:i], id[i+1:])
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(w.address); err != nil {
		return nil, fmt.Errorf("proxy %q: its address %q is no IP address: only a workload with one can have a proxy", id, w.address)
	}
	return o.connect(w)
}

// connect does what istiod does for a proxy that connects (pilot/pkg/xds: initProxyMetadata, computeProxyState).
func (o *Offline) connect(w workload) (*model.Proxy, error) {
	env := o.Environment()
	meta := &model.NodeMetadata{
		Namespace:      w.namespace,
		Labels:         w.labels,
		Annotations:    w.annotations,
		InstanceIPs:    []string{w.address},
		WorkloadName:   w.name,
		ServiceAccount: w.serviceAccount,
		NodeName:       w.node,
		Network:        network.ID(w.network),
		ClusterID:      istiocluster.ID(provider.Kubernetes),
		MeshID:         env.Mesh().GetTrustDomain(),
		IstioVersion:   version.Info.Version,
		ProxyConfig:    (*model.NodeMetaProxyConfig)(env.Mesh().GetDefaultConfig()),
	}
	nodeType := model.SidecarProxy
	if w.isGateway() {
		nodeType = model.Router
	}
	domain := w.namespace + ".svc." + constants.DefaultClusterLocalDomain
	node := strings.Join([]string{string(nodeType), w.address, w.name + "." + w.namespace, domain}, "~")
	proxy, err := model.ParseServiceNodeWithMetadata(node, meta)
	if err != nil {
		return nil, err
	}
	proxy.ConfigNamespace = model.GetProxyConfigNamespace(proxy)
	// Whom a gateway may read Secrets as.
	proxy.VerifiedIdentity = &spiffe.Identity{
		TrustDomain: env.Mesh().GetTrustDomain(), Namespace: w.namespace, ServiceAccount: cmp.Or(w.serviceAccount, "default"),
	}
	proxy.XdsNode = &core.Node{Id: node, Locality: util.ConvertLocality(w.locality)}
	proxy.LastPushContext = env.PushContext()
	proxy.WatchedResources = map[string]*model.WatchedResource{}

	proxy.SetWorkloadLabels(env)
	setTopologyLabels(proxy)
	proxy.SetServiceTargets(env.ServiceDiscovery)
	proxy.SetSidecarScope(proxy.LastPushContext)
	proxy.SetGatewaysForProxy(proxy.LastPushContext)
	proxy.DiscoverIPMode()
	return proxy, nil
}

// setTopologyLabels is upstream's unexported function of that name: the locality that the registries know wins over the
// one that the agent tells.
func setTopologyLabels(proxy *model.Proxy) {
	proxy.Locality = proxy.XdsNode.Locality
	region, zone, subzone := proxy.Labels[labelutil.LabelTopologyRegion], proxy.Labels[labelutil.LabelTopologyZone],
		proxy.Labels[label.TopologySubzone.Name]
	if region != "" || zone != "" || subzone != "" {
		proxy.Locality = &core.Locality{Region: region, Zone: zone, SubZone: subzone}
	} else if own := pm.GetLocalityLabel(proxy.Labels); own != "" {
		proxy.Locality = util.ConvertLocality(own)
	}
	proxy.Labels = labelutil.AugmentLabels(proxy.Labels, proxy.Metadata.ClusterID,
		util.LocalityToString(proxy.Locality), proxy.GetNodeName(), proxy.Metadata.Network)
}

// isGateway tells a gateway by what Istio's injection tells it by.
func (w workload) isGateway() bool {
	return strings.Contains(w.annotations[annotation.InjectTemplates.Name], "gateway") ||
		w.labels[label.IoK8sNetworkingGatewayGatewayName.Name] != ""
}

// workload finds the WorkloadEntry, else the Pod.
func (o *Offline) workload(name, namespace string) (workload, error) {
	var entry clientv1.WorkloadEntry
	if found, err := o.find(collections.WorkloadEntry, name, namespace, &entry); err != nil || found {
		spec := &entry.Spec
		labels := map[string]string{}
		// Labels of the object are those of the workload as well, as Istio has it; those in the spec win.
		for _, from := range []map[string]string{entry.Labels, spec.GetLabels()} {
			for k, v := range from {
				labels[k] = v
			}
		}
		return workload{
			name: name, namespace: namespace, address: spec.GetAddress(), labels: labels, annotations: entry.Annotations,
			serviceAccount: spec.GetServiceAccount(), locality: spec.GetLocality(), network: spec.GetNetwork(),
		}, err
	}
	var pod corev1.Pod
	if found, err := o.find(collections.Pod, name, namespace, &pod); err != nil || found {
		serviceAccount := pod.Spec.ServiceAccountName
		if serviceAccount == "" {
			serviceAccount = "default"
		}
		return workload{
			name: name, namespace: namespace, address: pod.Status.PodIP, labels: pod.Labels, annotations: pod.Annotations,
			serviceAccount: serviceAccount, network: pod.Labels[label.TopologyNetwork.Name], node: pod.Spec.NodeName,
		}, err
	}
	return workload{}, fmt.Errorf("proxy %q: the configuration has no WorkloadEntry and no Pod of this name in namespace %q; it has %s",
		name+"."+namespace, namespace, o.workloadNames())
}

// find decodes an object of the configuration.
func (o *Offline) find(s istioresource.Schema, name, namespace string, into any) (bool, error) {
	obj := o.cluster.store.Get(configdir.ResourceOf(s).GroupResource(), namespace, name)
	if obj == nil {
		return false, nil
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, into); err != nil {
		return false, fmt.Errorf("%s %s/%s: %w", s.Kind(), namespace, name, err)
	}
	return true, nil
}

// manyNames is how many workloads an error message lists.
const manyNames = 20

func (o *Offline) workloadNames() string {
	var objs []*unstructured.Unstructured
	for _, s := range []istioresource.Schema{collections.WorkloadEntry, collections.Pod} {
		objs = append(objs, o.cluster.store.List(configdir.ResourceOf(s).GroupResource())...)
	}
	if len(objs) == 0 {
		return "none at all"
	}
	var names []string
	for _, obj := range objs[:min(len(objs), manyNames)] {
		names = append(names, obj.GetName()+"."+obj.GetNamespace())
	}
	if more := len(objs) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
