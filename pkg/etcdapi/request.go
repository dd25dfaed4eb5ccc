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
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The requests as protobuf's JSON mapping writes them: bytes in base64, int64 as a string or a number, enums as a name or
// a number. Unknown fields are ignored, as etcd's gateway does.

type authenticateRequest struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// rangeRequest is etcdserverpb.RangeRequest. serializable says nothing here: there is one store.
type rangeRequest struct {
	Key               []byte     `json:"key"`
	RangeEnd          []byte     `json:"range_end"`
	Limit             wireInt64  `json:"limit"`
	Revision          wireInt64  `json:"revision"`
	SortOrder         sortOrder  `json:"sort_order"`
	SortTarget        sortTarget `json:"sort_target"`
	KeysOnly          bool       `json:"keys_only"`
	CountOnly         bool       `json:"count_only"`
	MinModRevision    wireInt64  `json:"min_mod_revision"`
	MaxModRevision    wireInt64  `json:"max_mod_revision"`
	MinCreateRevision wireInt64  `json:"min_create_revision"`
	MaxCreateRevision wireInt64  `json:"max_create_revision"`
}

// watchRequest is etcdserverpb.WatchRequest.
type watchRequest struct {
	Create   *watchCreateRequest `json:"create_request"`
	Cancel   json.RawMessage     `json:"cancel_request"`
	Progress json.RawMessage     `json:"progress_request"`
}

// watchCreateRequest is etcdserverpb.WatchCreateRequest.
type watchCreateRequest struct {
	Key            []byte        `json:"key"`
	RangeEnd       []byte        `json:"range_end"`
	StartRevision  wireInt64     `json:"start_revision"`
	ProgressNotify bool          `json:"progress_notify"`
	Filters        []watchFilter `json:"filters"`
	WatchID        wireInt64     `json:"watch_id"`
}

type wireInt64 int64

// UnmarshalJSON implements json.Unmarshaler.
func (v *wireInt64) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	n, err := strconv.ParseInt(unquote(b), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is not a 64-bit integer", b)
	}
	*v = wireInt64(n)
	return nil
}

type (
	sortOrder   int
	sortTarget  int
	watchFilter int
)

const (
	sortNone sortOrder = iota
	sortAscend
	sortDescend
)

const (
	sortByKey sortTarget = iota
	sortByVersion
	sortByCreate
	sortByMod
	sortByValue
)

const (
	filterNoPut watchFilter = iota
	filterNoDelete
)

// UnmarshalJSON implements json.Unmarshaler.
func (v *sortOrder) UnmarshalJSON(b []byte) error {
	return unmarshalEnum(b, "sort_order", v, "NONE", "ASCEND", "DESCEND")
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *sortTarget) UnmarshalJSON(b []byte) error {
	return unmarshalEnum(b, "sort_target", v, "KEY", "VERSION", "CREATE", "MOD", "VALUE")
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *watchFilter) UnmarshalJSON(b []byte) error {
	return unmarshalEnum(b, "filters", v, "NOPUT", "NODELETE")
}

// unmarshalEnum reads the number or the name of an enum whose values count from 0. A number without a name is kept: it
// means nothing, which is what etcd makes of it.
func unmarshalEnum[E ~int](b []byte, field string, v *E, names ...string) error {
	if string(b) == "null" {
		return nil
	}
	if n, err := strconv.ParseInt(string(b), 10, 32); err == nil {
		*v = E(n)
		return nil
	}
	name := unquote(b)
	for i, n := range names {
		if n == name {
			*v = E(i)
			return nil
		}
	}
	return fmt.Errorf("%s: unknown value %s, it is one of %s", field, b, strings.Join(names, ", "))
}

// unquote takes the quotes off a JSON string whose valid values hold no escapes.
func unquote(b []byte) string {
	if len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		b = b[1 : len(b)-1]
	}
	return string(b)
}

// readRequest decodes the first JSON value of the body into v; no body at all is an empty request. Like etcd's gateway it
// does not look at what follows.
func readRequest(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	err = json.NewDecoder(bytes.NewReader(body)).Decode(v)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// readWatchRequest decodes a body that holds exactly one create_request.
func readWatchRequest(w http.ResponseWriter, r *http.Request) (*watchCreateRequest, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	var req watchRequest
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&req); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if req.Create == nil || req.Cancel != nil || req.Progress != nil || dec.More() {
		return nil, errors.New("a watch stream takes one create_request, close the connection to cancel it")
	}
	return req.Create, nil
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// A slow body must not hold a connection, but a deadline that stays would end the watch that follows. Writers that
	// know no deadlines (tests) have nothing to wait for.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	_ = rc.SetReadDeadline(time.Time{})
	return body, err
}

func badRequest(err error) status {
	return status{grpc: codeInvalidArgument, text: err.Error()}
}
