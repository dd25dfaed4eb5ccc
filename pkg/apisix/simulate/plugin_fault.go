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

package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// fault is mesh-fault: like fault-injection, with finer shares and a status of gRPC.
type fault struct {
	nothing
	Delay *struct {
		Duration   float64 `json:"duration"`
		Percentage float64 `json:"percentage"`
	} `json:"delay"`
	Abort *struct {
		HTTPStatus int     `json:"http_status"`
		GRPCStatus *int    `json:"grpc_status"`
		Percentage float64 `json:"percentage"`
	} `json:"abort"`
}

func parseFault(raw json.RawMessage) (plugin, error) {
	f, err := decodeConf[fault](raw)
	if a := f.Abort; err == nil && a != nil {
		switch {
		case (a.HTTPStatus == 0) == (a.GRPCStatus == nil):
			err = errors.New("abort needs one of http_status and grpc_status")
		case a.GRPCStatus == nil && !validStatus(a.HTTPStatus):
			err = fmt.Errorf("abort: the status %d is not within 200 and 599", a.HTTPStatus)
		case a.GRPCStatus != nil && (*a.GRPCStatus < 0 || *a.GRPCStatus > 16):
			err = fmt.Errorf("abort: gRPC has no status %d", *a.GRPCStatus)
		}
	}
	return &f, err
}

// millionths is the share as the plugin counts it, in percent.
func millionths(percentage float64) float64 {
	return max(0, min(100, math.Floor(percentage*1e4+0.5)/1e4))
}

func (f *fault) rewrite(e *exchange) {
	if d := f.Delay; d != nil && d.Duration > 0 {
		if p := millionths(d.Percentage); p > 0 {
			e.result.Faults = append(e.result.Faults, Fault{Plugin: "mesh-fault", Percent: p, Delay: seconds(d.Duration)})
		}
	}
	if f.Abort == nil {
		return
	}
	if p := millionths(f.Abort.Percentage); p > 0 {
		grpc := -1
		if f.Abort.GRPCStatus != nil {
			grpc = *f.Abort.GRPCStatus
		}
		e.abort("mesh-fault", p, e.localReply(f.Abort.HTTPStatus, "fault filter abort", grpc))
	}
}
