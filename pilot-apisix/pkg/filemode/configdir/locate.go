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

package configdir

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// fieldPath is a way into a document: names of fields (string) and positions in lists (int).
type fieldPath []any

// parseFieldPath reads "spec.ports[0].name".
func parseFieldPath(s string) fieldPath {
	var path fieldPath
	for _, field := range strings.Split(s, ".") {
		name, rest, _ := strings.Cut(field, "[")
		path = append(path, name)
		for rest != "" {
			index, more, _ := strings.Cut(rest, "]")
			if n, err := strconv.Atoi(index); err == nil {
				path = append(path, n)
			}
			_, rest, _ = strings.Cut(more, "[")
		}
	}
	return path
}

// lineOf gives the line of what path leads to; where the path does not exist, the line of the last part that does.
func lineOf(node *yaml.Node, path fieldPath) int {
	line := node.Line
	for _, step := range path {
		next, at := child(node, step)
		if next == nil {
			break
		}
		node, line = next, at
	}
	return line
}

// child goes one step down. The line is that of the key, for a field, or of the item.
func child(node *yaml.Node, step any) (*yaml.Node, int) {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch s := step.(type) {
	case string:
		if node.Kind != yaml.MappingNode {
			return nil, 0
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == s {
				return node.Content[i+1], node.Content[i].Line
			}
		}
	case int:
		if node.Kind == yaml.SequenceNode && s < len(node.Content) {
			return node.Content[s], node.Content[s].Line
		}
	}
	return nil, 0
}

// pathAt gives the way to the value, or the name of the field, that has the byte at offset in a JSON text.
func pathAt(text []byte, offset int) fieldPath {
	dec := json.NewDecoder(bytes.NewReader(text))
	var path fieldPath
	// Each open object or list has a frame: what is at its position in the path.
	type frame struct {
		object  bool
		wantKey bool
	}
	var stack []frame
	for {
		tok, err := dec.Token()
		if err != nil {
			return path
		}
		if d, ok := tok.(json.Delim); ok && (d == '}' || d == ']') {
			if stack = stack[:len(stack)-1]; len(path) > len(stack) {
				path = path[:len(stack)]
			}
			continue
		}
		if n := len(stack); n > 0 {
			f := &stack[n-1]
			if f.object && f.wantKey {
				key, _ := tok.(string)
				path = append(path[:n-1], key)
				f.wantKey = false
				if int(dec.InputOffset()) > offset {
					return path
				}
				continue
			}
			if f.object {
				f.wantKey = true
			} else if len(path) < n {
				path = append(path, 0)
			} else {
				index, _ := path[n-1].(int)
				path[n-1] = index + 1
			}
		}
		if int(dec.InputOffset()) > offset {
			return path
		}
		if d, ok := tok.(json.Delim); ok {
			stack = append(stack, frame{object: d == '{', wantKey: d == '{'})
		}
	}
}

// byteOffset turns a column of a text with one line, counted in characters from 1, into an offset.
func byteOffset(text []byte, column int) int {
	offset := 0
	for ; column > 1 && offset < len(text); column-- {
		_, size := utf8.DecodeRune(text[offset:])
		offset += size
	}
	return offset
}
