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
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// decode reads b into v, and refuses fields that v does not have: what they ask for would be left out.
func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

// about is what objects of APISIX have that takes no part in routing.
type about struct {
	ID         id              `json:"id"`
	Name       string          `json:"name"`
	Desc       string          `json:"desc"`
	Labels     json.RawMessage `json:"labels"`
	CreateTime json.RawMessage `json:"create_time"`
	UpdateTime json.RawMessage `json:"update_time"`
}

func (a *about) check(r Resource) error {
	if a.ID != "" && string(a.ID) != r.ID {
		return fmt.Errorf("the id within is %q", a.ID)
	}
	return nil
}

// id is a name, which APISIX lets be a number.
type id string

// UnmarshalJSON implements json.Unmarshaler.
func (i *id) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		*i = id(s)
		return nil
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	*i = id(strconv.FormatUint(n, 10))
	return err
}

// quote is s for people.
func quote(s string) string { return strconv.Quote(s) }
