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
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// bill is what an image is made of.
type bill struct {
	recipe recipe
	digest v1.Hash
	base   base
	// info is of the program, the first of files.
	info  *debug.BuildInfo
	files []file
}

const (
	documentID = "SPDXRef-DOCUMENT"
	imageID    = "SPDXRef-image"
	baseID     = "SPDXRef-base"
)

// noAssertion is SPDX's word for what is not said.
const noAssertion = "NOASSERTION"

// writeSBOM writes the bill of materials beside the archive.
func (o options) writeSBOM(b bill) error {
	text, err := json.MarshalIndent(o.document(b), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, b.recipe.name+".spdx.json"), append(text, '\n'), 0o644)
}

// document is in the order of the build information and of the files. Its namespace, which must be unique, comes from the image's
// digest, so that equal images have equal documents.
func (o options) document(b bill) spdxDocument {
	d := spdxDocument{
		SPDXVersion:       "SPDX-2.3",
		DataLicense:       "CC0-1.0",
		SPDXID:            documentID,
		Name:              b.recipe.name + "-" + o.version,
		DocumentNamespace: source + "/spdx/" + b.recipe.name + "/" + b.digest.Hex,
		CreationInfo:      spdxCreation{Created: o.created.Format(time.RFC3339), Creators: []string{"Tool: pilot-apisix-images-" + o.version}},
	}
	d.Packages = append(d.Packages, o.image(b), b.base.spdx(b.recipe))
	d.relate(documentID, "DESCRIBES", imageID)
	d.relate(imageID, "DESCENDANT_OF", baseID)
	for i, f := range b.files {
		id := fmt.Sprintf("SPDXRef-file-%d", i)
		d.Files = append(d.Files, f.spdx(id))
		d.relate(imageID, "CONTAINS", id)
	}
	for i, m := range o.modules(b.info) {
		m.SPDXID = fmt.Sprintf("SPDXRef-module-%d", i)
		d.Packages = append(d.Packages, m)
		d.relate(d.Files[0].SPDXID, "STATIC_LINK", m.SPDXID)
	}
	return d
}

func (d *spdxDocument) relate(element, how, related string) {
	d.Relationships = append(d.Relationships, spdxRelationship{SPDXElementID: element, RelationshipType: how, RelatedSPDXElement: related})
}

func (o options) image(b bill) spdxPackage {
	return spdxPackage{
		SPDXID:                imageID,
		Name:                  b.recipe.name,
		VersionInfo:           o.version,
		DownloadLocation:      noAssertion,
		PrimaryPackagePurpose: "CONTAINER",
		SourceInfo:            fmt.Sprintf("for %s, built from %s at commit %s", o.platform, source, o.revision),
		Checksums:             []spdxChecksum{{"SHA256", b.digest.Hex}},
		ExternalRefs:          []spdxExternal{purl("oci", b.recipe.name, b.digest.String(), "arch="+o.platform.Architecture)},
	}
}

func (b base) spdx(r recipe) spdxPackage {
	p := spdxPackage{
		SPDXID:                baseID,
		Name:                  b.reference,
		VersionInfo:           b.digest.String(),
		DownloadLocation:      noAssertion,
		PrimaryPackagePurpose: "CONTAINER",
		Checksums:             []spdxChecksum{{"SHA256", b.digest.Hex}},
	}
	if b.reference == "" {
		p.Name = "base of " + r.name
	}
	return p
}

// spdx is the file as SPDX has it.
func (f file) spdx(id string) spdxFile {
	kind := "SOURCE"
	if f.mode&0o111 != 0 {
		kind = "BINARY"
	}
	return spdxFile{SPDXID: id, FileName: "./" + f.name, FileTypes: []string{kind}, Checksums: checksums(f.content)}
}

// checksums are SHA1, which SPDX demands of files, and SHA256, which says something.
func checksums(content []byte) []spdxChecksum {
	weak := sha1.Sum(content) //nolint:gosec // SPDX 2.3, clause 8.4, wants it; nothing here trusts it
	strong := sha256.Sum256(content)
	return []spdxChecksum{{"SHA1", hex.EncodeToString(weak[:])}, {"SHA256", hex.EncodeToString(strong[:])}}
}

// modules are what a program is linked from: our module, Go's standard library, and every other module.
func (o options) modules(info *debug.BuildInfo) []spdxPackage {
	all := []spdxPackage{
		modulePackage(info.Main.Path, o.version, ""),
		modulePackage("stdlib", strings.TrimPrefix(info.GoVersion, "go"), ""),
	}
	for _, m := range info.Deps {
		used, origin := m, ""
		switch {
		case m.Replace == nil:
		case m.Replace.Version == "" || m.Replace.Version == "(devel)":
			origin = "from the directory " + m.Replace.Path
		default:
			used, origin = m.Replace, fmt.Sprintf("in the place of %s %s", m.Path, m.Version)
		}
		all = append(all, modulePackage(used.Path, used.Version, strings.TrimSpace(used.Sum+" "+origin)))
	}
	return all
}

// modulePackage is a Go module; origin has the hash that go.sum knows it by.
func modulePackage(module, version, origin string) spdxPackage {
	return spdxPackage{
		Name:             module,
		VersionInfo:      version,
		DownloadLocation: noAssertion,
		SourceInfo:       origin,
		ExternalRefs:     []spdxExternal{purl("golang", module, version, "")},
	}
}

// purl is a package URL (https://github.com/package-url/purl-spec).
func purl(kind, name, version, qualifiers string) spdxExternal {
	locator := "pkg:" + kind + "/" + (&url.URL{Path: path.Clean(name)}).EscapedPath()
	if version != "" {
		locator += "@" + url.QueryEscape(version)
	}
	if qualifiers != "" {
		locator += "?" + qualifiers
	}
	return spdxExternal{ReferenceCategory: "PACKAGE-MANAGER", ReferenceType: "purl", ReferenceLocator: locator}
}
