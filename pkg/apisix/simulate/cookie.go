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

// cookie finds a cookie as lua-resty-cookie does: a value ends at ";", a space or a tab, and the last of a name wins.
func cookie(header, name string) value {
	const key, val, space = 0, 1, 2
	state, start := space, 0
	var current string
	open := false
	out := missing
	for i := 0; i < len(header); i++ {
		c := header[i]
		switch state {
		case space:
			if c != ' ' && c != '\t' {
				state, start = key, i
				i--
			}
		case key:
			if c == '=' {
				current, open, state, start = header[start:i], true, val, i+1
			}
		case val:
			if c == ';' || c == ' ' || c == '\t' {
				if current == name {
					out = text(header[start:i])
				}
				state, open = space, false
			}
		}
	}
	if open && current == name {
		out = text(header[start:])
	}
	return out
}
