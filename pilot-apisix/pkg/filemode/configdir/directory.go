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
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/apiserver"
)

// Refusal says why a file is not served as it is now.
type Refusal struct {
	// File is the path of the file.
	File string `json:"file"`
	// Problems are what is wrong, by line.
	Problems []Problem `json:"problems"`
	// Serving tells whether an earlier content of the file is served in the meantime.
	Serving bool `json:"servingLastGood"`
}

// Error is one line for each problem, as compilers write them: "FILE:LINE: OBJECT: REASON".
func (r Refusal) Error() string {
	lines := make([]string, 0, len(r.Problems))
	for _, p := range r.Problems {
		line := fmt.Sprintf("%s:%d: ", r.File, p.Line)
		if p.Object != "" {
			line += p.Object + ": "
		}
		lines = append(lines, line+p.Reason)
	}
	return strings.Join(lines, "\n")
}

// Snapshot is what a directory says at a moment.
type Snapshot struct {
	// Objects are those to serve, in the order of files and of their places in them.
	Objects []Object
	// Files is the number of files that are served as they are.
	Files int
	// Refused are the files that are not, by name.
	Refused []Refusal
	// Changed are the files whose content is served for the first time, and Removed those that are gone, by name.
	Changed, Removed []string
	// NewlyRefused are the files that were refused in this content for the first time.
	NewlyRefused []Refusal
	// Warnings are what Istio's validation says about the files in Changed that it accepts.
	Warnings []Refusal
	// Ignored are the objects without effect in the files in Changed, as "KIND NAMESPACE/NAME".
	Ignored []string
}

// Served gives the objects as the API server wants them.
func (s *Snapshot) Served() []apiserver.Object {
	out := make([]apiserver.Object, 0, len(s.Objects))
	for _, o := range s.Objects {
		out = append(out, o.served())
	}
	return out
}

// file is what is known of one file.
type file struct {
	// seen is the content that was last looked at.
	seen string
	// good is the last content that was accepted, and objects what it defines; accepted tells whether there was one.
	good     string
	accepted bool
	objects  []Object
	// serving are those of objects that no other file has taken over while this one was refused.
	serving []Object
	// problems are those of seen; empty when it was accepted.
	problems []Problem
}

// Directory follows the files of a mesh. It is for one goroutine.
type Directory struct {
	system    string
	files     map[string]*file
	addresses allocator
}

// New starts with no files. system is the namespace of the control plane.
func New(system string) *Directory {
	return &Directory{system: system, files: map[string]*file{}}
}

// Remember tells the directory a content that a file had when it was accepted in an earlier life of the process. It is
// served until the file is seen. Content that is not accepted any more is left aside.
func (d *Directory) Remember(name string, data []byte) {
	p := parseFile(data)
	if len(p.problems) > 0 {
		return
	}
	d.files[name] = &file{seen: "", good: string(data), accepted: true, objects: inFile(name, p.objects)}
}

// Good gives the content that is served of each file.
func (d *Directory) Good() map[string]string {
	out := map[string]string{}
	for name, f := range d.files {
		if f.accepted {
			out[name] = f.good
		}
	}
	return out
}

// Update looks at all files there are, by name, and gives what to serve now.
func (d *Directory) Update(contents map[string][]byte) *Snapshot {
	snap := &Snapshot{}
	for _, name := range sortedKeys(d.files) {
		if _, ok := contents[name]; !ok {
			delete(d.files, name)
			snap.Removed = append(snap.Removed, name)
		}
	}

	// owners are the objects of files that stay as they are; what changes must not claim them.
	owners := map[string]Object{}
	type edit struct {
		name   string
		file   *file
		parsed *parsed
	}
	var edits []edit
	for _, name := range sortedKeys(contents) {
		f := d.files[name]
		text := string(contents[name])
		if f != nil && f.accepted && f.good == text && len(conflicts(owners, f.objects)) == 0 {
			f.seen, f.problems, f.serving = text, nil, f.objects
			claim(owners, f.serving)
			continue
		}
		if f == nil {
			f = &file{}
			d.files[name] = f
		}
		edits = append(edits, edit{name, f, parseContent(contents[name], f.accepted)})
	}
	for _, e := range edits {
		objects := inFile(e.name, e.parsed.objects)
		problems := append(e.parsed.problems, conflicts(owners, objects)...)
		sort.SliceStable(problems, func(i, j int) bool { return problems[i].Line < problems[j].Line })
		text := string(contents[e.name])
		fresh := text != e.file.seen || len(e.file.problems) == 0
		e.file.seen, e.file.problems = text, problems
		if len(problems) == 0 {
			e.file.good, e.file.accepted, e.file.objects = text, true, objects
			snap.Changed = append(snap.Changed, e.name)
			snap.Ignored = append(snap.Ignored, e.parsed.ignored...)
			if len(e.parsed.warnings) > 0 {
				snap.Warnings = append(snap.Warnings, Refusal{File: e.name, Problems: e.parsed.warnings})
			}
		} else if fresh {
			snap.NewlyRefused = append(snap.NewlyRefused, e.file.refusal(e.name))
		}
		e.file.serving = nil
		for _, o := range e.file.objects {
			if _, taken := owners[o.key()]; !taken {
				e.file.serving = append(e.file.serving, o)
			}
		}
		claim(owners, e.file.serving)
	}

	for _, name := range sortedKeys(d.files) {
		f := d.files[name]
		snap.Objects = append(snap.Objects, f.serving...)
		if len(f.problems) > 0 {
			snap.Refused = append(snap.Refused, f.refusal(name))
		} else {
			snap.Files++
		}
	}
	snap.Objects = append(snap.Objects, namespaces(snap.Objects, d.system)...)
	d.addresses.assign(snap.Objects)
	return snap
}

// parseContent is parseFile with one more rule: a file that had content and is empty is about to be written.
func parseContent(data []byte, hadContent bool) *parsed {
	if len(data) == 0 && hadContent {
		return &parsed{problems: []Problem{{Line: 1, Reason: "the file is empty: remove it to remove its objects"}}}
	}
	return parseFile(data)
}

func (f *file) refusal(name string) Refusal {
	return Refusal{File: name, Problems: f.problems, Serving: f.accepted}
}

func inFile(name string, objs []Object) []Object {
	for i := range objs {
		objs[i].File = name
	}
	return objs
}

func claim(owners map[string]Object, objs []Object) {
	for _, o := range objs {
		owners[o.key()] = o
	}
}

// conflicts finds the objects that are defined twice: in objs, or in another file.
func conflicts(owners map[string]Object, objs []Object) []Problem {
	var problems []Problem
	own := map[string]Object{}
	for _, o := range objs {
		other, ok := owners[o.key()]
		if !ok {
			other, ok = own[o.key()]
		}
		if ok {
			problems = append(problems, Problem{
				Line: o.Line, Object: o.ID(),
				Reason: fmt.Sprintf("it is defined already, at %s:%d", other.File, other.Line),
			})
		}
		own[o.key()] = o
	}
	return problems
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
