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

package differential

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shrinkBudget is how many smaller scenarios are tried for one disagreement.
const shrinkBudget = 600

// shrinker makes a scenario smaller as long as it shows the same disagreement.
type shrinker struct {
	t    *testing.T
	best *disagreement
	left int
}

// shrink is the smallest scenario and call that were found to show d.
func (d *disagreement) shrink(t *testing.T) *disagreement {
	s := &shrinker{t: t, best: d, left: shrinkBudget}
	for changed := true; changed && s.left > 0; {
		changed = s.objects()
		changed = s.fields() || changed
		changed = s.call() || changed
	}
	return s.best
}

// try keeps the smaller scenario when it shows the disagreement.
func (s *shrinker) try(smaller *scenario, c *call) bool {
	if s.left--; s.left < 0 {
		return false
	}
	for _, o := range smaller.objects {
		if o.config != nil && (!o.isConverted() && !isValid(*o.config) || o.isConverted() && o.leadsNowhere()) {
			return false
		}
	}
	ok := false
	for _, d := range smaller.compare(s.t, []*call{c}, nil) {
		if d.signature() == s.best.signature() {
			s.best, ok = d, true
		}
	}
	return ok
}

func (s *shrinker) objects() (changed bool) {
	for i := len(s.best.scenario.objects) - 1; i >= 0; i-- {
		smaller := *s.best.scenario
		smaller.objects = slices.Delete(slices.Clone(smaller.objects), i, i+1)
		changed = s.try(&smaller, s.best.call) || changed
	}
	if s.best.scenario.mesh != nil {
		smaller := *s.best.scenario
		smaller.mesh = nil
		changed = s.try(&smaller, s.best.call) || changed
	}
	if s.best.scenario.dns {
		smaller := *s.best.scenario
		smaller.dns = false
		changed = s.try(&smaller, s.best.call) || changed
	}
	return changed
}

// fields empties the fields of the objects one by one, the large ones first.
func (s *shrinker) fields() (changed bool) {
	for i := range s.best.scenario.objects {
		if s.best.scenario.objects[i].config == nil {
			continue
		}
		for n := 0; s.left > 0; {
			// Cuts are counted on the object as it is now: one that succeeds takes its successor's place.
			spec := proto.Clone(s.best.scenario.objects[i].config.Spec.(proto.Message))
			if !cut(spec.ProtoReflect(), &n, new(int)) {
				break
			}
			cfg := s.best.scenario.objects[i].config.DeepCopy()
			cfg.Spec = spec
			smaller := *s.best.scenario
			smaller.objects = slices.Clone(smaller.objects)
			smaller.objects[i] = object{config: &cfg}
			if s.try(&smaller, s.best.call) {
				changed = true
				n--
			}
		}
	}
	return changed
}

// cut takes away the n-th part of the message, counted from the outside to the inside, and advances n. It is false when there
// is no such part.
func cut(m protoreflect.Message, n, at *int) bool {
	hit := func() bool {
		*at++
		if *at == *n+1 {
			*n++
			return true
		}
		return false
	}
	for _, f := range setFields(m) {
		v := m.Get(f)
		if hit() {
			m.Clear(f)
			return true
		}
		switch {
		case f.IsList():
			list := v.List()
			for i := range list.Len() {
				if list.Len() > 1 && hit() {
					removeAt(m, f, i)
					return true
				}
				if f.Message() != nil && cut(list.Get(i).Message(), n, at) {
					return true
				}
			}
		case f.IsMap():
			for _, k := range mapKeys(v.Map()) {
				if v.Map().Len() > 1 && hit() {
					v.Map().Clear(k)
					return true
				}
				if f.MapValue().Message() != nil && cut(v.Map().Get(k).Message(), n, at) {
					return true
				}
			}
		case f.Message() != nil:
			if cut(v.Message(), n, at) {
				return true
			}
		}
	}
	return false
}

func setFields(m protoreflect.Message) []protoreflect.FieldDescriptor {
	var out []protoreflect.FieldDescriptor
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if m.Has(fields.Get(i)) {
			out = append(out, fields.Get(i))
		}
	}
	return out
}

func removeAt(m protoreflect.Message, f protoreflect.FieldDescriptor, i int) {
	list := m.Get(f).List()
	rest := m.NewField(f).List()
	for j := range list.Len() {
		if j != i {
			rest.Append(list.Get(j))
		}
	}
	m.Set(f, protoreflect.ValueOfList(rest))
}

func mapKeys(m protoreflect.Map) []protoreflect.MapKey {
	var out []protoreflect.MapKey
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		out = append(out, k)
		return true
	})
	slices.SortFunc(out, func(a, b protoreflect.MapKey) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	return out
}

// call takes the headers and the query of the call away.
func (s *shrinker) call() (changed bool) {
	for i := len(s.best.call.headers) - 1; i >= 0; i-- {
		c := *s.best.call
		c.headers = slices.Delete(slices.Clone(c.headers), i, i+1)
		changed = s.try(s.best.scenario, &c) || changed
	}
	if c := *s.best.call; c.query() != "" {
		c.path = c.pathOnly()
		changed = s.try(s.best.scenario, &c) || changed
	}
	if c := *s.best.call; c.address != elsewhere {
		c.address = elsewhere
		changed = s.try(s.best.scenario, &c) || changed
	}
	return changed
}
