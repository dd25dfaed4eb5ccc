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

package etcdapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
)

// authenticator checks the user and password of APISIX's deployment.etcd, and the tokens that they are exchanged for.
//
// The token is derived from the two, so it needs no memory and stays valid when the agent restarts: lua-resty-etcd keeps a
// token for three to four minutes and would be refused for as long after a restart.
type authenticator struct {
	enabled  bool
	user     [sha256.Size]byte
	password [sha256.Size]byte
	token    string
}

func newAuthenticator(user, password string) authenticator {
	if user == "" && password == "" {
		return authenticator{}
	}
	mac := hmac.New(sha256.New, []byte(password))
	mac.Write([]byte("pilot-apisix etcdapi token\x00" + user))
	return authenticator{
		enabled: true, user: sha256.Sum256([]byte(user)), password: sha256.Sum256([]byte(password)),
		token: base64.RawURLEncoding.EncodeToString(mac.Sum(nil)),
	}
}

// check compares in constant time.
func (a *authenticator) check(user, password string) bool {
	u, p := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(u[:], a.user[:])&subtle.ConstantTimeCompare(p[:], a.password[:]) == 1
}

// allow reports whether the request carries the token, and answers it if it does not.
func (a *authenticator) allow(w http.ResponseWriter, r *http.Request) bool {
	if !a.enabled {
		return true
	}
	got := r.Header.Get("Authorization")
	switch {
	case got == "":
		writeStatus(w, status{grpc: codeInvalidArgument, text: "etcdserver: user name is empty"})
	case subtle.ConstantTimeCompare([]byte(got), []byte(a.token)) != 1:
		writeStatus(w, status{grpc: codeUnauthenticated, text: "etcdserver: invalid auth token"})
	default:
		return true
	}
	return false
}

func (h *handler) serveAuthenticate(w http.ResponseWriter, r *http.Request) {
	var req authenticateRequest
	if err := readRequest(w, r, &req); err != nil {
		writeStatus(w, badRequest(err))
		return
	}
	if !h.auth.enabled {
		writeStatus(w, status{grpc: codeFailedPrecondition, text: "etcdserver: authentication is not enabled"})
		return
	}
	if !h.auth.check(req.Name, req.Password) {
		h.logf("etcd gateway: refused the password of a client at %s: deployment.etcd.user and password of its APISIX "+
			"differ from the agent's", r.RemoteAddr)
		writeStatus(w, status{grpc: codeInvalidArgument, text: "etcdserver: authentication failed, invalid user ID or password"})
		return
	}
	b := appendHeader([]byte{'{'}, h.store.Revision())
	b = append(b, `,"token":"`...)
	b = append(b, h.auth.token...)
	writeJSON(w, http.StatusOK, append(b, `"}`...))
}
