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
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// document is one YAML document of a file.
type document struct {
	// line is where the document starts in the file, from 1.
	line int
	// node has the positions, relative to the document; json has the values.
	node *yaml.Node
	json []byte
}

// Problem is one thing that is wrong with a file.
type Problem struct {
	// Line is where in the file, from 1.
	Line int `json:"line"`
	// Object is "KIND NAMESPACE/NAME", as far as it is known; it may be empty.
	Object string `json:"object,omitempty"`
	// Reason says what is wrong.
	Reason string `json:"reason"`
}

func (p Problem) String() string {
	if p.Object == "" {
		return fmt.Sprintf("line %d: %s", p.Line, p.Reason)
	}
	return fmt.Sprintf("line %d: %s: %s", p.Line, p.Object, p.Reason)
}

// parseDocuments splits a file at lines that are "---", as kubectl does, and parses each part. Parts with nothing but
// comments are left out.
func parseDocuments(data []byte) ([]document, []Problem) {
	var docs []document
	var problems []Problem
	for _, p := range split(data) {
		doc, err := parseDocument(p.text)
		if err != nil {
			problems = append(problems, syntaxProblem(p, err))
			continue
		}
		if doc != nil {
			doc.line = p.line
			docs = append(docs, *doc)
		}
	}
	return docs, problems
}

// part is the text between two separators.
type part struct {
	line int
	text []byte
}

func split(data []byte) []part {
	var parts []part
	start, startLine, line := 0, 1, 0
	for pos := 0; pos < len(data); {
		line++
		end := len(data)
		if i := bytes.IndexByte(data[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		if after, ok := bytes.CutPrefix(data[pos:end], []byte("---")); ok && len(bytes.TrimSpace(after)) == 0 {
			parts = append(parts, part{startLine, data[start:pos]})
			start, startLine = end, line+1
		}
		pos = end
	}
	return append(parts, part{startLine, data[start:]})
}

// parseDocument gives nil for a document with no content.
func parseDocument(text []byte) (*document, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	if err := decoder.Decode(&root); err != nil {
		if isEmpty(text) {
			return nil, nil
		}
		return nil, err
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 || root.Content[0].Tag == "!!null" {
		return nil, nil
	}
	// sigs.k8s.io/yaml reads the values, so that they are what Kubernetes would see; it also finds doubled keys.
	js, err := sigsyaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	var next yaml.Node
	if decoder.Decode(&next) == nil {
		return nil, fmt.Errorf("yaml: line %d: a second document starts here: its \"---\" must stand alone on a line", next.Line)
	}
	return &document{node: root.Content[0], json: js}, nil
}

// isEmpty reports whether there are only comments and white space, for which the YAML decoder gives io.EOF.
func isEmpty(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

var yamlLine = regexp.MustCompile(`\bline (\d+)\b(: )?`)

// syntaxProblem says what a YAML error is about, and where.
func syntaxProblem(p part, err error) Problem {
	reason := err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors:"} {
		reason = strings.TrimPrefix(reason, prefix)
	}
	line := brokenLine(p.text)
	if line == 0 {
		if m := yamlLine.FindStringSubmatch(reason); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(yamlLine.ReplaceAllString(reason, "")), "\n")
	return Problem{Line: p.line + max(line, 1) - 1, Reason: "YAML: " + strings.TrimSpace(first)}
}

// longestSearch is up to how many lines brokenLine searches, for it takes time with their square.
const longestSearch = 1000

// brokenLine finds the line that makes a document bad YAML: the first one after which it is bad whatever comes before. The
// decoder itself tells where the list or mapping around the mistake begins, which may be far above, and is off by one at
// times. It gives 0 when the syntax is good or the document is too long.
func brokenLine(text []byte) int {
	lines := slices.Collect(bytes.Lines(text))
	if len(lines) > longestSearch || yaml.Unmarshal(text, &yaml.Node{}) == nil {
		return 0
	}
	end := len(text)
	for n := len(lines) - 1; n > 0; n-- {
		end -= len(lines[n])
		if yaml.Unmarshal(text[:end], &yaml.Node{}) == nil {
			return n + 1
		}
	}
	return 1
}

// errNoObject is for documents that are not a mapping.
var errNoObject = errors.New("the document is not an object: it needs apiVersion, kind and metadata")
