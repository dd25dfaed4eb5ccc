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

package apisix

// MeshFault is the plugin mesh-fault: what fault-injection does, with fractions of percents and gRPC statuses.
type MeshFault struct {
	Abort *MeshFaultAbort
	Delay *MeshFaultDelay
}

// MeshFaultAbort answers a share of the requests.
type MeshFaultAbort struct {
	// HTTPStatus is set unless GRPC is.
	HTTPStatus int
	// GRPC says to answer with GRPCStatus.
	GRPC       bool
	GRPCStatus int
	// Percentage of the requests, 0 to 100.
	Percentage float64
}

// MeshFaultDelay holds a share of the requests back.
type MeshFaultDelay struct {
	// Duration in seconds.
	Duration float64
	// Percentage of the requests, 0 to 100.
	Percentage float64
}

// PluginName implements Plugin.
func (*MeshFault) PluginName() string { return "mesh-fault" }

// AppendJSON implements Plugin.
func (f *MeshFault) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	if f.Abort != nil {
		o.key("abort")
		a := beginObject(o.b)
		if f.Abort.GRPC {
			a.int("grpc_status", f.Abort.GRPCStatus)
		} else {
			a.int("http_status", f.Abort.HTTPStatus)
		}
		a.number("percentage", f.Abort.Percentage)
		o.b = a.end()
	}
	if f.Delay != nil {
		o.key("delay")
		d := beginObject(o.b)
		d.number("duration", f.Delay.Duration)
		d.number("percentage", f.Delay.Percentage)
		o.b = d.end()
	}
	return o.end()
}
