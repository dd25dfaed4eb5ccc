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
	"os"
	"path/filepath"
	"strings"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/miekg/dns"
	"google.golang.org/protobuf/types/known/anypb"

	dnsproto "istio.io/istio/pkg/dns/proto"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
)

func open(t *testing.T, dir, workload string) *Proxy {
	t.Helper()
	p, err := New(Options{
		Address: standin.FreeAddress(t), Namespace: "bookinfo", Domain: "bookinfo.svc.cluster.local", Dir: dir, Workload: workload,
	})
	assert.NoError(t, err)
	p.Start()
	t.Cleanup(p.Close)
	return p
}

// table is a response of istiod's with one Kubernetes service and one host of a ServiceEntry.
func table(t *testing.T, ip string) []*discovery.Resource {
	t.Helper()
	body, err := anypb.New(&dnsproto.NameTable{Table: map[string]*dnsproto.NameTable_NameInfo{
		"reviews.bookinfo.svc.cluster.local": {
			Ips: []string{ip, "2001:db8::7"}, Registry: "Kubernetes", Shortname: "reviews", Namespace: "bookinfo",
		},
		"*.example.org": {Ips: []string{"240.240.0.1"}, Registry: "External"},
	}})
	assert.NoError(t, err)
	return []*discovery.Resource{{Resource: body}}
}

// ask is one query, and its addresses.
func ask(t *testing.T, p *Proxy, network, name string, kind uint16) (rcode int, addresses []string) {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, kind)
	answer, _, err := (&dns.Client{Net: network}).Exchange(m, p.opts.Address)
	assert.NoError(t, err)
	for _, rr := range answer.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			addresses = append(addresses, rr.A.String())
		case *dns.AAAA:
			addresses = append(addresses, rr.AAAA.String())
		}
	}
	return answer.Rcode, addresses
}

func TestQueries(t *testing.T) {
	p := open(t, "", "")
	if err := p.Ready(); err == nil || !strings.Contains(err.Error(), "ISTIO_META_DNS_CAPTURE") {
		t.Errorf("ready without a table: %v", err)
	}
	assert.Equal(t, p.Table() == nil, true)
	rcode, _ := ask(t, p, "udp", "reviews.", dns.TypeA)
	assert.Equal(t, rcode, dns.RcodeServerFailure)

	assert.Equal(t, len(p.Handle(table(t, "10.0.0.7"), []string{"", "*"})), 0)
	assert.NoError(t, p.Ready())
	assert.Equal(t, len(p.Table().GetTable()), 2)
	for _, network := range []string{"udp", "tcp"} {
		for _, tt := range []struct {
			name string
			kind uint16
			want string
		}{
			{"reviews.bookinfo.svc.cluster.local.", dns.TypeA, "10.0.0.7"},
			{"reviews.bookinfo.svc.cluster.local.", dns.TypeAAAA, "2001:db8::7"},
			{"reviews.bookinfo.svc.", dns.TypeA, "10.0.0.7"},
			{"Reviews.Bookinfo.", dns.TypeA, "10.0.0.7"},
			{"reviews.", dns.TypeA, "10.0.0.7"},
			{"a.b.example.org.", dns.TypeA, "240.240.0.1"},
			// A name of the mesh without such an address: nothing, but not "no such name".
			{"a.example.org.", dns.TypeAAAA, ""},
		} {
			rcode, addresses := ask(t, p, network, tt.name, tt.kind)
			assert.Equal(t, rcode, dns.RcodeSuccess, tt.name)
			assert.Equal(t, strings.Join(addresses, ","), tt.want, tt.name)
		}
	}
	// A newer table is a whole one.
	assert.Equal(t, len(p.Handle(table(t, "10.0.0.8"), nil)), 0)
	_, addresses := ask(t, p, "udp", "reviews.", dns.TypeA)
	assert.Equal(t, addresses, []string{"10.0.0.8"})
}

// TestBadTableIsRefused leaves the good one.
func TestBadTableIsRefused(t *testing.T) {
	p := open(t, "", "")
	p.Handle(table(t, "10.0.0.7"), nil)
	for _, tt := range []struct {
		name     string
		resource *discovery.Resource
		want     ads.Rejection
	}{
		{"nothing", &discovery.Resource{}, ads.Rejection{Name: "name table", Reason: "type \"\" is not " + TypeURL}},
		{"another type", &discovery.Resource{Name: "x", Resource: &anypb.Any{TypeUrl: "t"}}, ads.Rejection{Name: "x", Reason: "type \"t\" is not " + TypeURL}},
		{"no message", &discovery.Resource{Resource: &anypb.Any{TypeUrl: TypeURL, Value: []byte("\xff")}}, ads.Rejection{Name: "name table", Reason: "not a name table"}},
	} {
		rejections := p.Handle([]*discovery.Resource{tt.resource}, nil)
		if len(rejections) != 1 || rejections[0].Name != tt.want.Name || !strings.HasPrefix(rejections[0].Reason, tt.want.Reason) {
			t.Errorf("%s: %+v", tt.name, rejections)
		}
	}
	_, addresses := ask(t, p, "udp", "reviews.", dns.TypeA)
	assert.Equal(t, addresses, []string{"10.0.0.7"})
}

// TestTableSurvives a restart, but not on behalf of another workload, and not torn.
func TestTableSurvives(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, "a.bookinfo").Handle(table(t, "10.0.0.7"), nil)
	again := open(t, dir, "a.bookinfo")
	assert.NoError(t, again.Ready())
	_, addresses := ask(t, again, "udp", "reviews.", dns.TypeA)
	assert.Equal(t, addresses, []string{"10.0.0.7"})
	if open(t, dir, "b.bookinfo").Ready() == nil {
		t.Error("the table of another workload is used")
	}
	file := filepath.Join(dir, tableFile)
	whole, err := os.ReadFile(file)
	assert.NoError(t, err)
	for n := range len(whole) {
		assert.NoError(t, os.WriteFile(file, whole[:n], 0o600))
		if b, err := readTable(dir, "a.bookinfo"); err == nil {
			t.Fatalf("%d of %d bytes are read as a table of %d", n, len(whole), len(b))
		}
	}
	if open(t, dir, "a.bookinfo").Ready() == nil {
		t.Error("a torn table is used")
	}
}

func TestEqualTableIsNotBuiltAgain(t *testing.T) {
	p := open(t, "", "")
	r := table(t, "10.0.0.7")
	p.Handle(r, nil)
	before := p.Table()
	p.Handle(r, nil)
	assert.Equal(t, p.Table() == before, true)
}

func TestPortThatIsTaken(t *testing.T) {
	p := open(t, "", "")
	_, err := New(Options{Address: p.opts.Address, Namespace: "a", Domain: "a.svc.cluster.local"})
	if err == nil || !strings.Contains(err.Error(), "DNS_PROXY_ADDR") {
		t.Errorf("error %v does not name DNS_PROXY_ADDR", err)
	}
}

// FuzzTable: no table ends the agent.
func FuzzTable(f *testing.F) {
	for _, seed := range []*dnsproto.NameTable{
		{},
		{Table: map[string]*dnsproto.NameTable_NameInfo{"": {Registry: "Kubernetes", Ips: []string{"1.2.3.4"}, AltHosts: []string{""}}}},
		{Table: map[string]*dnsproto.NameTable_NameInfo{"*.x": {Ips: []string{"::1", "bad"}}}},
	} {
		body, err := anypb.New(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body.GetValue())
	}
	// Nobody asks: the index that is built of a table is of interest.
	p, err := New(Options{Address: "127.0.0.1:0", Namespace: "bookinfo", Domain: "bookinfo.svc.cluster.local"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		p.Handle([]*discovery.Resource{{Resource: &anypb.Any{TypeUrl: TypeURL, Value: b}}}, nil)
	})
}
