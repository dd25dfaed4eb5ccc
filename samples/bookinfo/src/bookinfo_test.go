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
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// handlerOf is a service as main builds it.
func handlerOf(t *testing.T, service string, o options) http.Handler {
	t.Helper()
	if o.version == "" {
		o.version = "v1"
	}
	constructors := map[string]func(identity, *client) (http.Handler, error){
		"productpage": newProductpage, "details": newDetails, "reviews": newReviews, "ratings": newRatings,
	}
	calls, err := newClient(o)
	if err != nil {
		t.Fatal(err)
	}
	self := newIdentity(service, o)
	h, err := constructors[service](self, calls)
	if err != nil {
		t.Fatal(err)
	}
	return self.wrap(h)
}

// start serves h and returns its HOST:PORT.
func start(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// answer is what a handler answered.
type answer struct {
	code   int
	header http.Header
	body   string
}

// get asks h for path and reads the JSON answer into out, unless that is nil.
func get(t *testing.T, h http.Handler, path string, out any, header ...string) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{w.Code, w.Header(), w.Body.String()}
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			t.Fatalf("GET %s: %v: %s", path, err, a.body)
		}
	}
	return a
}

func TestLeafServices(t *testing.T) {
	details := handlerOf(t, "details", options{})
	var b book
	resp := get(t, details, "/details/0", &b)
	if resp.code != http.StatusOK || b.Author != "William Shakespeare" || b.ServedBy != "details-v1" {
		t.Errorf("details answered %d %+v", resp.code, b)
	}
	if resp := get(t, details, "/details/1", nil); resp.code != http.StatusNotFound {
		t.Errorf("an unknown book: %d, want 404", resp.code)
	}

	ratings := handlerOf(t, "ratings", options{name: "ratings-v1-abc"})
	var stars bookRatings
	resp = get(t, ratings, "/ratings/0", &stars)
	if stars.Ratings["Dromio"] != 4 || stars.ServedBy != "ratings-v1-abc" {
		t.Errorf("ratings answered %+v", stars)
	}
	if got := resp.header.Get(servedByHeader); got != "ratings-v1-abc" {
		t.Errorf("header %s = %q", servedByHeader, got)
	}
	if resp := get(t, ratings, "/health", nil); resp.code != http.StatusOK {
		t.Errorf("/health: %d", resp.code)
	}
}

func TestReviewsVersions(t *testing.T) {
	ratings := start(t, handlerOf(t, "ratings", options{}))
	for version, color := range starColors {
		t.Run(version, func(t *testing.T) {
			h := handlerOf(t, "reviews", options{version: version, resolve: map[string]string{"ratings:9080": ratings}})
			var got bookReviews
			get(t, h, "/reviews/0", &got)
			if got.ServedBy != "reviews-"+version || len(got.Reviews) != 2 {
				t.Fatalf("answered %+v", got)
			}
			if color == "" {
				if got.Reviews[0].Rating != nil || got.RatingsServedBy != "" {
					t.Errorf("v1 asked for ratings: %+v", got)
				}
				return
			}
			if want := (rating{Stars: 5, Color: color}); got.Reviews[0].Rating == nil || *got.Reviews[0].Rating != want {
				t.Errorf("rating %+v, want %+v", got.Reviews[0].Rating, want)
			}
			if got.RatingsServedBy != "ratings-v1" {
				t.Errorf("ratings came from %q", got.RatingsServedBy)
			}
		})
	}
	if _, err := newReviews(identity{version: "v4"}, nil); err == nil {
		t.Error("reviews v4 started")
	}
}

func TestReviewsWithoutRatings(t *testing.T) {
	broken := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	h := handlerOf(t, "reviews", options{version: "v2", outbound: broken})
	var got bookReviews
	if resp := get(t, h, "/reviews/0", &got); resp.code != http.StatusOK {
		t.Fatalf("answered %d", resp.code)
	}
	if r := got.Reviews[0].Rating; r == nil || r.Error == "" || r.Stars != 0 {
		t.Errorf("rating %+v, want an error in it", r)
	}
}

// TestOutbound sends a call through a stand-in for a sidecar, which must see it as it would behind iptables.
func TestOutbound(t *testing.T) {
	type seen struct{ host, path, user, trace, other string }
	requests := make(chan seen, 1)
	sidecar := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- seen{r.Host, r.URL.Path, r.Header.Get("end-user"), r.Header.Get("traceparent"), r.Header.Get("x-private")}
		writeJSON(w, http.StatusOK, bookReviews{ID: "0", ServedBy: "reviews-v2"})
	}))
	for _, outbound := range []string{sidecar, "http://" + sidecar, "http://" + sidecar + "/"} {
		h := handlerOf(t, "productpage", options{outbound: outbound})
		var got bookReviews
		get(t, h, "/api/v1/products/0/reviews?u=jason", &got, "traceparent", "00-1-2-01", "x-private", "stays here")
		if got.ServedBy != "reviews-v2" {
			t.Errorf("%s: answered %+v", outbound, got)
		}
		if got, want := <-requests, (seen{"reviews:9080", "/reviews/0", "jason", "00-1-2-01", ""}); got != want {
			t.Errorf("%s: the sidecar saw %+v, want %+v", outbound, got, want)
		}
	}
}

func TestWhoReads(t *testing.T) {
	for _, c := range []struct {
		name, path, cookie, header, want string
	}{
		{name: "nobody", path: "/"},
		{name: "query", path: "/?u=jason", want: "jason"},
		{name: "cookie", path: "/", cookie: url.QueryEscape("jason & co"), want: "jason & co"},
		{name: "query before cookie", path: "/?u=jason", cookie: "dromio", want: "jason"},
		{name: "a header of the caller's", path: "/", header: "jason"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, c.path, nil)
			if c.cookie != "" {
				r.AddCookie(&http.Cookie{Name: userCookie, Value: c.cookie})
			}
			if c.header != "" {
				r.Header.Set(userHeader, c.header)
			}
			if got := signedIn(r).Header.Get(userHeader); got != c.want {
				t.Errorf("user %q, want %q", got, c.want)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	h := handlerOf(t, "productpage", options{})
	r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader("username=jason"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	cookies := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || len(cookies) != 1 || cookies[0].Value != "jason" || !cookies[0].HttpOnly {
		t.Errorf("login answered %d with cookies %v", w.Code, cookies)
	}
}

func TestPage(t *testing.T) {
	ratings := start(t, handlerOf(t, "ratings", options{}))
	h := handlerOf(t, "productpage", options{resolve: map[string]string{
		"details:9080": start(t, handlerOf(t, "details", options{})),
		"reviews:9080": start(t, handlerOf(t, "reviews", options{version: "v3", resolve: map[string]string{"ratings:9080": ratings}})),
	}})
	resp := get(t, h, "/productpage?u="+url.QueryEscape("<script>jason"), nil)
	for _, want := range []string{
		"The Comedy of Errors", "William Shakespeare", "from details-v1", "from reviews-v3, stars from ratings-v1",
		`<span class="red">★★★★★</span>`, "page from productpage-v1", "&lt;script&gt;jason",
	} {
		if !strings.Contains(resp.body, want) {
			t.Errorf("the page lacks %q:\n%s", want, resp.body)
		}
	}
}

func TestFailuresOfOthers(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, c := range []struct {
		name     string
		outbound string
		want     int
	}{
		{"an answer of 503", start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		})), http.StatusServiceUnavailable},
		{"no answer in time", start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })), http.StatusGatewayTimeout},
		{"nobody there", closed.Listener.Addr().String(), http.StatusBadGateway},
		{"no JSON", start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })), http.StatusBadGateway},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := handlerOf(t, "productpage", options{outbound: c.outbound, timeout: 200 * time.Millisecond})
			var f failure
			if resp := get(t, h, "/api/v1/products/0/reviews", &f); resp.code != c.want || f.Error == "" {
				t.Errorf("the API answered %d %+v, want %d", resp.code, f, c.want)
			}
			resp := get(t, h, "/productpage", nil)
			if resp.code != http.StatusOK || !strings.Contains(resp.body, "reviews are currently unavailable") {
				t.Errorf("the page answered %d:\n%s", resp.code, resp.body)
			}
		})
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range [][]string{
		{"productpage", "--outbound=sidecar"},
		{"productpage", "--resolve=reviews=127.0.0.1:1"},
		{"reviews", "--version=v9"},
		{"details", "--outbound=127.0.0.1:15001"},
		{"ratings", "extra"},
	} {
		cmd := newCommand()
		cmd.SetArgs(args)
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.Execute(); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

// TestShutdown ends the server while a request is under way: the request gets its answer, a later one finds nobody.
func TestShutdown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	entered, release := make(chan struct{}), make(chan struct{})
	addr, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- serve(ctx, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			w.WriteHeader(http.StatusTeapot)
		}), func(a string) { addr <- a })
	}()
	target := "http://" + <-addr
	status := make(chan int, 1)
	go func() {
		resp, err := http.Get(target)
		if err != nil {
			status <- 0
			return
		}
		defer resp.Body.Close()
		status <- resp.StatusCode
	}()
	<-entered
	cancel()
	// The listener closes before the grace begins to count.
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(target, "http://"))
		if err != nil {
			break
		}
		conn.Close()
	}
	close(release)
	if got := <-status; got != http.StatusTeapot {
		t.Errorf("the request under way got %d, want 418", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
