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

package apiserver

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// selection is what a LIST or WATCH asks for.
type selection struct {
	// namespace is empty for all namespaces.
	namespace string
	labels    labels.Selector
	fields    fields.Selector
}

// everything selects all objects of a kind.
func everything() selection {
	return selection{labels: labels.Everything(), fields: fields.Everything()}
}

func parseSelection(namespace, labelSelector, fieldSelector string) (selection, error) {
	l, err := labels.Parse(labelSelector)
	if err != nil {
		return selection{}, fmt.Errorf("labelSelector %q: %w", labelSelector, err)
	}
	f, err := fields.ParseSelector(fieldSelector)
	if err != nil {
		return selection{}, fmt.Errorf("fieldSelector %q: %w", fieldSelector, err)
	}
	return selection{namespace: namespace, labels: l, fields: f}, nil
}

func (s selection) matches(o *unstructured.Unstructured) bool {
	if o == nil {
		return false
	}
	if s.namespace != "" && o.GetNamespace() != s.namespace {
		return false
	}
	return s.labels.Matches(labels.Set(o.GetLabels())) && s.fields.Matches(objectFields{o})
}

// objectFields reads the fields of an object by their path. Kubernetes supports a few fields for each kind; here each
// field that holds a string can be selected by.
type objectFields struct {
	o *unstructured.Unstructured
}

func (f objectFields) Has(field string) bool {
	_, found, err := unstructured.NestedString(f.o.Object, strings.Split(field, ".")...)
	return found && err == nil
}

func (f objectFields) Get(field string) string {
	v, _, _ := unstructured.NestedString(f.o.Object, strings.Split(field, ".")...)
	return v
}
