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

package agent

import (
	"os"
	"slices"
	"strings"
	"testing"

	"istio.io/istio/pkg/test/util/assert"
)

func TestCleanMappings(t *testing.T) {
	const smaps = `00400000-00500000 r-xp 00000000 08:01 1    /usr/local/bin/pilot-agent
Size:               1024 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
00500000-00600000 r--p 00100000 08:01 1    /usr/local/bin/pilot-agent
Anonymous:            16 kB
00600000-00700000 rw-p 00200000 08:01 1    /usr/local/bin/pilot-agent
Anonymous:             0 kB
00700000-00800000 r--p 00000000 08:01 2    /usr/lib/libc.so.6
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:             0 kB
c000400000-c000500000 r--p 00300000 08:01 1    /usr/local/bin/pilot-agent
Anonymous:             0 kB
`
	got := cleanMappings(strings.NewReader(smaps), "/usr/local/bin/pilot-agent")
	if want := []mapping{{0x400000, 0x500000}, {0xc000400000, 0xc000500000}}; !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}

	exe, err := os.Readlink("/proc/self/exe")
	assert.NoError(t, err)
	f, err := os.Open("/proc/self/smaps")
	assert.NoError(t, err)
	defer f.Close()
	if len(cleanMappings(f, exe)) == 0 {
		t.Error("this program has no pages to give back")
	}
	// It goes on.
	releasePages()
}
