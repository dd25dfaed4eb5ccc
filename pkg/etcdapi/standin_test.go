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

package etcdapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// apisixStandIn follows a gateway by the rules of one worker of APISIX 3.18 (core/config_etcd.lua and lua-resty-etcd): the
// full load, the start revision, the merging of messages, which frames a kind ignores, and when it reads itself again.
// It stands in for APISIX only in tests; apisix_test.go uses the real one.
type apisixStandIn struct {
	addr        string
	idle        time.Duration // watch_timeout
	rev         int64         // watch_ctx.rev
	kinds       map[string]*kindStandIn
	reloads     int // how often a kind read itself again
	connections int
}

type kindStandIn struct {
	prevIndex  int64
	needReload bool
	values     map[string]string
}

func (a *apisixStandIn) rangeOf(key, end string) (wireRange, error) {
	res, err := send(a.addr, http.MethodPost, "/v3/kv/range", rangeBody(key, end))
	var v wireRange
	if err != nil {
		return v, err
	}
	if res.status != http.StatusOK {
		return v, fmt.Errorf("range of %s: %d %s", key, res.status, res.body)
	}
	return v, json.Unmarshal(res.body, &v)
}

// load is init_loaded_configuration: kinds without a directory key read themselves later.
func (a *apisixStandIn) load(kinds ...string) error {
	v, err := a.rangeOf("/apisix", "/apisiy")
	if err != nil {
		return err
	}
	a.kinds = map[string]*kindStandIn{}
	for _, k := range kinds {
		dir := "/apisix/" + k + "/"
		s := &kindStandIn{needReload: true, values: map[string]string{}}
		for _, e := range v.Kvs {
			switch key := string(e.Key); {
			case key == dir:
				s.needReload, s.prevIndex = false, v.Header.Revision
			case strings.HasPrefix(key, dir) && !s.needReload:
				s.values[key] = string(e.Value)
			}
		}
		a.kinds[k] = s
	}
	return nil
}

// start is the first part of do_run_watch, in a worker whose modules have taken everything that was loaded.
func (a *apisixStandIn) start() error {
	v, err := a.rangeOf("/apisix/", "")
	a.rev = v.Header.Revision + 1
	return err
}

// reload is the first part of sync_data.
func (a *apisixStandIn) reload() error {
	for name, k := range a.kinds {
		if !k.needReload {
			continue
		}
		dir := "/apisix/" + name
		v, err := a.rangeOf(dir, rangeEnd(dir))
		if err != nil {
			return err
		}
		k.values = map[string]string{}
		for _, e := range v.Kvs {
			if string(e.Key) != dir+"/" {
				k.values[string(e.Key)] = string(e.Value)
			}
		}
		k.prevIndex, k.needReload = v.Header.Revision, false
		a.reloads++
	}
	return nil
}

// follow runs until ctx ends; a gateway that is away is tried again.
func (a *apisixStandIn) follow(ctx context.Context, changed func()) error {
	for ctx.Err() == nil {
		err := a.reload()
		if err == nil {
			changed()
			err = a.watch(ctx, changed)
		}
		if err != nil {
			var bad *protocolError
			if errors.As(err, &bad) {
				return err
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return nil
}

// protocolError is something that APISIX would stumble over.
type protocolError struct{ error }

// readMessage is read_watch of lua-resty-etcd with its faults: of several messages in one read it keeps the last one's
// header.
func (s *luaStreamStandIn) readMessage(timeout time.Duration) (wireWatch, error) {
	var body []byte
	for len(body) == 0 || body[len(body)-1] != '\n' {
		c, err := s.chunk(timeout)
		if err != nil {
			return wireWatch{}, err
		}
		body = append(body, c...)
	}
	lines := bytes.Split(bytes.TrimRight(body, "\n"), []byte("\n"))
	var last, all wireWatch
	for _, l := range lines {
		last = wireWatch{}
		if err := json.Unmarshal(l, &last); err != nil {
			return last, &protocolError{err}
		}
		all.Result.Events = append(all.Result.Events, last.Result.Events...)
	}
	if len(all.Result.Events) > 1 {
		last.Result.Events = all.Result.Events
	}
	return last, nil
}

// watch is the second part of do_run_watch, and http_waitdir with the second part of sync_data for every kind.
func (a *apisixStandIn) watch(ctx context.Context, changed func()) error {
	s, err := dialWatch(a.addr, watchBody("/apisix/", "/apisix0", a.rev))
	if err != nil {
		return err
	}
	a.connections++
	defer s.close()
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	for {
		w, err := s.readMessage(a.idle)
		if err != nil {
			return err
		}
		res := w.Result
		if res.Canceled {
			if res.CompactRevision != 0 {
				a.rev = res.CompactRevision
				for _, k := range a.kinds {
					k.needReload = true
				}
			}
			return nil
		}
		if res.Created {
			continue
		}
		if res.Header.Revision < a.rev {
			return &protocolError{fmt.Errorf("received smaller revision %d, watch_ctx.rev=%d", res.Header.Revision, a.rev)}
		}
		if res.Header.Revision > a.rev {
			a.rev = res.Header.Revision + 1
		}
		if len(res.Events) == 0 {
			return &protocolError{errors.New("a message without events: ipairs(nil) in http_waitdir")}
		}
		for name, k := range a.kinds {
			if res.Header.Revision <= k.prevIndex {
				continue
			}
			for _, e := range res.Events {
				key := string(e.Kv.Key)
				if !strings.HasPrefix(key, "/apisix/"+name) {
					continue
				}
				k.prevIndex = max(k.prevIndex, e.Kv.ModRevision)
				if e.Type == "DELETE" {
					delete(k.values, key)
				} else if key != "/apisix/"+name+"/" {
					k.values[key] = string(e.Kv.Value)
				}
			}
		}
		changed()
	}
}

// state returns everything that is live.
func (a *apisixStandIn) state() map[string]string {
	out := map[string]string{}
	for _, k := range a.kinds {
		maps.Copy(out, k.values)
	}
	return out
}

// state returns the store's resources, without the directories.
func (s *Store) state() map[string]string {
	kvs, _ := s.snapshot(interval{key: "/", open: true})
	out := map[string]string{}
	for _, e := range kvs {
		if !strings.HasSuffix(e.key, "/") {
			out[e.key] = string(e.value)
		}
	}
	return out
}
