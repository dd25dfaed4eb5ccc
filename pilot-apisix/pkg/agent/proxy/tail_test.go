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
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"istio.io/istio/pkg/test/util/assert"
)

func TestConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	count := func() int {
		n, err := Connections([]int{port})
		assert.NoError(t, err)
		return n
	}
	assert.Equal(t, count(), 0)
	c, err := net.Dial("tcp", l.Addr().String())
	assert.NoError(t, err)
	server, err := l.Accept()
	assert.NoError(t, err)
	// The client's own socket has another port.
	assert.Equal(t, count(), 1)
	// Who has said all may still wait for an answer.
	assert.NoError(t, c.(*net.TCPConn).CloseWrite())
	await(t, "1", func() string { return fmt.Sprint(count()) })
	_, _ = server.Close(), c.Close()
	await(t, "0", func() string { return fmt.Sprint(count()) })
}

func TestTail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "error.log")
	var mu sync.Mutex
	var lines []string
	write := func(text string) {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		assert.NoError(t, err)
		_, err = f.WriteString(text)
		assert.NoError(t, err)
		assert.NoError(t, f.Close())
	}
	said := func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(lines, ", ")
	}
	write("before\n")
	tail := follow(file, size(file), func(text string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, text)
	})
	write("one\ntw")
	await(t, "one", said)
	write("o\n")
	await(t, "one, two", said)
	// It is emptied when it becomes too large, and nginx goes on at its end.
	write(strings.Repeat("x", mostLog) + "\n")
	await(t, "0", func() string { return fmt.Sprint(size(file)) })
	write("three\n")
	tail.stop()
	if got := said(); !strings.HasSuffix(got, ", three") {
		t.Errorf("the last line is %q", got[max(0, len(got)-20):])
	}
}
