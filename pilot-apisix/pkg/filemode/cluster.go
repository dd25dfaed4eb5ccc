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
	"context"
	"fmt"
	"os"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"

	istiobootstrap "istio.io/istio/pilot/pkg/bootstrap"
	"istio.io/istio/pilot/pkg/leaderelection/k8sleaderelection/k8sresourcelock"
	"istio.io/istio/pilot/pkg/serviceregistry/provider"
	"istio.io/istio/pkg/config/schema/gvk"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/apiserver"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/configdir"
)

// cluster is what istiod takes for Kubernetes: an API server in this process, and a kubeconfig for it.
type cluster struct {
	store      *apiserver.Store
	api        *apiserver.Server
	kubeconfig string

	// started is closed when istiod has read all there is.
	started chan struct{}
}

// newCluster makes a cluster that holds nothing and does not listen yet.
func newCluster(persist apiserver.Persist) *cluster {
	return &cluster{store: apiserver.NewStore(configdir.Resources(), persist), started: make(chan struct{})}
}

// serve starts the API server. review answers TokenReviews; it may be nil.
func (c *cluster) serve(review func(token string, audiences []string) authenticationv1.TokenReviewStatus) error {
	var err error
	hooks := apiserver.Hooks{ReviewToken: review, ReviewAccess: reviewAccess, Admit: c.admit}
	if c.api, err = apiserver.Start(c.store, hooks); err != nil {
		return err
	}
	// Only this user can look into the directory.
	tmp, err := os.MkdirTemp("", "pilot-apisix-")
	if err != nil {
		return fmt.Errorf("kubeconfig for the in-process API server: %w", err)
	}
	c.kubeconfig = filepath.Join(tmp, "kubeconfig")
	if err := clientcmd.WriteToFile(c.api.Kubeconfig(), c.kubeconfig); err != nil {
		return fmt.Errorf("kubeconfig for the in-process API server: %w", err)
	}
	return nil
}

// leaderAnnotation is on ConfigMaps that are locks of a leader election.
const leaderAnnotation = k8sresourcelock.LeaderElectionRecordAnnotationKey

// admit lets nobody become a leader before istiod has started. Upstream's controllers that run only in the leader add
// indexes to informers when they begin to lead. In a cluster that is long after the start; here it would be in the middle
// of it, when others add theirs to the same informers, and they would write to one map at once, which ends the process.
func (c *cluster) admit(ctx context.Context, res apiserver.Resource, obj *unstructured.Unstructured) error {
	_, locked := obj.GetAnnotations()[leaderAnnotation]
	if !locked && res.GroupVersionKind() != gvk.Lease.Kubernetes() {
		return nil
	}
	select {
	case <-c.started:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// replace serves what the files define, and nothing else that files have defined before.
func (c *cluster) replace(snap *configdir.Snapshot) (added, changed, removed int) {
	return c.store.Replace(withInstalled(snap.Served()))
}

// apiRate is how many requests a second istiod may send to the API server in its own process. The limit for a cluster's
// would only delay agents whose tokens are to be reviewed.
const apiRate = 10_000

// configure makes istiod take its configuration and its services from the cluster.
func (c *cluster) configure(args *istiobootstrap.PilotArgs) {
	r := &args.RegistryOptions
	r.FileDir = ""
	r.Registries = []string{string(provider.Kubernetes)}
	r.KubeConfig = c.kubeconfig
	r.KubeOptions.KubernetesAPIQPS = apiRate
	r.KubeOptions.KubernetesAPIBurst = apiRate
}

// hideKubeconfig removes the kubeconfig, when istiod has read it.
func (c *cluster) hideKubeconfig() {
	if c.kubeconfig != "" {
		_ = os.RemoveAll(filepath.Dir(c.kubeconfig))
	}
}

func (c *cluster) close() {
	c.hideKubeconfig()
	if c.api != nil {
		_ = c.api.Close()
	}
}
