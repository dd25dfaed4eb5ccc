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
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releasePages gives back the pages of the program's own file: most of them are needed for the start only, and what is needed again is
// read again from the page cache. Of a sidecar's resident memory they would be two thirds.
func releasePages() {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	for _, m := range cleanMappings(f, exe) {
		// It only costs memory when it fails.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ start, end uintptr }

// cleanMappings are those of a file that cannot be written to, and never were: the loader may have done so before it forbade it (proc(5),
// /proc/pid/smaps).
func cleanMappings(smaps io.Reader, file string) []mapping {
	var out []mapping
	var current mapping
	ours := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) < 2:
		case strings.Contains(f[0], "-") && len(f[1]) == 4:
			ours = len(f) == 6 && f[5] == file && f[1][0] == 'r' && f[1][1] == '-'
			from, to, _ := strings.Cut(f[0], "-")
			start, err1 := strconv.ParseUint(from, 16, 64)
			end, err2 := strconv.ParseUint(to, 16, 64)
			ours = ours && err1 == nil && err2 == nil
			current = mapping{uintptr(start), uintptr(end)}
		case ours && f[0] == "Anonymous:" && f[1] == "0":
			out = append(out, current)
		}
	}
	return out
}
