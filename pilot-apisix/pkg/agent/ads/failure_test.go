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

package ads_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
)

func TestFailuresAreToldApart(t *testing.T) {
	cases := []struct {
		name   string
		err    error
		cause  ads.Cause
		remedy string
	}{
		{
			"wrong token", status.Error(codes.Unauthenticated, "authentication failure"),
			ads.CauseCredentials, "What this side knows",
		},
		{
			"node id of another namespace",
			status.Error(codes.PermissionDenied, "authorization failed: no identities ([spiffe://cluster.local/ns/a/sa/a]) matched b/a"),
			ads.CauseIdentity, "POD_NAMESPACE",
		},
		{
			"plain istiod", status.Error(codes.Unauthenticated, "the api generator requires an authenticated control-plane identity"),
			ads.CauseNoSuchType, "does not serve APISIX resources",
		},
		{
			"plain istiod, other namespace",
			status.Error(codes.PermissionDenied, "the api generator is restricted to the control-plane (root) namespace"),
			ads.CauseNoSuchType, "does not serve APISIX resources",
		},
		{"no delta ADS", status.Error(codes.Unimplemented, "unknown method"), ads.CauseNoSuchType, "pilot-discovery"},
		{
			"no gzip", status.Error(codes.Unimplemented, `grpc: Decompressor is not installed for grpc-encoding "gzip"`),
			ads.CauseOther, "compressed",
		},
		{"rate limit", status.Error(codes.ResourceExhausted, "request rate limit exceeded"), ads.CauseOther, "PILOT_MAX_REQUESTS_PER_SECOND"},
		{"bad node", status.Error(codes.InvalidArgument, "missing node information"), ads.CauseOther, "node id"},
		{"in order", nil, ads.CauseClosed, ""},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			istiod := standin.Start(t, func(s standin.Stream) error {
				if _, err := s.Recv(); err != nil {
					return err
				}
				return tt.err
			})
			var mu sync.Mutex
			var failed []error
			client := run(t, istiod.Address, newStandinHandler(), func(o *ads.Options) {
				o.Failed = func(err error, accepted bool) {
					if accepted {
						t.Errorf("a stream without an answer is said to be accepted: %v", err)
					}
					mu.Lock()
					defer mu.Unlock()
					failed = append(failed, err)
				}
				o.Explain = func(error) string { return "what this side knows" }
			})
			// It goes on trying, with pauses.
			retry.UntilOrFail(t, func() bool { return len(client.recorded()) >= 3 }, retry.Timeout(20*time.Second))
			client.stop()
			f := client.Status().LastFailure
			assert.Equal(t, f.Cause, tt.cause)
			if !strings.Contains(f.Remedy, tt.remedy) {
				t.Fatalf("remedy %q lacks %q", f.Remedy, tt.remedy)
			}
			if tt.cause == ads.CauseNoSuchType && strings.Contains(f.Remedy, "What this side knows") {
				t.Fatalf("a plain istiod is no matter of credentials: %q", f.Remedy)
			}
			if tt.err != nil && f.Message != status.Convert(tt.err).Message() {
				t.Fatalf("the reason %q is not istiod's", f.Message)
			}
			mu.Lock()
			defer mu.Unlock()
			assert.Equal(t, len(failed) >= 3, true)
		})
	}
}

func TestUnreachableAndUndialable(t *testing.T) {
	istiod := standin.Start(t, standin.NewMesh().Serve)
	istiod.Stop()
	client := run(t, istiod.Address, newStandinHandler(), nil)
	retry.UntilOrFail(t, func() bool { return len(client.recorded()) >= 2 }, retry.Timeout(20*time.Second))
	client.stop()
	assert.Equal(t, client.Status().LastFailure.Cause, ads.CauseUnreachable)

	client = run(t, istiod.Address, newStandinHandler(), func(o *ads.Options) {
		o.Dial = func() (*grpc.ClientConn, error) { return nil, errors.New("no root certificate") }
	})
	retry.UntilOrFail(t, func() bool { return len(client.recorded()) >= 2 }, retry.Timeout(20*time.Second))
	client.stop()
	assert.Equal(t, client.Status().LastFailure.Cause, ads.CauseConfiguration)
	assert.Equal(t, client.Status().LastFailure.Message, "no root certificate")
}

func TestPausesGrowWithJitterUpToTheLongest(t *testing.T) {
	istiod := standin.Start(t, func(standin.Stream) error { return status.Error(codes.Unavailable, "no") })
	client := run(t, istiod.Address, newStandinHandler(), nil)
	retry.UntilOrFail(t, func() bool { return len(client.recorded()) >= 20 }, retry.Timeout(60*time.Second))
	client.stop()
	pauses := client.recorded()
	expected := 250 * time.Millisecond
	distinct := map[time.Duration]bool{}
	for i, p := range pauses {
		if p < expected/2 || p > expected*3/2 {
			t.Fatalf("pause %d is %v, not within half of %v", i, p, expected)
		}
		distinct[p] = true
		expected = min(expected*2, 30*time.Second)
	}
	if len(distinct) < len(pauses)/2 {
		t.Fatalf("no jitter: %v", pauses)
	}
}

func TestPausesBeginSmallAfterAHealthyStream(t *testing.T) {
	var mu sync.Mutex
	now := time.Unix(1_700_000_000, 0)
	advance := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	istiod := standin.Start(t, func(standin.Stream) error {
		advance(time.Second)
		return status.Error(codes.Unavailable, "no")
	})
	var count int
	client := run(t, istiod.Address, newStandinHandler(), func(o *ads.Options) {
		o.HealthyAfter = 10 * time.Second
		o.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
		o.Failed = func(error, bool) {
			count++
		}
		dial := o.Dial
		o.Dial = func() (*grpc.ClientConn, error) {
			// The eighth stream lives long.
			if count == 7 {
				advance(11 * time.Second)
			}
			return dial()
		}
	})
	retry.UntilOrFail(t, func() bool { return len(client.recorded()) >= 8 }, retry.Timeout(20*time.Second))
	client.stop()
	pauses := client.recorded()
	if pauses[6] < 4*time.Second {
		t.Fatalf("pause 6 is %v: it did not grow", pauses[6])
	}
	if pauses[7] > time.Second {
		t.Fatalf("pause 7 is %v: it did not begin small after a healthy stream", pauses[7])
	}
}
