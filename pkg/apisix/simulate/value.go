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

// value is what a variable holds: nothing, a string, or Lua's true for an argument without "=".
type value struct {
	text   string
	ok     bool
	isTrue bool
}

var missing = value{}

func text(s string) value { return value{text: s, ok: true} }

// flag is the value of an argument without "=": an expression sees a boolean, a regular expression and a header "true".
var flag = value{text: "true", ok: true, isTrue: true}

// equals is lua-resty-expr's "==" with a string.
func (v value) equals(s string) bool { return v.ok && !v.isTrue && v.text == s }

// String is v for people.
func (v value) String() string {
	switch {
	case !v.ok:
		return "missing"
	case v.isTrue:
		return "true (it has no =)"
	}
	return quote(v.text)
}
