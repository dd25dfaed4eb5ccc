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

package apiserver

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

var (
	services   = Resource{Version: "v1", Plural: "services", Kind: "Service"}
	secrets    = Resource{Version: "v1", Plural: "secrets", Kind: "Secret"}
	configMaps = Resource{Version: "v1", Plural: "configmaps", Kind: "ConfigMap"}
	namespaces = Resource{Version: "v1", Plural: "namespaces", Kind: "Namespace", ClusterScoped: true}
	leases     = Resource{Group: "coordination.k8s.io", Version: "v1", Plural: "leases", Kind: "Lease"}
	entries    = Resource{Group: "networking.istio.io", Version: "v1", Plural: "serviceentries", Kind: "ServiceEntry"}

	allResources = []Resource{services, secrets, configMaps, namespaces, leases, entries}
)

// fixture is a server and its clients.
type fixture struct {
	t       *testing.T
	store   *Store
	config  *rest.Config
	kube    kubernetes.Interface
	dynamic dynamic.Interface
	meta    metadata.Interface
}

func newFixture(t *testing.T, persist Persist) *fixture {
	t.Helper()
	f := &fixture{t: t, store: NewStore(allResources, persist)}
	server, err := Start(f.store, Hooks{
		ReviewToken: func(token string, audiences []string) authenticationv1.TokenReviewStatus {
			return authenticationv1.TokenReviewStatus{Authenticated: token == "good", Audiences: audiences}
		},
		ReviewAccess: func(spec authorizationv1.SubjectAccessReviewSpec) authorizationv1.SubjectAccessReviewStatus {
			return authorizationv1.SubjectAccessReviewStatus{Allowed: spec.User == "me"}
		},
	})
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	f.config, err = clientcmd.NewDefaultClientConfig(server.Kubeconfig(), nil).ClientConfig()
	must(t, err)
	f.config.QPS = 1000
	f.config.Burst = 1000
	f.kube, err = kubernetes.NewForConfig(f.config)
	must(t, err)
	f.dynamic, err = dynamic.NewForConfig(f.config)
	must(t, err)
	f.meta, err = metadata.NewForConfig(f.config)
	must(t, err)
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return c
}

// object makes what Replace takes of YAML.
func object(t *testing.T, res Resource, text string) Object {
	t.Helper()
	js, err := yaml.YAMLToJSON([]byte(text))
	must(t, err)
	value := &unstructured.Unstructured{Object: map[string]any{}}
	must(t, json.Unmarshal(js, &value.Object))
	value.SetGroupVersionKind(res.GroupVersionKind())
	return Object{
		Resource: res, Namespace: value.GetNamespace(), Name: value.GetName(), Source: text,
		Make: func() *unstructured.Unstructured { return value.DeepCopy() },
	}
}

func (f *fixture) entries() dynamic.ResourceInterface {
	return f.dynamic.Resource(schema.GroupVersionResource{
		Group: entries.Group, Version: entries.Version, Resource: entries.Plural,
	}).Namespace("default")
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
