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
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	sigsjson "sigs.k8s.io/json"

	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/resource"
	"istio.io/istio/pkg/kube"
)

// parsed is what a file holds.
type parsed struct {
	objects  []Object
	problems []Problem
	// warnings are what Istio's validation has to say about objects that it accepts.
	warnings []Problem
	// ignored are the objects that have no effect, as "KIND NAMESPACE/NAME".
	ignored []string
}

// parseFile decodes and validates all objects of a file.
func parseFile(data []byte) *parsed {
	p := &parsed{}
	docs, problems := parseDocuments(data)
	p.problems = problems
	for _, d := range docs {
		p.add(d.line-1, d.node, d.json)
	}
	return p
}

// item is one object of a file on its way to be decoded.
type item struct {
	out *parsed
	// base is what to add to the lines of node.
	base int
	node *yaml.Node
	id   string
}

func (it *item) refuse(line int, format string, args ...any) {
	it.out.problems = append(it.out.problems, Problem{Line: it.base + line, Object: it.id, Reason: fmt.Sprintf(format, args...)})
}

// envelope is what all objects have.
type envelope struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            json.RawMessage   `json:"spec,omitempty"`
	Status          json.RawMessage   `json:"status,omitempty"`
}

// add decodes one object, or each object of a List.
func (p *parsed) add(base int, node *yaml.Node, js []byte) {
	it := &item{out: p, base: base, node: node}
	if node.Kind != yaml.MappingNode {
		it.refuse(node.Line, "%v", errNoObject)
		return
	}
	var head struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	if err := sigsjson.UnmarshalCaseSensitivePreserveInts(js, &head); err != nil {
		it.refuseJSON(nil, js, err)
		return
	}
	if head.Kind == "" || head.APIVersion == "" {
		it.refuse(node.Line, "%v", errNoObject)
		return
	}
	if strings.HasSuffix(head.Kind, "List") && head.Items != nil {
		for i, sub := range head.Items {
			if next := follow(node, fieldPath{"items", i}); next != nil {
				p.add(base, next, sub)
			}
		}
		return
	}
	it.id = objectID(head.Kind, head.Metadata.Namespace, head.Metadata.Name)
	s, what := kindOf(head.GroupVersionKind())
	switch what {
	case ignored:
		p.ignored = append(p.ignored, it.id)
	case unknownKind:
		it.refuse(lineOf(node, fieldPath{"kind"}), "apiVersion %s has no kind %q", head.APIVersion, head.Kind)
	case unknownVersion:
		it.refuse(lineOf(node, fieldPath{"apiVersion"}), "apiVersion %s is not served: use %s", head.APIVersion, s.APIVersion())
	case served:
		it.decode(s, js)
	}
}

// follow gives the node that path leads to, or nil.
func follow(node *yaml.Node, path fieldPath) *yaml.Node {
	for _, step := range path {
		if node, _ = child(node, step); node == nil {
			return nil
		}
	}
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// decode checks an object of a known kind and adds it to the file's objects.
func (it *item) decode(s resource.Schema, js []byte) {
	value := &unstructured.Unstructured{}
	if err := value.UnmarshalJSON(js); err != nil {
		it.refuse(it.node.Line, "%v", err)
		return
	}
	if s.IsClusterScoped() {
		value.SetNamespace("")
	} else if value.GetNamespace() == "" {
		value.SetNamespace(metav1.NamespaceDefault)
	}
	value.SetAPIVersion(s.APIVersion())
	it.id = objectID(s.Kind(), value.GetNamespace(), value.GetName())
	before := len(it.out.problems)
	it.checkNames(value)
	if spec, err := s.NewInstance(); err != nil {
		it.refuse(it.node.Line, "%v", err)
	} else if message, ok := spec.(proto.Message); ok {
		it.checkIstio(s, js, value, message)
	} else {
		it.checkKubernetes(s, js, value)
	}
	if len(it.out.problems) == before {
		it.out.objects = append(it.out.objects, newObject(ResourceOf(s), value, it.base+it.node.Line))
	}
}

func (it *item) checkNames(value *unstructured.Unstructured) {
	if value.GetName() == "" {
		it.refuse(lineOf(it.node, fieldPath{"metadata"}), "metadata.name is missing")
	} else if bad := validation.IsDNS1123Subdomain(value.GetName()); len(bad) > 0 {
		it.refuse(lineOf(it.node, fieldPath{"metadata", "name"}), "metadata.name %q: %s", value.GetName(), bad[0])
	}
	if ns := value.GetNamespace(); ns != "" {
		if bad := validation.IsDNS1123Label(ns); len(bad) > 0 {
			it.refuse(lineOf(it.node, fieldPath{"metadata", "namespace"}), "metadata.namespace %q: %s", ns, bad[0])
		}
	}
}

// checkIstio decodes the spec of an Istio kind strictly and validates it as Istio's webhook does.
func (it *item) checkIstio(s resource.Schema, js []byte, value *unstructured.Unstructured, spec proto.Message) {
	var env envelope
	if !it.decodeStrict(nil, js, &env) {
		return
	}
	if len(env.Spec) > 0 {
		if err := config.ApplyJSONStrict(spec, string(env.Spec)); err != nil {
			it.refuseSpec(env.Spec, spec, err)
			return
		}
	}
	warning, err := s.ValidateConfig(config.Config{
		Meta: config.Meta{
			GroupVersionKind: s.GroupVersionKind(),
			Name:             value.GetName(),
			Namespace:        value.GetNamespace(),
			Labels:           value.GetLabels(),
			Annotations:      value.GetAnnotations(),
		},
		Spec: spec,
	})
	if err != nil {
		it.refuse(lineOf(it.node, fieldPath{"spec"}), "%s", oneLine(err))
	}
	if warning != nil {
		it.out.warnings = append(it.out.warnings, Problem{Line: it.base + it.node.Line, Object: it.id, Reason: oneLine(warning)})
	}
}

// protoPosition is how protojson tells where in a text it found a mistake.
var protoPosition = regexp.MustCompile(`^proto:[\s\x{a0}]*\(line \d+:(\d+)\): `)

// refuseSpec finds the line of a mistake in a spec. Istio's decoder, which decides, does not tell where it is; protojson,
// which decodes almost the same, does.
func (it *item) refuseSpec(spec []byte, into proto.Message, decided error) {
	reason := decided.Error()
	path := fieldPath{"spec"}
	proto.Reset(into)
	if err := protojson.Unmarshal(spec, into); err != nil {
		if m := protoPosition.FindStringSubmatch(err.Error()); m != nil {
			column, _ := strconv.Atoi(m[1])
			path = append(path, pathAt(spec, byteOffset(spec, column))...)
			reason = strings.TrimPrefix(err.Error(), m[0])
		}
	}
	it.refuse(lineOf(it.node, path), "%s: %s", path, reason)
}

// checkKubernetes decodes a kind that is a Go struct: Kubernetes' own and the Gateway API's.
func (it *item) checkKubernetes(s resource.Schema, js []byte, value *unstructured.Unstructured) {
	typed, err := kube.IstioScheme.New(s.GroupVersionKind().Kubernetes())
	if err != nil {
		it.refuse(it.node.Line, "%v", err)
		return
	}
	if it.decodeStrict(nil, js, typed) {
		it.complete(value, typed)
	}
}

// decodeStrict decodes JSON that is found under path into a struct; unknown and doubled fields are refused.
func (it *item) decodeStrict(path fieldPath, js []byte, into any) bool {
	strict, err := sigsjson.UnmarshalStrict(js, into)
	if err != nil {
		it.refuseJSON(path, js, err)
		return false
	}
	for _, e := range strict {
		at := path
		var field sigsjson.FieldError
		if errors.As(e, &field) {
			at = append(path[:len(path):len(path)], parseFieldPath(field.FieldPath())...)
		}
		it.refuse(lineOf(it.node, at), "%v", e)
	}
	return len(strict) == 0
}

// refuseJSON tells of a value of the wrong type.
func (it *item) refuseJSON(path fieldPath, js []byte, err error) {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		at := append(path[:len(path):len(path)], pathAt(js, int(wrong.Offset)-1)...)
		it.refuse(lineOf(it.node, at), "%s: a %s cannot be read as %s", at, wrong.Value, wrong.Type)
		return
	}
	it.refuse(it.node.Line, "%s", strings.TrimPrefix(err.Error(), "json: "))
}

// String is the path as Kubernetes writes it: "spec.ports[0].name".
func (p fieldPath) String() string {
	var b strings.Builder
	for _, step := range p {
		switch s := step.(type) {
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s)
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		}
	}
	return b.String()
}

// oneLine joins the lines of errors that list others.
func oneLine(err error) string {
	fields := strings.Fields(strings.NewReplacer("\n", " ", "\t", " ").Replace(err.Error()))
	return strings.Join(fields, " ")
}
