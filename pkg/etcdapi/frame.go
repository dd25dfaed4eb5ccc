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
	"encoding/base64"
	"strconv"
)

// The encoders append, so that a value is encoded once, straight into the bytes that are sent. The order of the fields,
// and that zero values are left out, is that of etcd's gateway. cluster_id, member_id and raft_term stay out: there is
// no cluster, and APISIX reads none of them.

// frameOverhead is an upper bound of the bytes of a frame beside its events.
const frameOverhead = 128

func appendHeader(b []byte, rev int64) []byte {
	b = append(b, `"header":{"revision":"`...)
	b = strconv.AppendInt(b, rev, 10)
	return append(b, `"}`...)
}

// appendBytes appends a quoted base64 string.
func appendBytes(b, v []byte) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, v)
	return append(b, '"')
}

func appendInt64(b []byte, name string, v int64) []byte {
	b = append(b, name...)
	b = strconv.AppendInt(b, v, 10)
	return append(b, '"')
}

// appendKV appends a mvccpb.KeyValue.
func appendKV(b []byte, e *kv, withValue bool) []byte {
	b = append(b, `{"key":`...)
	b = append(b, e.wireKey...)
	if e.create != 0 {
		b = appendInt64(b, `,"create_revision":"`, e.create)
	}
	b = appendInt64(b, `,"mod_revision":"`, e.mod)
	if e.version != 0 {
		b = appendInt64(b, `,"version":"`, e.version)
	}
	if withValue && len(e.value) > 0 {
		b = append(b, `,"value":`...)
		b = appendBytes(b, e.value)
	}
	return append(b, '}')
}

// appendEvent appends a mvccpb.Event; its type is left out for PUT.
func appendEvent(b []byte, e event) []byte {
	if e.deleted {
		b = append(b, `{"type":"DELETE","kv":`...)
	} else {
		b = append(b, `{"kv":`...)
	}
	b = appendKV(b, e.kv, true)
	return append(b, '}')
}

// appendResult appends the start of every message of a watch stream.
func appendResult(b []byte, rev, watchID int64) []byte {
	b = append(b, `{"result":{`...)
	b = appendHeader(b, rev)
	if watchID != 0 {
		b = appendInt64(b, `,"watch_id":"`, watchID)
	}
	return b
}

// appendFrameStart appends a frame up to its first event, and appendFrameEnd what follows the last one. The newline
// stands at the end of a chunk: lua-resty-etcd reads chunks until one ends with it.
func appendFrameStart(b []byte, rev, watchID int64) []byte {
	return append(appendResult(b, rev, watchID), `,"events":[`...)
}

func appendFrameEnd(b []byte) []byte {
	return append(b, "]}}\n"...)
}

// appendProgress appends the answer that tells a watcher how far it is, without an event.
func appendProgress(b []byte, rev, watchID int64) []byte {
	return append(appendResult(b, rev, watchID), "}}\n"...)
}

func appendCreated(b []byte, rev, watchID int64) []byte {
	return append(appendResult(b, rev, watchID), `,"created":true}}`+"\n"...)
}

// appendEmptyRange appends etcd's answer to a watch of a range that cannot hold a key.
func appendEmptyRange(b []byte, rev int64) []byte {
	b = appendResult(b, rev, -1)
	return append(b, `,"created":true,"canceled":true,"cancel_reason":"mvcc: watcher range is empty"}}`+"\n"...)
}

// appendCompacted appends the answer that makes APISIX read everything again and watch from compact on. etcd leaves the
// revision out of this header; here it tells the reader of APISIX's log where the store stands.
func appendCompacted(b []byte, rev, compact, watchID int64) []byte {
	b = append(appendResult(b, rev, watchID), `,"canceled":true`...)
	b = appendInt64(b, `,"compact_revision":"`, compact)
	return append(b, "}}\n"...)
}
