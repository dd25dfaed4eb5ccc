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
	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Find gives the file and the line, from 1, of a field of an object, such as "spec.http[0].match[1]"; where the object has no
// such field, the line of the last part of it that it has. It is false when no file has the object. Contents are those of
// Read.
func Find(contents map[string][]byte, kind, namespace, name, field string) (file string, line int, ok bool) {
	for _, file := range sortedKeys(contents) {
		docs, _ := parseDocuments(contents[file])
		for _, doc := range docs {
			if object := findObject(doc.node, kind, namespace, name); object != nil {
				return file, doc.line + lineOf(object, parseFieldPath(field)) - 1, true
			}
		}
	}
	return "", 0, false
}

// findObject is node or, for a list, the item of it that is the object; nil for none.
func findObject(node *yaml.Node, kind, namespace, name string) *yaml.Node {
	text := func(path ...any) string {
		if n := follow(node, path); n != nil {
			return n.Value
		}
		return ""
	}
	if items := follow(node, fieldPath{"items"}); items != nil {
		for _, item := range items.Content {
			if object := findObject(item, kind, namespace, name); object != nil {
				return object
			}
		}
		return nil
	}
	if text("kind") != kind || text("metadata", "name") != name {
		return nil
	}
	if ns := text("metadata", "namespace"); ns != namespace && (ns != "" || namespace != metav1.NamespaceDefault) {
		return nil
	}
	return node
}
