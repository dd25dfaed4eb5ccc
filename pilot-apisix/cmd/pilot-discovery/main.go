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

// Command pilot-discovery is Istio's control plane with APISIX sidecars: a drop-in for Istio's binary of that name.
package main

import (
	"os"

	// Sets GOMEMLIMIT from the cgroup's memory limit, as upstream's binary does.
	_ "github.com/KimMachineGun/automemlimit"

	"istio.io/istio/pkg/log"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/bootstrap"
)

func main() {
	log.EnableKlogWithCobra()
	root, err := bootstrap.NewRootCommand(extensions...)
	if err == nil {
		err = root.Execute()
	}
	if err != nil {
		log.Error(err)
		os.Exit(-1)
	}
}
