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
	"mime"
	"net/http"
	"strings"

	"github.com/prometheus/common/expfmt"

	upstream "istio.io/istio/pilot/cmd/pilot-agent/status"
)

const (
	textFormat = expfmt.Format(upstream.FmtText)

	textType = "text/plain"
	// plainText is what is asked for when the client's own wish is of no use.
	plainText = textType + ";version=" + expfmt.TextVersion
)

// acceptable is what of an Accept header can be merged: text, and of the application OpenMetrics too. Never protobuf, of
// which two messages cannot stand one after the other. A wildcard becomes the plainest of its formats, as in upstream.
func acceptable(accept string, openMetrics bool) string {
	var out []string
	for entry := range strings.SplitSeq(accept, ",") {
		mediaType, params, err := mime.ParseMediaType(entry)
		if err != nil {
			continue
		}
		switch {
		case mediaType == "*/*" || mediaType == "*":
			mediaType, params["version"] = textType, expfmt.TextVersion
		case mediaType == "application/*" && openMetrics:
			mediaType, params["version"] = expfmt.OpenMetricsType, expfmt.OpenMetricsVersion_0_0_1
		case mediaType == textType || mediaType == "text/*" || mediaType == expfmt.OpenMetricsType && openMetrics:
		default:
			continue
		}
		out = append(out, mime.FormatMediaType(mediaType, params))
	}
	if len(out) == 0 {
		return plainText
	}
	return strings.Join(out, ",")
}

// formatOf is that of the application's answers when they agree, and text otherwise.
func formatOf(answers []*http.Response) expfmt.Format {
	var out expfmt.Format
	for _, answer := range answers {
		if answer == nil {
			continue
		}
		format := textFormat
		mediaType, params, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
		if err == nil && mediaType == expfmt.OpenMetricsType {
			switch params["version"] {
			case expfmt.OpenMetricsVersion_1_0_0:
				format = upstream.FmtOpenMetrics_1_0_0
			case expfmt.OpenMetricsVersion_0_0_1, "":
				format = upstream.FmtOpenMetrics_0_0_1
			}
		}
		if out != "" && out != format {
			return textFormat
		}
		out = format
	}
	if out == "" {
		return textFormat
	}
	return out
}
