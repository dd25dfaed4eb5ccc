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

package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// socketTables are the TCP sockets of the network namespace. nginx's own count of connections has those of its workers to each other in it.
var socketTables = []string{"/proc/net/tcp", "/proc/net/tcp6"}

// The states of sockets in these tables of which somebody may still expect something.
const (
	stateEstablished = "01"
	stateCloseWait   = "08"
)

// Connections counts the connections that clients have to ports.
func Connections(ports []int) (int, error) {
	n, read := 0, false
	for _, name := range socketTables {
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			// There is no IPv6.
			continue
		}
		if err != nil {
			return 0, err
		}
		some, err := countSockets(f, ports)
		_ = f.Close()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		n, read = n+some, true
	}
	if !read {
		return 0, fmt.Errorf("there is no %s", strings.Join(socketTables, ", and no "))
	}
	return n, nil
}

// countSockets reads one of the tables: "sl local_address rem_address st …", with addresses in hexadecimal.
func countSockets(r io.Reader, ports []int) (int, error) {
	n := 0
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || f[3] != stateEstablished && f[3] != stateCloseWait {
			continue
		}
		_, port, _ := strings.Cut(f[1], ":")
		if p, err := strconv.ParseUint(port, 16, 16); err == nil && slices.Contains(ports, int(p)) {
			n++
		}
	}
	return n, lines.Err()
}
