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

package xds

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"strings"
	"sync"
	"weak"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// The fields of pkg/apis/mesh/v1alpha1/resource.proto.
const (
	fieldKind    protowire.Number = 1
	fieldID      protowire.Number = 2
	fieldJSON    protowire.Number = 3
	fieldSources protowire.Number = 4

	fieldSourceKind      protowire.Number = 1
	fieldSourceNamespace protowire.Number = 2
	fieldSourceName      protowire.Number = 3
	fieldSourceField     protowire.Number = 4
)

// digest is the binary form of a version: the first half of a SHA-256. Equal versions are taken for equal content, in
// diffs and when a client comes back, so 128 bits, of a hash with which nobody can make two contents collide on purpose.
type digest [sha256.Size / 2]byte

// encode gives r in the wire format of v1alpha1.Resource, byte for byte what proto.Marshal makes of it, and the number
// of leading bytes that hold kind, id and JSON.
func encode(r *translate.Resource) (wire []byte, payload int) {
	size := stringSize(fieldKind, string(r.Kind)) + stringSize(fieldID, r.ID)
	if len(r.JSON) > 0 {
		size += protowire.SizeTag(fieldJSON) + protowire.SizeBytes(len(r.JSON))
	}
	payload = size
	for i := range r.Sources {
		size += protowire.SizeTag(fieldSources) + protowire.SizeBytes(sourceSize(r.Sources[i]))
	}
	wire = make([]byte, 0, size)
	wire = appendString(wire, fieldKind, string(r.Kind))
	wire = appendString(wire, fieldID, r.ID)
	if len(r.JSON) > 0 {
		wire = protowire.AppendTag(wire, fieldJSON, protowire.BytesType)
		wire = protowire.AppendBytes(wire, r.JSON)
	}
	for i := range r.Sources {
		wire = protowire.AppendTag(wire, fieldSources, protowire.BytesType)
		wire = protowire.AppendVarint(wire, uint64(sourceSize(r.Sources[i])))
		wire = appendSource(wire, r.Sources[i])
	}
	return wire, payload
}

func sourceSize(s ir.Source) int {
	return stringSize(fieldSourceKind, s.Kind) + stringSize(fieldSourceNamespace, s.Namespace) +
		stringSize(fieldSourceName, s.Name) + stringSize(fieldSourceField, s.Field)
}

func appendSource(b []byte, s ir.Source) []byte {
	b = appendString(b, fieldSourceKind, s.Kind)
	b = appendString(b, fieldSourceNamespace, s.Namespace)
	b = appendString(b, fieldSourceName, s.Name)
	return appendString(b, fieldSourceField, s.Field)
}

// A string field of proto3 is not written when it is empty, and a client refuses the whole response when one is not
// UTF-8. Only a source can be broken in this way, and a question mark there does no harm.
func stringSize(n protowire.Number, s string) int {
	if s == "" {
		return 0
	}
	return protowire.SizeTag(n) + protowire.SizeBytes(len(strings.ToValidUTF8(s, "?")))
}

func appendString(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, n, protowire.BytesType)
	return protowire.AppendString(b, strings.ToValidUTF8(s, "?"))
}

// pool keeps one marshalled form of each resource, for all groups, as long as somebody uses it.
type pool struct {
	mu    sync.Mutex
	known map[digest]weak.Pointer[discovery.Resource]
	bytes int
}

func newPool() *pool {
	return &pool{known: map[digest]weak.Pointer[discovery.Resource]{}}
}

// intern gives r as it travels. Equal resources, sources included, give the same pointer. It must not be written to.
func (p *pool) intern(r *translate.Resource) *discovery.Resource {
	wire, payload := encode(r)
	sum := sha256.Sum256(wire[:payload])
	key := digest(sum[:len(digest{})])

	p.mu.Lock()
	defer p.mu.Unlock()
	if res := p.known[key].Value(); res != nil && bytes.Equal(res.Resource.Value, wire) {
		return res
	}
	// One allocation for both.
	both := &struct {
		resource discovery.Resource
		payload  anypb.Any
	}{}
	res := &both.resource
	res.Name, res.Version, res.Resource = r.Name(), hex.EncodeToString(key[:]), &both.payload
	both.payload.TypeUrl, both.payload.Value = v1alpha1.TypeURL, wire
	p.known[key] = weak.Make(res)
	p.bytes += len(wire)
	runtime.AddCleanup(res, p.drop, pooled{key, len(wire)})
	return res
}

// pooled is what is known of a resource when it is gone.
type pooled struct {
	key  digest
	size int
}

func (p *pool) drop(gone pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// With other sources the same content can have been put in its place.
	if p.known[gone.key].Value() == nil {
		delete(p.known, gone.key)
	}
	p.bytes -= gone.size
}

// report tells the metric. It is called for each view: for each resource it would cost more than the resource.
func (p *pool) report() {
	_, total := p.size()
	resourceBytes.RecordInt(int64(total))
}

// size is the number of distinct contents in use, and the bytes of all of them.
func (p *pool) size() (resources, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.known), p.bytes
}
