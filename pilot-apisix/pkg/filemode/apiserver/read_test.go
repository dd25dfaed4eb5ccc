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
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

func service(t *testing.T, name, namespace, app string) Object {
	t.Helper()
	return object(t, services, "{metadata: {name: "+name+", namespace: "+namespace+", labels: {app: "+app+"}}, spec: {ports: [{port: 80}]}}")
}

// follower records what an informer tells.
type follower struct {
	mu  sync.Mutex
	log []string
}

func (f *follower) add(what string, obj any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := obj.(metav1.Object)
	if !ok {
		m = obj.(cache.DeletedFinalStateUnknown).Obj.(metav1.Object)
	}
	f.log = append(f.log, what+" "+m.GetNamespace()+"/"+m.GetName())
}

func (f *follower) is(want ...string) func() bool {
	return func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		got := slices.Clone(f.log)
		slices.Sort(got)
		slices.Sort(want)
		return slices.Equal(got, want)
	}
}

func (f *follower) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = nil
}

func (f *follower) follow(t *testing.T, inf cache.SharedIndexInformer) {
	t.Helper()
	_, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { f.add("add", o) },
		UpdateFunc: func(_, o any) { f.add("update", o) },
		DeleteFunc: func(o any) { f.add("delete", o) },
	})
	must(t, err)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go inf.Run(stop)
	if !cache.WaitForCacheSync(stop, inf.HasSynced) {
		t.Fatal("the informer does not sync")
	}
}

// Client-go's own informers, as Istio uses them, must see each reload as it is.
func TestInformers(t *testing.T) {
	f := newFixture(t, nil)
	f.store.Replace([]Object{service(t, "a", "default", "x"), service(t, "b", "other", "x")})

	factory := informers.NewSharedInformerFactory(f.kube, 0)
	selected := informers.NewSharedInformerFactoryWithOptions(f.kube, 0, informers.WithNamespace("default"),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.LabelSelector = "app=x"
			o.FieldSelector = "metadata.name!=hidden"
		}))
	meta := metadatainformer.NewSharedInformerFactory(f.meta, 0)
	all, some, names := &follower{}, &follower{}, &follower{}
	all.follow(t, factory.Core().V1().Services().Informer())
	some.follow(t, selected.Core().V1().Services().Informer())
	names.follow(t, meta.ForResource(corev1.SchemeGroupVersion.WithResource("services")).Informer())

	eventually(t, "first state", all.is("add default/a", "add other/b"))
	eventually(t, "first selected state", some.is("add default/a"))
	eventually(t, "first metadata", names.is("add default/a", "add other/b"))
	for _, fl := range []*follower{all, some, names} {
		fl.reset()
	}

	// a leaves the selection by its label, c enters, hidden never does.
	added, changed, removed := f.store.Replace([]Object{
		service(t, "a", "default", "z"), service(t, "c", "default", "x"), service(t, "hidden", "default", "x"),
	})
	if added != 2 || changed != 1 || removed != 1 {
		t.Errorf("got %d added, %d changed, %d removed", added, changed, removed)
	}
	want := []string{"update default/a", "add default/c", "add default/hidden", "delete other/b"}
	eventually(t, "reload", all.is(want...))
	eventually(t, "reload of metadata", names.is(want...))
	eventually(t, "reload of the selection", some.is("delete default/a", "add default/c"))

	// Nothing is told of what did not change.
	if added, changed, removed := f.store.Replace([]Object{
		service(t, "a", "default", "z"), service(t, "c", "default", "x"), service(t, "hidden", "default", "x"),
	}); added+changed+removed != 0 {
		t.Errorf("got %d added, %d changed, %d removed for the same objects", added, changed, removed)
	}
	got, err := factory.Core().V1().Services().Lister().Services("default").Get("a")
	must(t, err)
	if got.Labels["app"] != "z" || got.Spec.Ports[0].Port != 80 || got.UID == "" || got.Kind != "Service" && got.Kind != "" {
		t.Errorf("got %+v", got)
	}
}

func TestListAndGet(t *testing.T) {
	f := newFixture(t, nil)
	f.store.Replace([]Object{
		service(t, "b", "default", "x"), service(t, "a", "default", "z"), service(t, "a", "another", "x"),
		object(t, namespaces, "{metadata: {name: default}}"),
	})
	list := func(ns string, o metav1.ListOptions) string {
		l, err := f.kube.CoreV1().Services(ns).List(ctx(t), o)
		must(t, err)
		var names []string
		for _, s := range l.Items {
			names = append(names, s.Namespace+"/"+s.Name)
		}
		return strings.Join(names, " ")
	}
	for _, tt := range []struct {
		ns   string
		o    metav1.ListOptions
		want string
	}{
		{"", metav1.ListOptions{}, "another/a default/a default/b"},
		{"default", metav1.ListOptions{}, "default/a default/b"},
		{"", metav1.ListOptions{LabelSelector: "app in (x)"}, "another/a default/b"},
		{"", metav1.ListOptions{FieldSelector: "metadata.namespace=another"}, "another/a"},
		{"", metav1.ListOptions{FieldSelector: "status.phase!=Failed"}, "another/a default/a default/b"},
		{"none", metav1.ListOptions{}, ""},
	} {
		if got := list(tt.ns, tt.o); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.o, got, tt.want)
		}
	}
	if ns, err := f.kube.CoreV1().Namespaces().Get(ctx(t), "default", metav1.GetOptions{}); err != nil || ns.Name != "default" {
		t.Errorf("got %v, %v", ns, err)
	}
	meta, err := f.meta.Resource(corev1.SchemeGroupVersion.WithResource("services")).Namespace("default").Get(ctx(t), "a", metav1.GetOptions{})
	if err != nil || meta.Labels["app"] != "z" {
		t.Errorf("got %v, %v", meta, err)
	}
	for name, err := range map[string]error{
		"object":      second(f.kube.CoreV1().Services("default").Get(ctx(t), "none", metav1.GetOptions{})),
		"kind":        second(f.kube.AppsV1().Deployments("default").List(ctx(t), metav1.ListOptions{})),
		"subresource": f.kube.CoreV1().RESTClient().Get().AbsPath("/api/v1/namespaces/default/services/a/proxy").Do(ctx(t)).Error(),
	} {
		if !apierrors.IsNotFound(err) {
			t.Errorf("%s: got %v, want that it is not found", name, err)
		}
	}
	if _, err := f.kube.CoreV1().Services("").List(ctx(t), metav1.ListOptions{LabelSelector: "a b"}); !apierrors.IsBadRequest(err) {
		t.Errorf("got %v for a bad selector", err)
	}
	version, err := f.kube.Discovery().ServerVersion()
	if err != nil || version.Minor != Version.Minor {
		t.Errorf("got %v, %v", version, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestWatchFromVersion(t *testing.T) {
	f := newFixture(t, nil)
	f.store.Replace([]Object{service(t, "a", "default", "x")})
	list, err := f.kube.CoreV1().Services("").List(ctx(t), metav1.ListOptions{})
	must(t, err)
	// What happens between a list and a watch must not be lost.
	f.store.Replace([]Object{service(t, "b", "default", "x")})
	w, err := f.kube.CoreV1().Services("").Watch(ctx(t), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	must(t, err)
	defer w.Stop()
	first, then := <-w.ResultChan(), <-w.ResultChan()
	if first.Type != watch.Added || first.Object.(*corev1.Service).Name != "b" {
		t.Errorf("got %+v", first)
	}
	if then.Type != watch.Deleted || then.Object.(*corev1.Service).Name != "a" {
		t.Errorf("got %+v", then)
	}
	gone, err := strconv.Atoi(then.Object.(*corev1.Service).ResourceVersion)
	must(t, err)
	if last, _ := strconv.Atoi(first.Object.(*corev1.Service).ResourceVersion); gone <= last {
		t.Errorf("the deletion has version %d, after %d", gone, last)
	}

	if _, err := f.kube.CoreV1().Services("").Watch(ctx(t), metav1.ListOptions{ResourceVersion: "x"}); !apierrors.IsBadRequest(err) {
		t.Errorf("got %v for a version that is none", err)
	}
	// A watch with a time limit ends by itself.
	second := int64(1)
	limited, err := f.kube.CoreV1().Services("").Watch(ctx(t), metav1.ListOptions{ResourceVersion: list.ResourceVersion, TimeoutSeconds: &second})
	must(t, err)
	for e := range limited.ResultChan() {
		if e.Type == watch.Error {
			t.Errorf("got %+v", e)
		}
	}
}

// A watch that starts before the history must be told, or it would miss what happened.
func TestWatchOfForgottenVersion(t *testing.T) {
	f := newFixture(t, nil)
	f.store.Replace([]Object{service(t, "a", "default", "x")})
	list, err := f.kube.CoreV1().Services("").List(ctx(t), metav1.ListOptions{})
	must(t, err)
	for i := range historyLength + 2 {
		f.store.Replace([]Object{service(t, "a", "default", "x"+strconv.Itoa(i))})
	}
	// The history is as old as it may be, and one more change comes.
	f.store.mu.Lock()
	h := &f.store.tables[services.GroupResource()].history
	for i := range h.changes {
		h.changes[i].at = h.changes[i].at.Add(-2 * historyAge)
	}
	f.store.mu.Unlock()
	f.store.Replace([]Object{service(t, "a", "default", "last")})
	if n := len(h.changes); n > historyLength+1 {
		t.Errorf("%d changes are kept", n)
	}
	w, err := f.kube.CoreV1().Services("").Watch(ctx(t), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	must(t, err)
	defer w.Stop()
	e := <-w.ResultChan()
	if status, ok := e.Object.(*metav1.Status); e.Type != watch.Error || !ok || status.Reason != metav1.StatusReasonExpired {
		t.Errorf("got %+v, want that the version has expired", e)
	}
}

// Young changes are kept in any number: a large reload must not force those who watch to list again.
func TestLargeReload(t *testing.T) {
	f := newFixture(t, nil)
	fl := &follower{}
	fl.follow(t, informers.NewSharedInformerFactory(f.kube, 0).Core().V1().Services().Informer())
	const n = 10 * historyLength
	objs := make([]Object, 0, n)
	for i := range n {
		objs = append(objs, service(t, "s"+strconv.Itoa(i), "default", "x"))
	}
	f.store.Replace(objs)
	eventually(t, "all services", func() bool {
		fl.mu.Lock()
		defer fl.mu.Unlock()
		return len(fl.log) == n
	})
	if forgotten := f.store.tables[services.GroupResource()].history.forgotten; forgotten != 0 {
		t.Errorf("changes up to %d are forgotten", forgotten)
	}
}

func TestReviews(t *testing.T) {
	f := newFixture(t, nil)
	for token, want := range map[string]bool{"good": true, "bad": false} {
		got, err := f.kube.AuthenticationV1().TokenReviews().Create(ctx(t), &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{"istio-ca"}},
		}, metav1.CreateOptions{})
		must(t, err)
		if got.Status.Authenticated != want || !slices.Equal(got.Status.Audiences, []string{"istio-ca"}) || got.Spec.Token != "" {
			t.Errorf("token %s: got %+v", token, got)
		}
	}
	for user, want := range map[string]bool{"me": true, "you": false} {
		got, err := f.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx(t), &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{User: user},
		}, metav1.CreateOptions{})
		must(t, err)
		if got.Status.Allowed != want {
			t.Errorf("user %s: got %+v", user, got.Status)
		}
	}
}

// Others on the machine can reach the port, and nothing behind it.
func TestAuthentication(t *testing.T) {
	f := newFixture(t, nil)
	for name, change := range map[string]func(*rest.Config){
		"no token":    func(c *rest.Config) { c.BearerToken = "" },
		"other token": func(c *rest.Config) { c.BearerToken = strings.Repeat("0", len(c.BearerToken)) },
	} {
		t.Run(name, func(t *testing.T) {
			config := rest.CopyConfig(f.config)
			change(config)
			client, err := rest.HTTPClientFor(config)
			must(t, err)
			for _, path := range []string{"/version", "/api/v1/secrets", "/"} {
				req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, config.Host+path, nil)
				must(t, err)
				resp, err := client.Do(req)
				must(t, err)
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusUnauthorized {
					t.Errorf("%s: got %s", path, resp.Status)
				}
			}
		})
	}
}
