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

package dns

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"istio.io/istio/pkg/file"
)

const (
	tableFile = "nametable"
	// magic is the first line of the file. The workload's name and the table's SHA-256 are the next ones; the table follows.
	magic = "apisix-mesh nametable 1"
)

// readTable is nil when there is none.
func readTable(dir, workload string) ([]byte, error) {
	if dir == "" {
		return nil, nil
	}
	name := filepath.Join(dir, tableFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lines := bytes.SplitN(b, []byte("\n"), 4)
	if len(lines) < 4 || string(lines[0]) != magic {
		return nil, fmt.Errorf("%s: not a file of this format (%q)", name, magic)
	}
	if owner := string(lines[1]); owner != workload {
		return nil, fmt.Errorf("%s: the file is of workload %q, and this is %q", name, owner, workload)
	}
	if string(lines[2]) != checksum(lines[3]) {
		return nil, fmt.Errorf("%s: the checksum does not match: the file is torn or was changed", name)
	}
	return lines[3], nil
}

func checksum(table []byte) string {
	sum := sha256.Sum256(table)
	return hex.EncodeToString(sum[:])
}

// writeTable replaces the file as a whole.
func writeTable(dir, workload string, table []byte) error {
	if dir == "" {
		return nil
	}
	content := append([]byte(magic+"\n"+workload+"\n"+checksum(table)+"\n"), table...)
	return file.AtomicWrite(filepath.Join(dir, tableFile), content, 0o600)
}
