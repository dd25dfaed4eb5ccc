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

package simulate

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// localReply is the answer that the mesh's plugins give (apisix.mesh.reply, Envoy's local reply). To gRPC it is 200 with the
// status in the headers. grpcStatus is -1 when only status says what happened.
func (e *exchange) localReply(status int, body string, grpcStatus int) *Response {
	r := &Response{Header: http.Header{}}
	head := e.method == http.MethodHead
	if isGRPC(e.now().headerVar("http_content_type").text) {
		r.Status = http.StatusOK
		if grpcStatus < 0 {
			grpcStatus = grpcOf(status)
		}
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("Grpc-Status", strconv.Itoa(grpcStatus))
		if body != "" && !head {
			r.Header.Set("Grpc-Message", grpcMessage(body))
		}
		return r
	}
	if r.Status = status; status == 0 {
		r.Status = httpOf(grpcStatus)
	}
	if body != "" {
		r.Header.Set("Content-Type", "text/plain")
	}
	if !head {
		r.Body = body
	}
	return r
}

// validStatus is what the plugins' schemas take.
func validStatus(status int) bool { return status >= 200 && status <= 599 }

func isGRPC(contentType string) bool {
	after, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (after == "" || after[0] == '+' || after[0] == ';')
}

// grpcOf is Envoy's httpToGrpcStatus.
func grpcOf(status int) int {
	switch status {
	case http.StatusBadRequest:
		return 13
	case http.StatusUnauthorized:
		return 16
	case http.StatusForbidden:
		return 7
	case http.StatusNotFound:
		return 12
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return 14
	}
	return 2
}

// httpOf is Envoy's grpcToHttpStatus.
func httpOf(grpcStatus int) int {
	statuses := []int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}
	if grpcStatus < 0 || grpcStatus >= len(statuses) {
		return http.StatusInternalServerError
	}
	return statuses[grpcStatus]
}

// grpcMessage is text as the header grpc-message carries it.
func grpcMessage(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c >= ' ' && c <= '}' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
