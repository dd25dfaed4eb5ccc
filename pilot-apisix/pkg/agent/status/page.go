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

package status

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"sync"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

//go:embed page.html
var pageText string

// pageTemplate is parsed when somebody looks at the page, which in most sidecars nobody ever does.
var pageTemplate = sync.OnceValues(func() (*template.Template, error) {
	return template.New("page").Funcs(template.FuncMap{
		"ago":  func(t time.Time) string { return time.Since(t).Round(time.Second).String() + " ago" },
		"time": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}).Parse(pageText)
})

// kindCount is a line of the page.
type kindCount struct {
	Kind  apisix.Kind
	Count int
	Bytes int
}

func (s *server) page(w http.ResponseWriter, _ *http.Request) {
	t, err := pageTemplate()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	counts := make([]kindCount, 0, len(apisix.Kinds))
	for _, r := range s.source.Resources() {
		// The resources come sorted by kind.
		if n := len(counts); n == 0 || counts[n-1].Kind != r.Kind {
			counts = append(counts, kindCount{Kind: r.Kind})
		}
		last := &counts[len(counts)-1]
		last.Count++
		last.Bytes += len(r.JSON)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, struct {
		Status
		Kinds []kindCount
	}{s.source.Status(), counts}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = w.Write(b.Bytes())
}
