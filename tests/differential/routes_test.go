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
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/gateway-api/pkg/consts"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/config/kube/gateway"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/serviceregistry/kube/controller"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/config/schema/gvr"
	"istio.io/istio/pkg/kube"
	"istio.io/istio/pkg/kube/kclient/clienttest"
	"istio.io/istio/pkg/test"
)

// routeCRDs are the definitions that Istio's controller waits for.
var routeCRDs = []schema.GroupVersionResource{
	gvr.KubernetesGateway, gvr.ReferenceGrant, gvr.ListenerSet, gvr.GatewayClass, gvr.HTTPRoute, gvr.GRPCRoute, gvr.TCPRoute, gvr.TLSRoute,
	gvr.ServiceEntry, gvr.BackendTLSPolicy,
}

// addRoutes gives every eighth scenario, and every one of those that ask for it by DIFF_ROUTES=1, routes of the Kubernetes Gateway API whose
// parents are Services. They are added as the VirtualServices that Istio's own controller makes of them.
func (s *scenario) addRoutes(t *testing.T, seed uint64) {
	r := &random{Rand: rand.New(rand.NewPCG(seed, 4)), scenario: s, names: 100}
	if !r.maybe(8) && environment(t, "DIFF_ROUTES", 0) == 0 {
		return
	}
	for len(r.services()) < 2 {
		r.kubeService()
	}
	var routes []runtime.Object
	for range r.times(1, 3) {
		routes = append(routes, r.kubeRoute())
	}
	for range r.times(0, 2) {
		routes = append(routes, r.referenceGrant())
	}
	l := &lab{T: t}
	defer l.close()
	s.objects = append(s.objects, s.converted(l, routes)...)
	s.routes = routes
}

// converted are the routes as Istio's controller for the Gateway API converts them.
func (s *scenario) converted(t test.Failer, routes []runtime.Object) []object {
	input := slices.Clone(routes)
	for _, ns := range namespaces {
		input = append(input, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	}
	for _, o := range s.objects {
		if o.service != nil {
			input = append(input, o.service.DeepCopy())
		}
	}
	client := kube.NewFakeClient(input...)
	for _, crd := range routeCRDs {
		clienttest.MakeCRDWithAnnotations(t, client, crd, map[string]string{consts.BundleVersionAnnotation: consts.BundleVersion})
	}
	stop := test.NewStop(t)
	always := func(schema.GroupVersionResource, <-chan struct{}) bool { return true }
	c := gateway.NewController(client, always, controller.Options{DomainSuffix: domain, ClusterID: clusterID}, nil)
	go c.Run(stop)
	client.RunAndWait(stop)
	c.Reconcile(model.NewPushContext())
	kube.WaitForCacheSync("gateway", stop, c.HasSynced)
	list := c.List(gvk.VirtualService, "")
	var out []object
	for i := range list {
		list[i].Domain = domain
		out = append(out, object{config: &list[i]})
	}
	slices.SortFunc(out, func(a, b object) int { return cmp.Compare(a.name(), b.name()) })
	return out
}

// isConverted says that an object was made from routes, and not written by people.
func (o object) isConverted() bool {
	return o.config != nil && o.config.Annotations[constants.InternalRouteSemantics] != ""
}

// leadsNowhere says that a destination is cut off entirely, which Istio does not survive.
func (o object) leadsNowhere() bool {
	vs, _ := o.spec().(*networking.VirtualService)
	for _, rule := range vs.GetHttp() {
		for _, d := range rule.Route {
			if d.Destination == nil {
				return true
			}
		}
	}
	return false
}
