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

package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

const (
	resourcesFile = "resources"
	// magic starts the file. Its number changes with the format.
	magic = "apisix-mesh resources 1\n"
	// maxFileBytes bounds what is read: far above any configuration that an APISIX can hold.
	maxFileBytes = 1 << 30
	// temporaryPrefix marks files that are being written.
	temporaryPrefix = ".new-"
)

// The file is: magic; the workload; for each resource its kind, id, version, source and JSON; a SHA-256 of all that.
// Each string is its length (binary.Uvarint) and its bytes. The number of resources is a Uvarint.

// writeFile replaces the file in dir.
func writeFile(dir, workload string, resources []*Resource) error {
	return writeAtomically(filepath.Join(dir, resourcesFile), func(w io.Writer) error {
		return encode(w, workload, resources)
	})
}

func encode(to io.Writer, workload string, resources []*Resource) error {
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(to, sum), 64<<10)
	var length [binary.MaxVarintLen64]byte
	number := func(n int) {
		_, _ = w.Write(length[:binary.PutUvarint(length[:], uint64(n))])
	}
	text := func(s string) {
		number(len(s))
		_, _ = w.WriteString(s)
	}
	_, _ = w.WriteString(magic)
	text(workload)
	number(len(resources))
	for _, r := range resources {
		text(string(r.Kind))
		text(r.ID)
		text(r.Version)
		text(r.Source)
		number(len(r.JSON))
		_, _ = w.Write(r.JSON)
	}
	// A bufio.Writer keeps the first error for Flush.
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := to.Write(sum.Sum(nil))
	return err
}

// readFile returns nothing when there is no file.
func readFile(dir, workload string) ([]*Resource, error) {
	file := filepath.Join(dir, resourcesFile)
	fi, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if fi.Size() > maxFileBytes {
		return nil, fmt.Errorf("%s: %d bytes are more than any configuration", file, fi.Size())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	resources, err := decode(b, workload)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return resources, nil
}

var errShort = errors.New("the file ends too early")

func decode(b []byte, workload string) ([]*Resource, error) {
	if len(b) < len(magic)+sha256.Size || string(b[:len(magic)]) != magic {
		return nil, fmt.Errorf("not a file of this format (%q)", magic[:len(magic)-1])
	}
	body, want := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], want) {
		return nil, errors.New("the checksum does not match: the file is torn or was changed")
	}
	d := &decoder{rest: body[len(magic):]}
	if owner := string(d.bytes()); d.err == nil && owner != workload {
		return nil, fmt.Errorf("the file is of workload %q, and this is %q", owner, workload)
	}
	count := d.number()
	var resources []*Resource
	for range count {
		kind, id := apisix.Kind(d.bytes()), string(d.bytes())
		version, source, json := string(d.bytes()), string(d.bytes()), bytes.Clone(d.bytes())
		if d.err != nil {
			return nil, d.err
		}
		known, _, ok := apisix.SplitName(apisix.Name(kind, id))
		if !ok {
			return nil, fmt.Errorf("resource %q of kind %q: APISIX has no such kind, or refuses the id", id, kind)
		}
		resources = append(resources, NewResource(known, id, version, json, source))
	}
	if d.err != nil {
		return nil, d.err
	}
	if len(d.rest) > 0 {
		return nil, fmt.Errorf("%d bytes too many", len(d.rest))
	}
	return resources, nil
}

type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if d.err != nil || size <= 0 {
		d.err = errShort
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) bytes() []byte {
	n := d.number()
	if d.err != nil || n > uint64(len(d.rest)) {
		d.err = errShort
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// writeAtomically replaces file so that after a crash there is the old content or the new one, never a part.
func writeAtomically(file string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(file)
	tmp, err := os.CreateTemp(dir, temporaryPrefix+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if err = write(tmp); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), file); err != nil {
		return err
	}
	// The rename itself must reach the disk, too.
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// removeTemporary removes what crashes have left behind.
func removeTemporary(dir string) {
	files, err := filepath.Glob(filepath.Join(dir, temporaryPrefix+"*"))
	if err != nil {
		return
	}
	for _, f := range files {
		_ = os.Remove(f)
	}
}
