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

package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth is lua-cjson's limit of nesting (decode_max_depth): APISIX could not read more.
const maxDepth = 1000

// canonicalObject checks that b is one JSON object in canonical form and returns its top-level "id" in JSON form, nil if
// there is none. Its errors do not repeat the content.
func canonicalObject(b []byte) ([]byte, error) {
	if !json.Valid(b) {
		var raw json.RawMessage
		if err := json.Unmarshal(b, &raw); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		return nil, errors.New("not JSON")
	}
	if b[0] != '{' {
		return nil, errors.New("not a JSON object, or white space before it")
	}
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	s := scanner{rest: b}
	if err := s.value(0); err != nil {
		return nil, err
	}
	if len(s.rest) > 0 {
		return nil, errNotCompact
	}
	return s.id, nil
}

var errNotCompact = errors.New("not canonical: white space between tokens")

// scanner walks over valid JSON. That it is valid is what lets every step here be simple.
type scanner struct {
	rest []byte
	// id is the value of the top-level key "id".
	id []byte
}

// value steps over one value at a depth of nesting.
func (s *scanner) value(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d levels, which APISIX cannot read", maxDepth)
	}
	switch s.rest[0] {
	case '{':
		return s.object(depth)
	case '[':
		return s.array(depth)
	case '"':
		s.text()
		return nil
	case ' ', '\t', '\r', '\n':
		return errNotCompact
	default:
		// A number, true, false or null ends where a delimiter stands.
		for i, c := range s.rest {
			switch c {
			case ',', ']', '}':
				s.rest = s.rest[i:]
				return nil
			case ' ', '\t', '\r', '\n':
				return errNotCompact
			}
		}
		s.rest = nil
		return nil
	}
}

func (s *scanner) object(depth int) error {
	s.rest = s.rest[1:]
	if s.next('}') {
		return nil
	}
	var last string
	for first := true; ; first = false {
		if s.rest[0] != '"' {
			return errNotCompact
		}
		key, err := unquote(s.text())
		if err != nil {
			return err
		}
		switch {
		case first:
		case key == last:
			return errors.New("not canonical: a key stands twice in one object")
		case key < last:
			return errors.New("not canonical: the keys of an object are not in order")
		}
		last = key
		if !s.next(':') {
			return errNotCompact
		}
		start := s.rest
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if depth == 0 && key == "id" {
			s.id = start[:len(start)-len(s.rest)]
		}
		switch {
		case s.next('}'):
			return nil
		case !s.next(','):
			return errNotCompact
		}
	}
}

func (s *scanner) array(depth int) error {
	s.rest = s.rest[1:]
	if s.next(']') {
		return nil
	}
	for {
		if err := s.value(depth + 1); err != nil {
			return err
		}
		switch {
		case s.next(']'):
			return nil
		case !s.next(','):
			return errNotCompact
		}
	}
}

// next steps over c, if it comes next.
func (s *scanner) next(c byte) bool {
	if len(s.rest) > 0 && s.rest[0] == c {
		s.rest = s.rest[1:]
		return true
	}
	return false
}

// text steps over a string and returns it with its quotes.
func (s *scanner) text() []byte {
	for i := 1; ; i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			t := s.rest[:i+1]
			s.rest = s.rest[i+1:]
			return t
		}
	}
}

// unquote decodes a JSON string with its quotes.
func unquote(text []byte) (string, error) {
	inner := text[1 : len(text)-1]
	for _, c := range inner {
		if c == '\\' {
			var v string
			err := json.Unmarshal(text, &v)
			return v, err
		}
	}
	return string(inner), nil
}
