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
	"errors"
	"net/http"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func TestWriteLifeCycle(t *testing.T) {
	f := newFixture(t, nil)
	client := f.kube.CoreV1().ConfigMaps("default")
	made, err := client.Create(ctx(t), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "lock-"}, Data: map[string]string{"a": "1"},
	}, metav1.CreateOptions{})
	must(t, err)
	if !strings.HasPrefix(made.Name, "lock-") || len(made.Name) <= len("lock-") || made.UID == "" || made.ResourceVersion == "" ||
		made.CreationTimestamp.IsZero() || made.Namespace != "default" || made.Generation != 1 {
		t.Errorf("made %+v", made.ObjectMeta)
	}
	if _, err := client.Create(ctx(t), configMap(made.Name), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Errorf("made twice: %v", err)
	}

	stale := made.DeepCopy()
	made.Data["a"] = "2"
	changed, err := client.Update(ctx(t), made, metav1.UpdateOptions{})
	must(t, err)
	if changed.ResourceVersion == made.ResourceVersion || changed.UID != made.UID || !changed.CreationTimestamp.Equal(&made.CreationTimestamp) {
		t.Errorf("changed %+v", changed.ObjectMeta)
	}
	// Leader election relies on it that of two writers one loses.
	if _, err := client.Update(ctx(t), stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("stale update: %v", err)
	}
	same, err := client.Update(ctx(t), changed, metav1.UpdateOptions{})
	must(t, err)
	if same.ResourceVersion != changed.ResourceVersion {
		t.Error("an update that changes nothing has a new version")
	}

	old := stale.ResourceVersion
	if err := client.Delete(ctx(t), made.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &old}}); !apierrors.IsConflict(err) {
		t.Errorf("stale delete: %v", err)
	}
	must(t, client.Delete(ctx(t), made.Name, metav1.DeleteOptions{}))
	if err := client.Delete(ctx(t), made.Name, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := client.Update(ctx(t), changed, metav1.UpdateOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("update of what is gone: %v", err)
	}
	if _, err := client.Create(ctx(t), &corev1.ConfigMap{}, metav1.CreateOptions{}); !apierrors.IsBadRequest(err) {
		t.Errorf("made without a name: %v", err)
	}
}

func TestDryRun(t *testing.T) {
	f := newFixture(t, func(Resource, *unstructured.Unstructured, bool) error { return errors.New("nothing is to be kept") })
	client := f.kube.CoreV1().ConfigMaps("default")
	dry := []string{metav1.DryRunAll}
	f.store.Restore(configMaps.GroupResource(), &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "x", "namespace": "default"},
	}})
	_, err := client.Create(ctx(t), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "y"}}, metav1.CreateOptions{DryRun: dry})
	must(t, err)
	changed := configMap("x")
	changed.Data = map[string]string{"a": "1"}
	_, err = client.Update(ctx(t), changed, metav1.UpdateOptions{DryRun: dry})
	must(t, err)
	must(t, client.Delete(ctx(t), "x", metav1.DeleteOptions{DryRun: dry}))
	list, err := client.List(ctx(t), metav1.ListOptions{})
	must(t, err)
	if len(list.Items) != 1 || list.Items[0].Data != nil {
		t.Errorf("got %+v", list.Items)
	}
}

func TestPatch(t *testing.T) {
	f := newFixture(t, nil)
	for name, tt := range map[string]struct {
		kind types.PatchType
		body string
		// want is the spec's resolution, then its location.
		want string
		err  func(error) bool
	}{
		"merge":           {kind: types.MergePatchType, body: `{"spec":{"location":null,"resolution":"DNS"}}`, want: "DNS "},
		"json":            {kind: types.JSONPatchType, body: `[{"op":"replace","path":"/spec/resolution","value":"DNS"}]`, want: "DNS IN"},
		"apply":           {kind: types.ApplyPatchType, body: "metadata: {name: x}\nspec: {resolution: DNS}", want: "DNS IN"},
		"no such path":    {kind: types.JSONPatchType, body: `[{"op":"replace","path":"/spec/none/a","value":1}]`, err: isUnprocessable},
		"no JSON":         {kind: types.MergePatchType, body: `{`, err: apierrors.IsBadRequest},
		"strategic of CR": {kind: types.StrategicMergePatchType, body: `{}`, err: apierrors.IsUnsupportedMediaType},
	} {
		t.Run(name, func(t *testing.T) {
			f.store.Replace([]Object{object(t, entries, "{metadata: {name: x, namespace: default}, spec: {resolution: STATIC, location: IN}} # "+name)})
			got, err := f.entries().Patch(ctx(t), "x", tt.kind, []byte(tt.body), metav1.PatchOptions{FieldManager: "test"})
			if tt.err != nil {
				if !tt.err(err) {
					t.Errorf("got %v", err)
				}
				return
			}
			must(t, err)
			resolution, _, _ := unstructured.NestedString(got.Object, "spec", "resolution")
			location, _, _ := unstructured.NestedString(got.Object, "spec", "location")
			if resolution+" "+location != tt.want {
				t.Errorf("got %v", got.Object)
			}
			if got.GetGeneration() < 2 {
				t.Errorf("generation %d after a change of the spec", got.GetGeneration())
			}
		})
	}

	f.store.Replace([]Object{service(t, "s", "default", "x")})
	// Strategic merge adds to a list of ports by its key.
	s, err := f.kube.CoreV1().Services("default").Patch(ctx(t), "s", types.StrategicMergePatchType,
		[]byte(`{"spec":{"ports":[{"port":81,"protocol":"TCP"}]}}`), metav1.PatchOptions{})
	must(t, err)
	if len(s.Spec.Ports) != 2 {
		t.Errorf("got ports %v", s.Spec.Ports)
	}
	if _, err := f.entries().Patch(ctx(t), "none", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("patch of what is not there: %v", err)
	}
	// Apply makes what is not there.
	made, err := f.entries().Patch(ctx(t), "fresh", types.ApplyPatchType,
		[]byte("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: fresh}\n"), metav1.PatchOptions{FieldManager: "test"})
	must(t, err)
	if made.GetName() != "fresh" || made.GetNamespace() != "default" {
		t.Errorf("made %v", made.Object)
	}
}

func isUnprocessable(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code == http.StatusUnprocessableEntity
}

// What istiod writes into a status must outlive a change of the file, and the rest must not.
func TestStatusOutlivesReload(t *testing.T) {
	f := newFixture(t, nil)
	text := "{metadata: {name: x, namespace: default}, spec: {resolution: STATIC}}"
	f.store.Replace([]Object{object(t, entries, text)})
	_, err := f.entries().Patch(ctx(t), "x", types.JSONPatchType,
		[]byte(`[{"op":"add","path":"/status","value":{"addresses":[{"value":"240.240.0.1"}]}},{"op":"add","path":"/spec/location","value":"IN"}]`),
		metav1.PatchOptions{}, "status")
	must(t, err)
	check := func(step, resolution string, generation int64) {
		t.Helper()
		got, err := f.entries().Get(ctx(t), "x", metav1.GetOptions{})
		must(t, err)
		addresses, _, _ := unstructured.NestedSlice(got.Object, "status", "addresses")
		is, _, _ := unstructured.NestedString(got.Object, "spec", "resolution")
		_, leaked, _ := unstructured.NestedString(got.Object, "spec", "location")
		if len(addresses) != 1 || is != resolution || leaked || got.GetGeneration() != generation {
			t.Errorf("%s: got %v", step, got.Object)
		}
	}
	check("written", "STATIC", 1)
	f.store.Replace([]Object{object(t, entries, text)})
	check("same file", "STATIC", 1)
	f.store.Replace([]Object{object(t, entries, "{metadata: {name: x, namespace: default}, spec: {resolution: DNS}}")})
	check("changed file", "DNS", 2)
	// Whole objects written to the status change nothing else either.
	got, err := f.entries().Get(ctx(t), "x", metav1.GetOptions{})
	must(t, err)
	must(t, unstructured.SetNestedField(got.Object, "OTHER", "spec", "resolution"))
	_, err = f.entries().UpdateStatus(ctx(t), got, metav1.UpdateOptions{})
	must(t, err)
	check("status update", "DNS", 2)
}

// istiod cannot remove what a file defines, and a file takes over what istiod has made.
func TestFilesAndWriters(t *testing.T) {
	f := newFixture(t, nil)
	f.store.Replace([]Object{object(t, configMaps, "{metadata: {name: x, namespace: default}, data: {a: file}}")})
	client := f.kube.CoreV1().ConfigMaps("default")
	if err := client.Delete(ctx(t), "x", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("deleted what a file defines: %v", err)
	}
	_, err := client.Create(ctx(t), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "z"}, Data: map[string]string{"a": "api"}}, metav1.CreateOptions{})
	must(t, err)
	f.store.Replace([]Object{object(t, configMaps, "{metadata: {name: z, namespace: default}, data: {a: file}}")})
	list, err := client.List(ctx(t), metav1.ListOptions{})
	must(t, err)
	if len(list.Items) != 1 || list.Items[0].Name != "z" || list.Items[0].Data["a"] != "file" {
		t.Errorf("got %+v", list.Items)
	}
	// What istiod has made stays over reloads.
	_, err = f.kube.CoordinationV1().Leases("default").Create(ctx(t), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "l"}}, metav1.CreateOptions{})
	must(t, err)
	f.store.Replace(nil)
	if _, err := f.kube.CoordinationV1().Leases("default").Get(ctx(t), "l", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func TestPersist(t *testing.T) {
	kept := map[string]*unstructured.Unstructured{}
	fail := false
	persist := func(res Resource, obj *unstructured.Unstructured, deleted bool) error {
		if fail {
			return errors.New("the disk is full")
		}
		if deleted {
			delete(kept, obj.GetName())
		} else if res.Kind == secrets.Kind {
			kept[obj.GetName()] = obj.DeepCopy()
		}
		return nil
	}
	f := newFixture(t, persist)
	client := f.kube.CoreV1().Secrets("istio-system")
	_, err := client.Create(ctx(t), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "ca"}, Data: map[string][]byte{"key": []byte("1")}}, metav1.CreateOptions{})
	must(t, err)
	_, err = client.Create(ctx(t), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "gone"}}, metav1.CreateOptions{})
	must(t, err)
	must(t, client.Delete(ctx(t), "gone", metav1.DeleteOptions{}))
	fail = true
	if _, err := client.Create(ctx(t), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "lost"}}, metav1.CreateOptions{}); err == nil {
		t.Error("a Secret that cannot be kept was accepted")
	}
	if _, err := client.Get(ctx(t), "lost", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("got %v", err)
	}

	next := newFixture(t, nil)
	for _, obj := range kept {
		next.store.Restore(secrets.GroupResource(), obj)
	}
	list, err := next.kube.CoreV1().Secrets("").List(ctx(t), metav1.ListOptions{})
	must(t, err)
	if len(list.Items) != 1 || list.Items[0].Name != "ca" || string(list.Items[0].Data["key"]) != "1" {
		t.Errorf("restored %+v", list.Items)
	}
}

// A request that is made to wait holds up neither others nor the end.
func TestAdmit(t *testing.T) {
	store := NewStore(allResources, nil)
	release := make(chan struct{})
	server, err := Start(store, Hooks{Admit: func(ctx context.Context, res Resource, obj *unstructured.Unstructured) error {
		if obj.GetName() == "refused" {
			return errors.New("not this one")
		}
		if res.Kind != leases.Kind {
			return nil
		}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}})
	must(t, err)
	defer func() { must(t, server.Close()) }()
	config, err := clientcmd.NewDefaultClientConfig(server.Kubeconfig(), nil).ClientConfig()
	must(t, err)
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	lease := func(name string) <-chan error {
		done := make(chan error, 1)
		go func() {
			_, err := client.CoordinationV1().Leases("default").Create(ctx(t), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
			done <- err
		}()
		return done
	}
	first := lease("a")
	configMaps := client.CoreV1().ConfigMaps("default")
	if _, err := configMaps.Create(ctx(t), configMap("refused"), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("got %v", err)
	}
	_, err = configMaps.Create(ctx(t), configMap("x"), metav1.CreateOptions{})
	must(t, err)
	select {
	case err := <-first:
		t.Fatalf("the lease was answered: %v", err)
	default:
	}
	close(release)
	must(t, <-first)
}
