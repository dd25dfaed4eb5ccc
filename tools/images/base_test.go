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

package main

import (
	"context"
	"testing"
)

// TestOpenBase wants the platform's image out of each kind of file, with the digest that a registry knows it by where that is kept.
func TestOpenBase(t *testing.T) {
	one, other := newBase(t, amd64), newBase(t, arm64)
	want, err := one.Digest()
	if err != nil {
		t.Fatal(err)
	}
	id, err := one.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, value string
		keepsDigest bool
	}{
		{"docker save", saveDocker(t, one), false},
		{"OCI archive", saveArchive(t, other, one), true},
		{"OCI layout", saveLayout(t, other, one), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := openBase(context.Background(), tt.value, amd64, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if tt.keepsDigest && b.digest != want {
				t.Errorf("digest %s, want %s", b.digest, want)
			}
			if got, err := b.ConfigName(); err != nil || got != id {
				t.Errorf("configuration %s, %v, want %s", got, err, id)
			}
			if b.reference != "" {
				t.Errorf("a file has the reference %q", b.reference)
			}
		})
	}
}
