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

package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"sync"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/apisixconf"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
)

// startAPISIX runs one on the sidecar's outbound port, with the configuration that the agent serves.
func (s *sidecar) startAPISIX(ctx context.Context) error {
	// The mesh's plugins, beside the APISIX that loads them.
	plugins := filepath.Join(s.d.dir, s.workload.name, "lua")
	if err := lua.Write(plugins); err != nil {
		return err
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	config, err := apisixconf.Render(apisixconf.Options{
		Gateway: s.gatewayAddr(),
		Listen:  []string{s.outboundAddr()},
		Plugins: translate.Plugins(),
		Workers: 1,
		// root's workers would be nobody, who may not read the files of the demonstration.
		User: me.Username,
		// Its own directory is gone when somebody wants to know what went wrong.
		ErrorLog:     filepath.Join(s.d.logs, "apisix-"+s.workload.name+"-error.log"),
		ExtraLuaPath: lua.Path(plugins),
	})
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.d.logs, "apisix-"+s.workload.name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	dir := filepath.Join(s.d.dir, s.workload.name, "apisix")
	if s.apisix, err = s.d.installation.Start(ctx, dir, config, log); err != nil {
		return fmt.Errorf("APISIX of %s: %w", s.workload.name, err)
	}
	go func() {
		<-s.apisix.Done()
		if ctx.Err() == nil && !s.d.closing.Load() {
			s.d.procs.died <- fmt.Errorf("APISIX of %s ended by itself: %w\n%s", s.workload.name, s.apisix.Err(), s.apisix.ErrorLog())
		}
	}()
	return nil
}

// stopAPISIX ends those that run.
func (d *demo) stopAPISIX() {
	d.closing.Store(true)
	var wg sync.WaitGroup
	for _, s := range d.sidecars {
		if s.apisix != nil {
			wg.Go(func() { _ = s.apisix.Stop() })
		}
	}
	wg.Wait()
}
