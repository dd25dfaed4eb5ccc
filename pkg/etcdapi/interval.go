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

package etcdapi

// interval is etcd's key and range_end.
type interval struct {
	key, end string
	// single is true without a range_end: the interval is one key. open is true when the range_end is "\x00": the
	// interval is every key from key on. Otherwise it is key <= k < end.
	single, open bool
}

func newInterval(key, end []byte) interval {
	iv := interval{key: string(key)}
	switch {
	case len(end) == 0:
		iv.single = true
	case len(end) == 1 && end[0] == 0:
		iv.open = true
	default:
		iv.end = string(end)
	}
	return iv
}

func (iv interval) contains(k string) bool {
	if iv.single {
		return k == iv.key
	}
	return k >= iv.key && (iv.open || k < iv.end)
}

// empty reports whether no key can be in the interval.
func (iv interval) empty() bool {
	return !iv.single && !iv.open && iv.key >= iv.end
}
