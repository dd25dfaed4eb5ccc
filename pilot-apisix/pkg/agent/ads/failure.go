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

package ads

import (
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Cause tells apart why a stream ended. It is a label of the metrics.
type Cause string

const (
	// CauseClosed is an end in order, as when istiod shuts down or rebalances its connections.
	CauseClosed Cause = "closed"
	// CauseUnreachable means that there is no connection, or that it broke.
	CauseUnreachable Cause = "unreachable"
	// CauseTLS means that one side did not accept the other's certificate, or that only one of them speaks TLS.
	CauseTLS Cause = "tls"
	// CauseConfiguration means that this side cannot even try: a certificate's file is missing.
	CauseConfiguration Cause = "configuration"
	// CauseCredentials means that istiod did not accept the token (or the certificate).
	CauseCredentials Cause = "credentials"
	// CauseIdentity means that the token is right, but not for this node's namespace or service account.
	CauseIdentity Cause = "identity"
	// CauseNoSuchType means that this istiod does not know the type.
	CauseNoSuchType Cause = "no_such_type"
	// CauseOther is everything else.
	CauseOther Cause = "other"
)

// Failure is why the last stream ended.
type Failure struct {
	Time  time.Time `json:"time"`
	Cause Cause     `json:"cause"`
	// Code is the gRPC status.
	Code string `json:"code"`
	// Message is what istiod or gRPC said.
	Message string `json:"message"`
	// Remedy is what to do about it, if that is known.
	Remedy string `json:"remedy,omitempty"`
	// Attempt counts streams since the last one that lived for a while.
	Attempt int `json:"attempt"`
	// RetryIn is the pause before the next stream.
	RetryIn time.Duration `json:"retryInNanoseconds"`
}

// String is one line for the log.
func (f Failure) String() string {
	s := string(f.Cause) + " (" + f.Code + "): " + f.Message
	if f.Remedy != "" {
		s += ". " + f.Remedy
	}
	return s
}

// dialError is an error of this side, before anything was sent.
type dialError struct {
	error
}

func (e dialError) Unwrap() error { return e.error }

// plainIstiod is what the generator says that istiod falls back to for a type which it does not know
// (pilot/pkg/networking/apigen).
const plainIstiod = "api generator"

// noSuchType is the remedy for a plain istiod.
const noSuchType = "This istiod does not serve APISIX resources: run pilot-apisix's pilot-discovery in its place, " +
	"or point this proxy's discoveryAddress at one"

// explain makes a Failure of a stream's error. The message comes from the other side or from gRPC, never from us.
func explain(err error) Failure {
	var dial dialError
	if errors.As(err, &dial) {
		return Failure{Cause: CauseConfiguration, Code: codes.FailedPrecondition.String(), Message: dial.Error()}
	}
	if errors.Is(err, io.EOF) {
		return Failure{Cause: CauseClosed, Code: codes.OK.String(), Message: "istiod closed the stream"}
	}
	s := status.Convert(err)
	f := Failure{Cause: CauseOther, Code: s.Code().String(), Message: s.Message()}
	switch s.Code() {
	case codes.Unauthenticated, codes.PermissionDenied:
		switch {
		case strings.Contains(s.Message(), plainIstiod):
			f.Cause, f.Remedy = CauseNoSuchType, noSuchType
		case s.Code() == codes.PermissionDenied:
			f.Cause = CauseIdentity
			f.Remedy = "The token's namespace and service account must be those of the node: check POD_NAMESPACE and SERVICE_ACCOUNT"
		default:
			f.Cause = CauseCredentials
		}
	case codes.Unimplemented:
		if noDecompressor(err) {
			f.Remedy = "This istiod cannot read compressed requests: from now on they are not"
			break
		}
		f.Cause, f.Remedy = CauseNoSuchType, noSuchType
	case codes.Unavailable:
		f.Cause = CauseUnreachable
		if isTLS(s.Message()) {
			f.Cause = CauseTLS
		}
	case codes.Canceled:
		f.Cause = CauseClosed
	case codes.InvalidArgument:
		f.Remedy = "istiod does not accept this proxy's node id or metadata"
	case codes.ResourceExhausted:
		f.Remedy = "istiod limits the rate of new streams (PILOT_MAX_REQUESTS_PER_SECOND), or the response is too large"
	default:
	}
	return f
}

// noDecompressor reports whether the server has not the compression that it was asked for (grpc-go's words).
func noDecompressor(err error) bool {
	s := status.Convert(err)
	return s.Code() == codes.Unimplemented && strings.Contains(s.Message(), "Decompressor is not installed")
}

func isTLS(message string) bool {
	for _, s := range []string{"tls: ", "x509: ", "authentication handshake failed"} {
		if strings.Contains(message, s) {
			return true
		}
	}
	return false
}
